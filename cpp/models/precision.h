// What a network computes in beyond the dtypes of its file.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <functional>
#include <string>

namespace dinov3_seg {

/// Of a network whose backbone is in bfloat16; one in float32 computes in float32 throughout.
enum class NetworkPrecision {
  reference,  // as the reference under autocast: the pixel decoder in float32
  tf32,       // the pixel decoder's products in TF32, where the device has it (CUDA, Ampere and later)
  float16,    // the pixel decoder's products in float16 on CUDA, summed in float32 (float16_module.h)
  fast,       // the pixel decoder's linears and convolutions in bfloat16
  fp8,        // the linears of the backbone's blocks in e4m3 (quantized_blocks.h), all else as in float16
};

/// `reference`, `tf32`, `float16`, `fast` or `fp8`; anything else throws INVALID_ARGUMENT.
NetworkPrecision parse_network_precision(const std::string& name);

/// What a network's decoder computes in: the default's precision, where the given one is of the backbone
/// alone. A network that does not decode, such as a detector, has all else in float32 then.
NetworkPrecision decoder_precision(NetworkPrecision precision, bool decodes);

/// Replaces the weights and biases of linears and convolutions inside every sub-module called pixel_decoder
/// by what `cast` gives for them. `name`: the parameter's, from `module` on.
void cast_pixel_decoder(
    const torch::jit::Module& module,
    const std::function<at::Tensor(const std::string& name, const at::Tensor& weight)>& cast);

}  // namespace dinov3_seg
