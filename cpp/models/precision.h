// What a network computes in beyond the dtypes of its file.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <functional>
#include <string>

namespace dinov3_seg {

/// Of a network whose backbone is in bfloat16; one in float32 computes in float32 throughout. The decoder is
/// a segmentor's pixel decoder, or a detector's head.
enum class NetworkPrecision {
  reference,  // as the reference under autocast: the decoder in float32
  tf32,       // the decoder's products in TF32, where the device has it (CUDA, Ampere and later)
  float16,    // the decoder's products in float16 on CUDA, summed in float32 (float16_module.h)
  fast,       // the decoder's linears and convolutions in bfloat16
  fp8,        // the linears of the backbone's blocks in e4m3 (quantized_blocks.h), all else as in float16
};

/// `reference`, `tf32`, `float16`, `fast` or `fp8`; anything else throws INVALID_ARGUMENT.
NetworkPrecision parse_network_precision(const std::string& name);

/// What a network's decoder computes in: the default's precision, where the given one is of the backbone
/// alone.
NetworkPrecision decoder_precision(NetworkPrecision precision);

/// Whether a parameter of this name is a weight or bias of the decoder's that has the decoder's precision,
/// unless it is one of a norm: those of linears and convolutions inside every sub-module called
/// pixel_decoder, and of a detector's head but for what its boxes, its scores and the bias of its attention
/// come from directly.
bool is_decoder_parameter(const std::string& name);

/// Replaces the weights and biases of a segmentor's or a detector's decoder (is_decoder_parameter()) by what
/// `cast` gives for them. `name`: the parameter's, from `module` on.
void cast_decoder(const torch::jit::Module& module,
                  const std::function<at::Tensor(const std::string& name, const at::Tensor& weight)>& cast);

}  // namespace dinov3_seg
