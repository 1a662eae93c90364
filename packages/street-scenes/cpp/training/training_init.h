// Weights that a network's training begins with.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "models/key_shapes.h"

namespace dinov3_seg {

/// Values of one key on the CPU, float32 (or the key's own integers); the same bits for the same seed on
/// every machine. Norms begin as the identity, linears and convolutions keep the size of what goes through
/// them, LayerScale gammas are 0.3, embeddings normal-sized, and each head of a deformable attention looks in
/// its own direction, one step further with each point (Zhu et al. 2021, appendix). A detector's boxes begin
/// as proposed, with a probability of 1 % for each class. `draw_tensor` (init.h) differs: it is made for
/// networks that are not trained.
at::Tensor initial_weights(const KeyShape& key, uint64_t seed);

}  // namespace dinov3_seg
