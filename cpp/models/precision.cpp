#include "models/precision.h"

#include "core/error.h"
#include "models/folded_detector.h"

namespace dinov3_seg {

NetworkPrecision parse_network_precision(const std::string& name) {
  if (name == "reference") return NetworkPrecision::reference;
  if (name == "tf32") return NetworkPrecision::tf32;
  if (name == "float16") return NetworkPrecision::float16;
  if (name == "fast") return NetworkPrecision::fast;
  if (name == "fp8") return NetworkPrecision::fp8;
  fail("INVALID_ARGUMENT", "unknown precision '", name, "': expected reference, tf32, float16, fast or fp8");
}

NetworkPrecision decoder_precision(NetworkPrecision precision) {
  return precision == NetworkPrecision::fp8 ? NetworkPrecision::float16 : precision;
}

bool is_decoder_parameter(const std::string& name) {
  if (name.find("pixel_decoder.") != std::string::npos) return true;
  const auto begins = [&](const char* prefix) { return name.starts_with(prefix); };
  // The last layer gives boxes in pixels.
  if (begins("bbox_embed.")) return name.find(".layers.2.") == std::string::npos;
  // A bias of attention is computed by an operator of its own (box_bias).
  if (begins("transformer.")) return name.find(".cpb_mlp") == std::string::npos;
  return begins("input_proj.");
}

void cast_decoder(const torch::jit::Module& module,
                  const std::function<at::Tensor(const std::string& name, const at::Tensor& weight)>& cast) {
  // Heads of other makers have such names as well, and code of their own.
  const bool detector = is_detector(module);
  for (const auto& [name, child] : module.named_modules()) {
    if (!detector && (name + ".").find("pixel_decoder.") == std::string::npos) continue;
    torch::jit::Module layer = child;
    for (const char* kind : {"", "in_proj_"}) {
      const std::string weight = std::string(kind) + "weight", bias = std::string(kind) + "bias";
      if (!is_decoder_parameter(name + "." + weight) || !layer.hasattr(weight)) continue;
      if (layer.attr(weight).toTensor().dim() < 2) continue;  // of a norm
      for (const std::string& parameter : {weight, bias})
        if (layer.hasattr(parameter) && layer.attr(parameter).isTensor())
          layer.setattr(parameter, cast(name + "." + parameter, layer.attr(parameter).toTensor()));
    }
  }
}

}  // namespace dinov3_seg
