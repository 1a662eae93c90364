// The TorchScript sources of this folder, embedded into the library (embed.cmake).
#pragma once

#include <string_view>
#include <vector>

namespace dinov3_seg {

struct EmbeddedText {
  std::string_view name;  ///< file name
  std::string_view text;
};

/// All networks' sources. Defined in a generated file.
const std::vector<EmbeddedText>& torchscript_sources();

}  // namespace dinov3_seg
