// What the network's operators take, checked alike by every kernel.
#pragma once

#include <ATen/core/Tensor.h>

#include <limits>
#include <optional>

#include "core/error.h"

namespace dinov3_seg {

inline bool is_computed(at::ScalarType type) {
  return type == at::kFloat || type == at::kBFloat16 || type == at::kHalf || type == at::kDouble;
}

/// The dtype that values of `type` are computed in.
inline at::ScalarType to_op_math_type(at::ScalarType type) { return type == at::kDouble ? type : at::kFloat; }

/// Throws SHAPE unless a tensor has this shape, is floating point and on this device.
inline void check_values(const char* name, const at::Tensor& tensor, at::IntArrayRef shape,
                         c10::Device device) {
  if (tensor.sizes() != shape || !is_computed(tensor.scalar_type()) || tensor.device() != device)
    fail("SHAPE", "expected ", name, " ", shape, " float32, bfloat16, float16 or float64 on ", device,
         ", got ", tensor.sizes(), " ", tensor.scalar_type(), " on ", tensor.device());
}

/// Heights and widths of `levels` maps of `tokens` places together.
inline void check_levels(at::IntArrayRef sizes, int64_t levels, int64_t tokens) {
  int64_t found = 0;
  bool positive = static_cast<int64_t>(sizes.size()) == 2 * levels;
  for (size_t i = 0; i + 1 < sizes.size(); i += 2) {
    positive = positive && sizes[i] > 0 && sizes[i + 1] > 0 &&
               sizes[i + 1] <= std::numeric_limits<int32_t>::max() / 4 / sizes[i];
    if (positive) found += sizes[i] * sizes[i + 1];
  }
  if (!positive || found != tokens)
    fail("SHAPE", "expected height and width of each of ", levels, " levels, of ", tokens,
         " tokens together, got ", sizes);
}

struct DeformableSizes {
  int64_t batch, tokens, heads, channels, queries, levels, points;
};

inline DeformableSizes check_deformable(const at::Tensor& value, at::IntArrayRef sizes,
                                        const at::Tensor& reference, const at::Tensor& offsets,
                                        const at::Tensor& logits) {
  if (value.dim() != 4 || !is_computed(value.scalar_type()) || value.numel() == 0)
    fail("SHAPE", "expected value B×S×M×D float32, bfloat16, float16 or float64, got ", value.sizes(), " ",
         value.scalar_type());
  if (offsets.dim() != 6 || offsets.numel() == 0)
    fail("SHAPE", "expected offsets B×Q×M×L×P×2, got ", offsets.sizes());
  const DeformableSizes size{value.size(0),   value.size(1),   value.size(2),  value.size(3),
                             offsets.size(1), offsets.size(3), offsets.size(4)};
  check_levels(sizes, size.levels, size.tokens);
  check_values("offsets", offsets, {size.batch, size.queries, size.heads, size.levels, size.points, 2},
               value.device());
  check_values("logits", logits, {size.batch, size.queries, size.heads, size.levels * size.points},
               value.device());
  check_values("reference points", reference, {1, size.queries, 2}, value.device());
  return size;
}

struct RotateSizes {
  int64_t batch, tokens, heads, channels, rotated;
};

inline RotateSizes check_rotate(const at::Tensor& qkv, const at::Tensor& sin, const at::Tensor& cos) {
  if (qkv.dim() != 5 || qkv.size(2) != 3 || qkv.size(4) % 2 != 0 || !is_computed(qkv.scalar_type()) ||
      !qkv.is_contiguous() || qkv.numel() == 0)
    fail("SHAPE",
         "expected qkv B×N×3×M×D float32, bfloat16, float16 or float64, contiguous, with an even D, got ",
         qkv.sizes(), " ", qkv.scalar_type());
  const RotateSizes size{qkv.size(0), qkv.size(1), qkv.size(3), qkv.size(4),
                         sin.dim() == 2 ? sin.size(0) : 0};
  for (const at::Tensor& table : {sin, cos})
    if (table.sizes() != at::IntArrayRef{size.rotated, size.channels} || size.rotated > size.tokens ||
        table.scalar_type() != to_op_math_type(qkv.scalar_type()) || table.device() != qkv.device())
      fail("SHAPE", "expected sines and cosines P×", size.channels, " ", to_op_math_type(qkv.scalar_type()),
           " on ", qkv.device(), " of at most ", size.tokens, " tokens, got ", table.sizes(), " ",
           table.scalar_type(), " on ", table.device());
  return size;
}

/// Gives the dtype of the norm.
inline at::ScalarType check_add_scaled_norm(const at::Tensor& x, const at::Tensor& y,
                                            const std::optional<at::Tensor>& gamma, const at::Tensor& weight,
                                            const at::Tensor& bias, std::optional<at::ScalarType> dtype) {
  const at::ScalarType type = x.scalar_type();
  if (x.dim() == 0 || x.numel() == 0 || (type != at::kFloat && type != at::kDouble))
    fail("SHAPE", "expected x …×C float32 or float64, got ", x.sizes(), " ", type);
  check_values("y", y, x.sizes(), x.device());
  const int64_t channels = x.size(-1);
  if (gamma) check_values("gamma", *gamma, {channels}, x.device());
  check_values("weight", weight, {channels}, x.device());
  check_values("bias", bias, {channels}, x.device());
  if (dtype && !is_computed(*dtype))
    fail("SHAPE", "expected a norm in float32, bfloat16, float16 or float64, got ", *dtype);
  return dtype.value_or(type);
}

inline void check_swiglu(const at::Tensor& gate, const at::Tensor& up) {
  check_values("gate", gate, gate.sizes(), gate.device());
  if (up.sizes() != gate.sizes() || up.scalar_type() != gate.scalar_type() || up.device() != gate.device())
    fail("SHAPE", "expected gate and up of one shape, dtype and device, got ", gate.sizes(), " ",
         gate.scalar_type(), " on ", gate.device(), " and ", up.sizes(), " ", up.scalar_type(), " on ",
         up.device());
}

/// Sides that whole numbers of 64 bits place pixels with.
inline void check_side(int64_t side) {
  if (side < 1 || side > 1 << 20) fail("SHAPE", "expected sides of 1 to 1048576, got ", side);
}

inline void check_argmax(const at::Tensor& scores, int64_t height, int64_t width) {
  if (scores.dim() != 4 || !is_computed(scores.scalar_type()) || scores.numel() == 0 || scores.size(1) > 255)
    fail("SHAPE",
         "expected scores B×K×h×w float32, bfloat16, float16 or float64 of at most 255 classes, got ",
         scores.sizes(), " ", scores.scalar_type());
  for (const int64_t side : {scores.size(2), scores.size(3), height, width}) check_side(side);
}

inline void check_argmax_masks(const at::Tensor& classes, const at::Tensor& masks, int64_t height,
                               int64_t width) {
  const bool fits = classes.dim() == 3 && masks.dim() == 4 && classes.size(0) == masks.size(0) &&
                    classes.size(1) == masks.size(1) && classes.device() == masks.device() &&
                    classes.scalar_type() == at::kFloat && masks.scalar_type() == at::kFloat &&
                    classes.numel() > 0 && masks.numel() > 0 && classes.size(2) <= 255;
  if (!fits)
    fail("SHAPE", "expected classes B×Q×K, at most 255, and masks B×Q×h×w, both float32 on one device, got ",
         classes.sizes(), " ", classes.scalar_type(), " on ", classes.device(), " and ", masks.sizes(), " ",
         masks.scalar_type(), " on ", masks.device());
  for (const int64_t side : {masks.size(2), masks.size(3)}) check_side(side);
  if (height < 1 || width < 1) fail("SHAPE", "expected sides of at least 1, got ", height, " and ", width);
}

/// Of an image, that are counted together.
constexpr size_t most_maps = 8;

inline void check_count_classes(at::TensorList maps, const at::Tensor& tables,
                                const std::optional<at::Tensor>& excluded, int64_t columns) {
  const auto fits = [&](const at::Tensor& map) {
    return map.dim() == 2 && map.sizes() == maps[0].sizes() && map.scalar_type() == at::kByte &&
           map.device() == tables.device();
  };
  if (maps.empty() || maps.size() > most_maps)
    fail("SHAPE", "expected 1 to ", most_maps, " maps, got ", maps.size());
  for (const at::Tensor& map : maps)
    if (!fits(map) || map.numel() == 0)
      fail("SHAPE", "expected maps H×W uint8 of one size on ", tables.device(), ", got ", map.sizes(), " ",
           map.scalar_type(), " on ", map.device());
  if (excluded && !fits(*excluded))
    fail("SHAPE", "expected excluded ", maps[0].sizes(), " uint8 on ", tables.device(), ", got ",
         excluded->sizes(), " ", excluded->scalar_type(), " on ", excluded->device());
  if (tables.sizes() != at::IntArrayRef{static_cast<int64_t>(maps.size()), 256} ||
      tables.scalar_type() != at::kByte)
    fail("SHAPE", "expected tables ", maps.size(), "×256 uint8, got ", tables.sizes(), " ",
         tables.scalar_type());
  if (columns < 1 || columns > 255) fail("SHAPE", "expected 1 to 255 columns, got ", columns);
}

inline void check_pixels(const at::Tensor& pixels, int64_t height, int64_t width, at::ArrayRef<double> mean,
                         at::ArrayRef<double> std) {
  if (pixels.dim() != 3 || pixels.size(2) != 3 || pixels.scalar_type() != at::kByte || pixels.numel() == 0)
    fail("SHAPE", "expected pixels H×W×3 uint8, got ", pixels.sizes(), " ", pixels.scalar_type());
  if (mean.size() != 3 || std.size() != 3)
    fail("SHAPE", "expected three means and deviations, got ", mean.size(), " and ", std.size());
  for (const int64_t side : {pixels.size(0), pixels.size(1), height, width}) check_side(side);
}

inline void check_add_resized(const at::Tensor& x, const at::Tensor& y,
                              const std::optional<at::Tensor>& scale,
                              const std::optional<at::Tensor>& shift) {
  if (x.dim() != 4 || y.dim() != 4 || x.numel() == 0 || y.numel() == 0)
    fail("SHAPE", "expected x B×H×W×C and y B×h×w×C, got ", x.sizes(), " and ", y.sizes());
  check_values("x", x, x.sizes(), x.device());
  check_values("y", y, {x.size(0), y.size(1), y.size(2), x.size(3)}, x.device());
  for (const int64_t side : {x.size(1), x.size(2), y.size(1), y.size(2)}) check_side(side);
  if (scale.has_value() != shift.has_value())
    fail("SHAPE", "expected scale and shift, or neither; got one of them");
  if (scale) check_values("scale", *scale, {x.size(3)}, x.device());
  if (shift) check_values("shift", *shift, {x.size(3)}, x.device());
}

inline void check_group_norm(const at::Tensor& x, int64_t groups, const at::Tensor& weight,
                             const at::Tensor& bias) {
  if (x.dim() != 3 || x.numel() == 0) fail("SHAPE", "expected x B×N×C, got ", x.sizes());
  check_values("x", x, x.sizes(), x.device());
  if (groups < 1 || x.size(2) % groups != 0)
    fail("SHAPE", "expected a number of groups that divides ", x.size(2), " channels, got ", groups);
  check_values("weight", weight, {x.size(2)}, x.device());
  check_values("bias", bias, {x.size(2)}, x.device());
}

inline void check_depthwise(const at::Tensor& x, at::IntArrayRef sizes, const at::Tensor& weight,
                            const at::Tensor& bias) {
  if (x.dim() != 3 || x.numel() == 0) fail("SHAPE", "expected x B×N×C, got ", x.sizes());
  check_values("x", x, x.sizes(), x.device());
  check_levels(sizes, static_cast<int64_t>(sizes.size()) / 2, x.size(1));
  check_values("weight", weight, {x.size(2), 1, 3, 3}, x.device());
  check_values("bias", bias, {x.size(2)}, x.device());
}

/// Gives the dtype of the result.
inline at::ScalarType check_upscaled(const at::Tensor& x, const at::Tensor& weight,
                                     const at::Tensor& norm_weight, const at::Tensor& norm_bias,
                                     std::optional<at::ScalarType> dtype) {
  if (x.dim() != 4 || x.numel() == 0 || x.size(3) % 4 != 0)
    fail("SHAPE", "expected x B×H×W×(2·2·C), got ", x.sizes());
  check_values("x", x, x.sizes(), x.device());
  const int64_t channels = x.size(3) / 4;
  check_values("weight", weight, {channels, 1, 3, 3}, x.device());
  check_values("norm weight", norm_weight, {channels}, x.device());
  check_values("norm bias", norm_bias, {channels}, x.device());
  for (const int64_t side : {x.size(1), x.size(2)}) check_side(side);
  if (dtype && !is_computed(*dtype))
    fail("SHAPE", "expected a norm in float32, bfloat16, float16 or float64, got ", *dtype);
  return dtype.value_or(to_op_math_type(x.scalar_type()));
}

/// The layers of one axis' MLP: hidden H×2, shift H, weight M×H.
struct BoxAxisLayers {
  const at::Tensor &hidden, &shift, &weight;
};

inline void check_box_bias(const at::Tensor& boxes, int64_t height, int64_t width, int64_t stride,
                           const BoxAxisLayers& x, const BoxAxisLayers& y, at::ScalarType dtype) {
  if (boxes.dim() != 3 || boxes.numel() == 0 || boxes.size(2) != 4)
    fail("SHAPE", "expected boxes B×Q×4, got ", boxes.sizes());
  check_values("boxes", boxes, boxes.sizes(), boxes.device());
  check_levels({height, width}, 1, height * width);
  if (stride < 1) fail("SHAPE", "expected places at least a pixel apart, got ", stride);
  const int64_t hidden = x.shift.numel(), heads = x.weight.dim() == 2 ? x.weight.size(0) : 0;
  if (hidden == 0 || heads == 0)
    fail("SHAPE", "expected layers of H×2, H and M×H values, got ", x.hidden.sizes(), ", ", x.shift.sizes(),
         " and ", x.weight.sizes());
  for (const BoxAxisLayers& axis : {x, y}) {
    check_values("hidden layer", axis.hidden, {hidden, 2}, boxes.device());
    check_values("hidden layer's bias", axis.shift, {hidden}, boxes.device());
    check_values("second layer", axis.weight, {heads, hidden}, boxes.device());
  }
  if (!is_computed(dtype))
    fail("SHAPE", "expected a result in float32, bfloat16, float16 or float64, got ", dtype);
}

inline void check_to_float16(const at::Tensor& x, const at::Tensor& largest) {
  check_values("x", x, x.sizes(), x.device());
  if (largest.numel() != 1 || largest.scalar_type() != at::kFloat || largest.device() != x.device())
    fail("SHAPE", "expected a place for one float32 on ", x.device(), ", got ", largest.sizes(), " ",
         largest.scalar_type(), " on ", largest.device());
}

}  // namespace dinov3_seg
