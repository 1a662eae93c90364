// The operators that launch kernels: registered when loader.node hands over a library that has these.
#pragma once

#include <torch/library.h>

namespace dinov3_seg {

void implement_score_operators(torch::Library& library);
void implement_network_operators(torch::Library& library);
void implement_map_operators(torch::Library& library);
void implement_quantized_operators(torch::Library& library);

}  // namespace dinov3_seg
