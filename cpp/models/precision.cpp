#include "models/precision.h"

#include "core/error.h"

namespace dinov3_seg {

NetworkPrecision parse_network_precision(const std::string& name) {
  if (name == "reference") return NetworkPrecision::reference;
  if (name == "tf32") return NetworkPrecision::tf32;
  if (name == "float16") return NetworkPrecision::float16;
  if (name == "fast") return NetworkPrecision::fast;
  if (name == "fp8") return NetworkPrecision::fp8;
  fail("INVALID_ARGUMENT", "unknown precision '", name, "': expected reference, tf32, float16, fast or fp8");
}

NetworkPrecision decoder_precision(NetworkPrecision precision, bool decodes) {
  if (precision != NetworkPrecision::fp8) return precision;
  return decodes ? NetworkPrecision::float16 : NetworkPrecision::reference;
}

void cast_pixel_decoder(
    const torch::jit::Module& module,
    const std::function<at::Tensor(const std::string& name, const at::Tensor& weight)>& cast) {
  for (const auto& [name, child] : module.named_modules()) {
    if ((name + ".").find("pixel_decoder.") == std::string::npos || !child.hasattr("weight")) continue;
    if (child.attr("weight").toTensor().dim() < 2) continue;  // of a norm
    torch::jit::Module layer = child;
    for (const char* parameter : {"weight", "bias"})
      if (layer.hasattr(parameter) && layer.attr(parameter).isTensor())
        layer.setattr(parameter, cast(name + "." + parameter, layer.attr(parameter).toTensor()));
  }
}

}  // namespace dinov3_seg
