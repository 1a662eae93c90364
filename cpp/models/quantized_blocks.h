// The linears of a backbone's blocks in e4m3 (ops/quantized_ops.h): the precision fp8.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <optional>

namespace dinov3_seg {

/// Whether the linears of a block are quantised, by its number.
bool is_quantized_block(std::int64_t block, std::int64_t blocks);

/// Name of the buffer beside a quantised weight N×K: its scales, N float32.
inline constexpr const char* weight_scales_name = "weight_scales";

/// Puts values in e4m3, with a scale for each row, in the place of the weights of the quantised blocks'
/// linears (qkv, proj, w1, w2, w3 or fc1, fc2), one at a time: a weight on the CPU, such as a view of the
/// file, comes to the device alone. The values are on the CPU afterwards where they are streamed with so many
/// `resident_blocks` (streamed_matrices()), else on the device, as all scales are. Other blocks and quantised
/// weights stay as they are. Throws MODEL_FORMAT for a network without such blocks or with sides that are no
/// multiples of 16, INVALID_ARGUMENT for blocks in another dtype than bfloat16, DEVICE where the device has
/// no such products, OUT_OF_MEMORY, ABORTED.
void quantize_blocks(const torch::jit::Module& module, c10::Device device,
                     std::optional<std::int64_t> resident_blocks);

/// Gives the quantised weights of a network their scales, where they are those of another network. Does
/// nothing for a network without quantised weights.
void share_weight_scales(const torch::jit::Module& from, const torch::jit::Module& to);

}  // namespace dinov3_seg
