#include "models/quantized_blocks.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>
#include <vector>

#include "core/available_memory.h"
#include "core/dtype_names.h"
#include "core/error.h"
#include "core/job_control.h"
#include "models/block_matrices.h"
#include "ops/quantized_ops.h"

namespace dinov3_seg {
namespace {

using Blocks = std::vector<std::vector<BlockMatrix>>;

/// Blocks in bfloat16 at either end of the backbone: errors of the first run through all others, and those of
/// the last are in the features as they are.
constexpr std::int64_t exact_first = 1, exact_last = 1;

/// Sides of what scaled products take.
constexpr std::int64_t side_unit = 16;

/// A buffer of one module belongs to the class of all that are like it: those without scales have none in it.
void add_scales_buffers(const torch::jit::Module& module, const Blocks& blocks, c10::Device device) {
  std::set<const c10::ClassType*> classes;
  for (const auto& matrices : blocks)
    for (const BlockMatrix& matrix : matrices)
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

void check_matrix(const BlockMatrix& matrix) {
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
  const Blocks blocks = block_matrices(module);
  const auto count = static_cast<std::int64_t>(blocks.size());
  if (blocks.empty())
    fail(
        "MODEL_FORMAT",
        "the network has no blocks whose linears can be quantised: use a network made by convert, or another "
        "precision than fp8");
  for (std::int64_t number = 0; number < count; ++number)
    for (const BlockMatrix& matrix : blocks[static_cast<std::size_t>(number)])
      if (is_quantized_block(number, count) && !is_quantized(matrix.tensor())) check_matrix(matrix);
  require_scaled_products(device);
  add_scales_buffers(module, blocks, device);
  const auto streamed = streamed_blocks(count, resident_blocks.value_or(count));
  for (std::int64_t number = 0; number < count; ++number) {
    const c10::Device place = std::ranges::binary_search(streamed, number) ? c10::Device(c10::kCPU) : device;
    for (const BlockMatrix& matrix : blocks[static_cast<std::size_t>(number)]) {
      check_cancelled();
      torch::jit::Module owner = matrix.owner;
      const at::Tensor tensor = matrix.tensor();
      if (is_quantized(tensor)) continue;
      if (is_quantized_block(number, count)) {
        const auto [values, scales] = quantize_rows(tensor.to(device));
        owner.setattr(matrix.name, values.to(place));
        owner.setattr(weight_scales_name, scales.flatten());
      } else if (place == device) {
        owner.setattr(matrix.name, tensor.to(device));
      }
    }
  }
  // Of the weights as they were.
  if (!device.is_cpu()) release_cached_memory();
}

void share_weight_scales(const torch::jit::Module& from, const torch::jit::Module& to) {
  const Blocks source = block_matrices(from), blocks = block_matrices(to);
  for (std::size_t number = 0; number < blocks.size(); ++number)
    for (std::size_t i = 0; i < blocks[number].size(); ++i) {
      const BlockMatrix& matrix = blocks[number][i];
      if (!is_quantized(matrix.tensor())) continue;
      add_scales_buffers(to, blocks, matrix.tensor().device());
      torch::jit::Module owner = matrix.owner;
      owner.setattr(weight_scales_name, source.at(number).at(i).owner.attr(weight_scales_name));
    }
}

}  // namespace dinov3_seg
