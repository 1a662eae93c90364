#include "models/quantized_blocks.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <vector>

#include "core/available_memory.h"
#include "core/dtype_names.h"
#include "core/error.h"
#include "core/job_control.h"
#include "models/streamable_matrices.h"
#include "ops/quantized_ops.h"

namespace dinov3_seg {
namespace {

using Matrices = std::vector<StreamableMatrix>;

/// Blocks in bfloat16 at either end of the backbone: errors of the first run through all others, and those of
/// the last are in the features as they are.
constexpr std::int64_t exact_first = 1, exact_last = 1;

/// Sides of what scaled products take.
constexpr std::int64_t side_unit = 16;

/// A buffer of one module belongs to the class of all that are like it: those without scales have none in it.
void add_scales_buffers(const torch::jit::Module& module, const Matrices& quantized, c10::Device device) {
  std::set<const c10::ClassType*> classes;
  for (const StreamableMatrix& matrix : quantized)
    if (!matrix.owner.hasattr(weight_scales_name)) classes.insert(matrix.owner.type().get());
  for (torch::jit::Module each : module.modules())
    if (classes.contains(each.type().get()))
      each.register_buffer(weight_scales_name, at::empty({0}, at::TensorOptions().device(device)));
}

/// Sets up what a scaled product takes on the device: it has none where that fails.
void require_scaled_products(c10::Device device) {
  constexpr std::int64_t side = 8 * side_unit;
  const at::Tensor ones = at::ones({side, side}, at::TensorOptions().device(device));
  try {
    const auto [values, scales] = quantize_rows(ones);
    scaled_linear(values, scales, values, scales.flatten(), {});
  } catch (const c10::Error& error) {
    if (is_out_of_memory(error)) throw;
    fail("DEVICE", "precision fp8 needs a CUDA device of compute capability 8.9 or of 9.0 and later. On ",
         device.str(), " a product of e4m3 values failed: ", error.what_without_backtrace());
  }
}

/// The matrices of the blocks whose linears are quantised.
Matrices matrices_to_quantize(const Matrices& matrices) {
  const std::int64_t blocks = block_count(matrices);
  Matrices result;
  std::ranges::copy_if(matrices, std::back_inserter(result), [&](const StreamableMatrix& matrix) {
    return matrix.place.in_backbone() && is_quantized_block(matrix.place.layer, blocks);
  });
  return result;
}

void check_matrix(const StreamableMatrix& matrix) {
  const at::Tensor tensor = matrix.tensor();
  if (tensor.scalar_type() != at::kBFloat16)
    fail("INVALID_ARGUMENT", "precision fp8 quantises a backbone in bfloat16, and this one is in ",
         dtype_name(tensor.scalar_type()), ": load it with dtype bfloat16, or with another precision");
  if (matrix.name != "weight" || tensor.dim() != 2 || tensor.size(0) % side_unit != 0 ||
      tensor.size(1) % side_unit != 0)
    fail("MODEL_FORMAT", "precision fp8 takes linears with inputs and outputs in multiples of ", side_unit,
         ", and a block of this network has ", matrix.name, " ", tensor.sizes(), ": use another precision");
}

}  // namespace

bool is_quantized_block(std::int64_t block, std::int64_t blocks) {
  return block >= exact_first && block < blocks - exact_last;
}

void quantize_blocks(const torch::jit::Module& module, c10::Device device,
                     std::optional<std::int64_t> resident_blocks) {
  const at::NoGradGuard no_gradients;
  const Matrices matrices = streamable_matrices(module), quantized = matrices_to_quantize(matrices);
  if (matrices.empty())
    fail(
        "MODEL_FORMAT",
        "the network has no blocks whose linears can be quantised: use a network made by convert, or another "
        "precision than fp8");
  for (const StreamableMatrix& matrix : quantized)
    if (!is_quantized(matrix.tensor())) check_matrix(matrix);
  require_scaled_products(device);
  add_scales_buffers(module, quantized, device);
  std::set<LayerPlace> streamed;
  if (resident_blocks)
    for (const StreamableMatrix& matrix : streamed_matrices(matrices, *resident_blocks))
      streamed.insert(matrix.place);
  for (const StreamableMatrix& matrix : quantized) {
    check_cancelled();
    torch::jit::Module owner = matrix.owner;
    const at::Tensor tensor = matrix.tensor();
    if (is_quantized(tensor)) continue;
    const auto [values, scales] = quantize_rows(tensor.to(device));
    owner.setattr(matrix.name, streamed.contains(matrix.place) ? values.cpu() : values);
    owner.setattr(weight_scales_name, scales.flatten());
  }
  // Of the weights as they were.
  if (!device.is_cpu()) release_cached_memory();
}

void share_weight_scales(const torch::jit::Module& from, const torch::jit::Module& to) {
  const Matrices source = matrices_to_quantize(streamable_matrices(from)),
                 matrices = matrices_to_quantize(streamable_matrices(to));
  for (std::size_t i = 0; i < matrices.size(); ++i) {
    const at::Tensor weight = matrices[i].tensor();
    if (!is_quantized(weight)) continue;
    add_scales_buffers(to, matrices, weight.device());
    torch::jit::Module owner = matrices[i].owner;
    owner.setattr(weight_scales_name, source.at(i).owner.attr(weight_scales_name));
  }
}

}  // namespace dinov3_seg
