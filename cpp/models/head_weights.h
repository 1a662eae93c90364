// A head from a checkpoint, under its released names.
#pragma once

#include "models/checkpoint_source.h"

namespace dinov3_seg {

/// Takes off what training puts before a head's keys (`module.`, `_orig_mod.`, `model.`), and leaves out the
/// backbone of a file that holds the whole network. Nothing is checked. Throws what read_source throws.
SourceTensors read_head(const CheckpointSource& source);

}  // namespace dinov3_seg
