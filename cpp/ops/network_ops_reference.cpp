// The network's operators by libtorch's own, as the networks' sources (cpp/models/*.py) write them: for
// devices without a fused kernel, and the truth that those are tested against (dinov3_seg_reference).
#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "core/dense_scores.h"
#include "core/job_control.h"
#include "ops/network_checks.h"
#include "ops/network_ops.h"
#include "ops/perspective_view.h"

namespace dinov3_seg {
namespace {

at::Tensor rotate_half(const at::Tensor& x) {
  const int64_t half = x.size(-1) / 2;
  return at::cat({x.slice(-1, half).neg(), x.slice(-1, 0, half)}, -1);
}

at::Tensor deformable_attend_reference(const at::Tensor& value, at::IntArrayRef sizes,
                                       const at::Tensor& reference, const at::Tensor& offsets,
                                       const at::Tensor& logits) {
  const DeformableSizes size = check_deformable(value, sizes, reference, offsets, logits);
  const at::ScalarType type = to_op_math_type(value.scalar_type());
  const int64_t planes = size.batch * size.heads;
  const at::Tensor weights = at::softmax(logits.to(type), -1);  // B×Q×M×(L·P)
  const at::Tensor places = reference.to(type).reshape({1, size.queries, 1, 1, 2});
  at::Tensor out = at::zeros({planes, size.channels, size.queries}, value.options().dtype(type));
  int64_t start = 0;
  for (int64_t level = 0; level < size.levels; ++level) {
    const int64_t height = sizes[static_cast<size_t>(2 * level)],
                  width = sizes[static_cast<size_t>(2 * level + 1)];
    at::Tensor map = value.slice(1, start, start + height * width).to(type).permute({0, 2, 3, 1});
    map = map.reshape({planes, size.channels, height, width});
    const at::Tensor shifts = offsets.select(3, level).to(type);  // B×Q×M×P×2
    const at::Tensor locations =
        at::stack({places.select(-1, 0) + shifts.select(-1, 0) / static_cast<double>(width),
                   places.select(-1, 1) + shifts.select(-1, 1) / static_cast<double>(height)},
                  -1);
    const at::Tensor grid =
        (2.0 * locations - 1.0).transpose(1, 2).reshape({planes, size.queries, size.points, 2});
    const at::Tensor sampled = at::grid_sampler(map, grid, 0, 0, false);  // (B·M)×D×Q×P
    // A place that is NaN is beyond the map to grid_sampler on some devices.
    const at::Tensor weight = weights.slice(-1, level * size.points, (level + 1) * size.points)
                                  .masked_fill(at::isnan(locations).any(-1), std::nan(""))
                                  .transpose(1, 2)
                                  .reshape({planes, 1, size.queries, size.points});
    out = out + (sampled * weight).sum(at::IntArrayRef{-1});
    start += height * width;
  }
  return out.reshape({size.batch, size.heads * size.channels, size.queries})
      .transpose(1, 2)
      .contiguous()
      .to(value.scalar_type());
}

at::Tensor& rotate_qkv_reference(at::Tensor& qkv, const at::Tensor& sin, const at::Tensor& cos) {
  const RotateSizes size = check_rotate(qkv, sin, cos);
  // B×P×2×M×D
  const at::Tensor rotated = qkv.slice(1, size.tokens - size.rotated).slice(2, 0, 2);
  const std::array<int64_t, 4> table{size.rotated, 1, 1, size.channels};
  const at::Tensor x = rotated.to(sin.scalar_type());
  rotated.copy_(x * cos.reshape(table) + rotate_half(x) * sin.reshape(table));
  return qkv;
}

std::tuple<at::Tensor, at::Tensor> add_scaled_norm_reference(const at::Tensor& x, const at::Tensor& y,
                                                             const std::optional<at::Tensor>& gamma,
                                                             const at::Tensor& weight, const at::Tensor& bias,
                                                             double eps,
                                                             std::optional<at::ScalarType> dtype) {
  const at::ScalarType to = check_add_scaled_norm(x, y, gamma, weight, bias, dtype);
  const at::ScalarType type = x.scalar_type();
  const at::Tensor sum = x + (gamma ? y.to(type) * gamma->to(type) : y.to(type));
  const at::Tensor normed = at::layer_norm(sum, {x.size(-1)}, weight.to(type), bias.to(type), eps);
  return {sum.contiguous(), normed.to(to)};
}

at::Tensor swiglu_reference(const at::Tensor& gate, const at::Tensor& up) {
  check_swiglu(gate, up);
  return (at::silu(gate) * up).contiguous();
}

/// Calls best_of(first row, rows) of bands of rows and puts the maps it gives, B×rows×width, together.
/// `planes`: values of a pixel that a band holds.
template <typename BestOf>
at::Tensor in_bands(const at::Tensor& maps, int64_t planes, int64_t height, int64_t width, BestOf best_of) {
  const int64_t batch = maps.size(0);
  const at::Tensor best = at::empty({batch, height, width}, maps.options().dtype(at::kByte));
  // Values of a band of rows, as DenseScores has them.
  const int64_t elements = maps.is_cpu() ? 1 << 18 : 16 << 20;
  const int64_t band = std::clamp<int64_t>(elements / (batch * planes * width), 1, height);
  for (int64_t first = 0; first < height; first += band) {
    check_cancelled();
    const int64_t count = std::min(band, height - first);
    best.slice(1, first, first + count).copy_(best_of(first, count));
  }
  return best;
}

at::Tensor argmax_resized_reference(const at::Tensor& scores, int64_t height, int64_t width) {
  check_argmax(scores, height, width);
  const at::Tensor maps = scores.to(to_op_math_type(scores.scalar_type()));
  return in_bands(maps, scores.size(1), height, width, [&](int64_t first, int64_t count) {
    return resize_rows(maps, height, width, first, count).argmax(1);
  });
}

at::Tensor argmax_masks_reference(const at::Tensor& classes, const at::Tensor& masks, int64_t height,
                                  int64_t width) {
  check_argmax_masks(classes, masks, height, width);
  const int64_t planes = std::max(classes.size(1), classes.size(2));
  return in_bands(masks, planes, height, width, [&](int64_t first, int64_t count) {
    return mix_masks(classes, resize_rows(masks, height, width, first, count).sigmoid()).argmax(1);
  });
}

at::Tensor count_classes_reference(at::TensorList maps, const at::Tensor& tables,
                                   const std::optional<at::Tensor>& excluded, int64_t columns) {
  check_count_classes(maps, tables, excluded, columns);
  const int64_t pixels = maps[0].numel();
  at::Tensor counts = at::zeros({columns + 2}, tables.options().dtype(at::kLong));
  // Pixels looked up at a time: their indices take eight times the memory of a map.
  constexpr int64_t chunk = 1 << 24;
  for (int64_t first = 0; first < pixels; first += chunk) {
    check_cancelled();
    const auto part = [&](const at::Tensor& map) {
      return map.flatten().narrow(0, first, std::min(chunk, pixels - first));
    };
    at::Tensor column = at::full({std::min(chunk, pixels - first)}, columns, tables.options());
    for (size_t n = 0; n < maps.size(); ++n) {
      const at::Tensor own = tables[static_cast<int64_t>(n)].index_select(0, part(maps[n]).to(at::kInt));
      column = at::where(own.lt(columns), own, column);
    }
    column = column.to(at::kInt);
    if (excluded) column = column.masked_fill(part(*excluded).ne(0), columns + 1);
    counts += at::bincount(column, {}, columns + 2);
  }
  return counts;
}

at::Tensor prepare_pixels_reference(const at::Tensor& pixels, int64_t height, int64_t width,
                                    at::ArrayRef<double> mean, at::ArrayRef<double> std) {
  check_pixels(pixels, height, width, mean, std);
  at::Tensor image = pixels.permute({2, 0, 1}).unsqueeze(0).to(at::kFloat).div_(255);  // 1×3×H×W
  if (image.size(2) != height || image.size(3) != width)
    image = at::_upsample_bilinear2d_aa(image, {height, width}, false);
  image = image[0].contiguous();
  for (int64_t c = 0; c < 3; ++c)
    image[c].sub_(mean[static_cast<size_t>(c)]).div_(std[static_cast<size_t>(c)]);
  return image;
}

/// Columns and rows of places in a panorama, height×width float32, `shift_x` and `shift_y` into each pixel.
std::array<at::Tensor, 2> view_places(const at::Tensor& panorama, const ViewGeometry& view, double shift_x,
                                      double shift_y) {
  const auto floats = panorama.options().dtype(at::kFloat);
  const at::Tensor x = (at::arange(view.width, floats) + (shift_x - 0.5 * view.width)).unsqueeze(0);
  const at::Tensor y = (at::arange(view.height, floats) + (shift_y - 0.5 * view.height)).unsqueeze(1);
  const auto along = [&](int axis) {
    const float* r = view.rotation + 3 * axis;
    return x * r[0] + y * r[1] + r[2] * view.focal;
  };
  const at::Tensor dx = along(0), dy = along(1), dz = along(2);
  constexpr double pi = 3.14159265358979323846;
  return {(at::atan2(dx, dz) / (2 * pi) + 0.5) * view.panorama_width - 0.5,
          (at::atan2(dy, at::hypot(dx, dz)) / pi + 0.5) * view.panorama_height - 0.5};
}

at::Tensor perspective_view_reference(const at::Tensor& panorama, at::ArrayRef<double> rotation, double focal,
                                      int64_t height, int64_t width, int64_t samples) {
  const ViewGeometry view = check_view(panorama, rotation, focal, height, width, samples);
  const int64_t columns = view.panorama_width;
  const at::Tensor pixels = panorama.reshape({-1, 3});  // (H·W)×3
  at::Tensor sum = at::zeros({height, width, 3}, panorama.options().dtype(at::kFloat));
  for (int64_t t = 0; t < samples; ++t)
    for (int64_t s = 0; s < samples; ++s) {
      const auto shift = [&](int64_t i) {
        return (static_cast<double>(i) + 0.5) / static_cast<double>(samples);
      };
      const auto [column, row] = view_places(panorama, view, shift(s), shift(t));
      const at::Tensor first = column.floor(), above = row.floor();
      const at::Tensor left = first.to(at::kLong).remainder(columns), right = (left + 1).remainder(columns);
      const at::Tensor top = above.to(at::kLong);
      const auto at_corner = [&](const at::Tensor& line, const at::Tensor& place) {
        const at::Tensor index = line.clamp(0, view.panorama_height - 1) * columns + place;
        return pixels.index_select(0, index.flatten()).view({height, width, 3}).to(at::kFloat);
      };
      const at::Tensor across = (column - first).unsqueeze(2);  // height×width×1
      const auto along_row = [&](const at::Tensor& line) {
        return at::lerp(at_corner(line, left), at_corner(line, right), across);
      };
      sum += at::lerp(along_row(top), along_row(top + 1), (row - above).unsqueeze(2));
    }
  return (sum / static_cast<double>(samples * samples) + 0.5).clamp_max(255).to(at::kByte);
}

at::Tensor add_resized_reference(const at::Tensor& x, const at::Tensor& y,
                                 const std::optional<at::Tensor>& scale,
                                 const std::optional<at::Tensor>& shift) {
  check_add_resized(x, y, scale, shift);
  const at::ScalarType type = to_op_math_type(x.scalar_type());
  at::Tensor added = y.to(type);
  if (x.size(1) != y.size(1) || x.size(2) != y.size(2))
    added = at::upsample_bilinear2d(added.permute({0, 3, 1, 2}), {x.size(1), x.size(2)}, false)
                .permute({0, 2, 3, 1});
  at::Tensor sum = x.to(type) + added;
  if (scale) sum = sum * scale->to(type) + shift->to(type);
  return sum.contiguous();
}

at::Tensor group_norm_tokens_reference(const at::Tensor& x, int64_t groups, const at::Tensor& weight,
                                       const at::Tensor& bias, double eps, bool relu) {
  check_group_norm(x, groups, weight, bias);
  const at::ScalarType type = to_op_math_type(x.scalar_type());
  at::Tensor normed =
      at::group_norm(x.to(type).transpose(1, 2), groups, weight.to(type), bias.to(type), eps).transpose(1, 2);
  if (relu) normed = at::relu(normed);
  return normed.contiguous();
}

at::Tensor depthwise_gelu_reference(const at::Tensor& x, at::IntArrayRef sizes, const at::Tensor& weight,
                                    const at::Tensor& bias) {
  check_depthwise(x, sizes, weight, bias);
  const at::ScalarType type = x.scalar_type();
  std::vector<at::Tensor> parts;
  int64_t start = 0;
  for (size_t i = 0; i < sizes.size(); i += 2) {
    const int64_t tokens = sizes[i] * sizes[i + 1];
    const at::Tensor map =
        x.slice(1, start, start + tokens).transpose(1, 2).unflatten(2, {sizes[i], sizes[i + 1]}).contiguous();
    parts.push_back(at::conv2d(map, weight.to(type), bias.to(type), 1, 1, 1, x.size(2)).flatten(2));
    start += tokens;
  }
  return at::gelu(at::cat(parts, 2).transpose(1, 2).contiguous());
}

at::Tensor upscaled_norm_reference(const at::Tensor& x, const at::Tensor& weight,
                                   const at::Tensor& norm_weight, const at::Tensor& norm_bias, double eps,
                                   std::optional<at::ScalarType> dtype) {
  const at::ScalarType to = check_upscaled(x, weight, norm_weight, norm_bias, dtype);
  const int64_t channels = weight.size(0);
  const at::Tensor map = x.unflatten(3, {2, 2, channels})
                             .permute({0, 5, 1, 3, 2, 4})
                             .reshape({x.size(0), channels, 2 * x.size(1), 2 * x.size(2)});
  const at::ScalarType type = to_op_math_type(x.scalar_type());
  const at::Tensor convolved =
      at::conv2d(map, weight.to(x.scalar_type()), {}, 1, 1, 1, channels).permute({0, 2, 3, 1}).to(type);
  return at::layer_norm(convolved.contiguous(), {channels}, norm_weight.to(type), norm_bias.to(type), eps)
      .to(to);
}

/// B×M×Q×n of edges B×Q×1×2 and the n places of one axis.
at::Tensor axis_bias(const at::Tensor& edges, int64_t places, int64_t stride, const BoxAxisLayers& layers) {
  const at::ScalarType type = edges.scalar_type();
  const at::Tensor centres = (at::arange(places, edges.options()) + 0.5) * stride;
  at::Tensor hidden =
      at::linear(edges - centres.unsqueeze(1), layers.hidden.to(type), layers.shift.to(type)).relu_();
  const at::Tensor bias = at::linear(hidden, layers.weight.to(type)).permute({0, 3, 1, 2});
  return bias - bias.amax({3}, true);
}

at::Tensor box_bias_reference(const at::Tensor& given_boxes, int64_t height, int64_t width, int64_t stride,
                              const at::Tensor& x_hidden, const at::Tensor& x_shift,
                              const at::Tensor& x_weight, const at::Tensor& y_hidden,
                              const at::Tensor& y_shift, const at::Tensor& y_weight, at::ScalarType dtype) {
  const BoxAxisLayers x_layers{x_hidden, x_shift, x_weight}, y_layers{y_hidden, y_shift, y_weight};
  check_box_bias(given_boxes, height, width, stride, x_layers, y_layers, dtype);
  const at::Tensor boxes = given_boxes.to(to_op_math_type(given_boxes.scalar_type()));
  const int64_t batch = boxes.size(0), queries = boxes.size(1);
  at::Tensor out = at::empty({batch, x_weight.size(0), queries, height, width}, boxes.options().dtype(dtype));
  // Of a band of queries: an axis' hidden units are many more than what comes of them.
  const int64_t units = batch * std::max(height, width) * x_shift.numel();
  const int64_t band = std::clamp<int64_t>((boxes.is_cpu() ? 1 << 20 : 64 << 20) / units, 1, queries);
  for (int64_t first = 0; first < queries; first += band) {
    check_cancelled();
    const int64_t count = std::min(band, queries - first);
    const at::Tensor some = boxes.narrow(1, first, count).unsqueeze(2);
    const at::Tensor centre = some.slice(3, 0, 2), half = some.slice(3, 2, 4) / 2;
    const at::Tensor edges = at::stack({centre - half, centre + half}, 4);  // B×Q×1×(x, y)×(low, high)
    const at::Tensor x = axis_bias(edges.select(3, 0), width, stride, x_layers);
    const at::Tensor y = axis_bias(edges.select(3, 1), height, stride, y_layers);
    out.narrow(2, first, count).copy_(y.unsqueeze(4) + x.unsqueeze(3));
  }
  return out.flatten(3);
}

at::Tensor to_float16_reference(const at::Tensor& x, at::Tensor& largest) {
  check_to_float16(x, largest);
  if (x.numel() > 0) largest.copy_(at::maximum(largest, x.abs().amax().to(at::kFloat)));
  return x.to(at::kHalf);
}

void implement_network_ops(torch::Library& library) {
  library.impl("deformable_attend", deformable_attend_reference);
  library.impl("rotate_qkv", rotate_qkv_reference);
  library.impl("add_scaled_norm", add_scaled_norm_reference);
  library.impl("swiglu", swiglu_reference);
  library.impl("argmax_resized", argmax_resized_reference);
  library.impl("argmax_masks", argmax_masks_reference);
  library.impl("count_classes", count_classes_reference);
  library.impl("prepare_pixels", prepare_pixels_reference);
  library.impl("perspective_view", perspective_view_reference);
  library.impl("add_resized", add_resized_reference);
  library.impl("group_norm_tokens", group_norm_tokens_reference);
  library.impl("depthwise_gelu", depthwise_gelu_reference);
  library.impl("upscaled_norm", upscaled_norm_reference);
  library.impl("box_bias", box_bias_reference);
  library.impl("to_float16", to_float16_reference);
}

}  // namespace

TORCH_LIBRARY_IMPL(dinov3_seg, CompositeExplicitAutograd, library) { implement_network_ops(library); }
TORCH_LIBRARY_IMPL(dinov3_seg_reference, CompositeExplicitAutograd, library) {
  implement_network_ops(library);
}

}  // namespace dinov3_seg
