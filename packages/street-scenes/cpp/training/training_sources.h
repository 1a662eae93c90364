// The TorchScript sources of this folder, embedded into the library (cpp/models/embed.cmake).
#pragma once

#include "models/torchscript_sources.h"

namespace dinov3_seg {

/// What training has in the place of torchscript_sources(). Defined in a generated file.
const std::vector<EmbeddedText>& training_sources();

}  // namespace dinov3_seg
