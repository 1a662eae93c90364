// How large the parts of a network's file are.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <string>
#include <vector>

#include "models/precision.h"

namespace dinov3_seg {

struct NetworkSizes {
  std::int64_t blocks = 0;        // of the backbone; 0 where none could be streamed
  std::int64_t blocks_bytes = 0;  // of all their matrices
  // Of the matrices that stay on the device with so many resident blocks, by their number, from 0 on.
  std::vector<std::int64_t> resident_bytes{0};
  std::int64_t decoder_bytes = 0;  // of the decoder's, which are streamed with the blocks
  std::int64_t copied_decoder_bytes =
      0;                         // of them, those that a pass on CUDA copies: others stand in for the rest
  std::int64_t ring_bytes = 0;   // of the memory through which matrices are streamed
  std::int64_t other_bytes = 0;  // of everything else, folded chains (folded_chains.h) included
  std::int64_t pixel_decoder_weights = 0;          // of the decoder, at most, folded ones included
  std::int64_t width = 0;                          // of the backbone's tokens; 0 where the file does not tell
  std::int64_t hidden = 0;                         // input of class_embed; 0 without one
  c10::ScalarType dtype = c10::ScalarType::Float;  // of the blocks' matrices, before any are quantised
};

/// Of a network as it is loaded in `dtype` (stored, float32 or bfloat16) and `precision`. Only the table of
/// contents is read. Throws FILE_NOT_FOUND, MODEL_FORMAT, what read_torch_archive() throws.
NetworkSizes network_sizes(const std::string& path, const std::string& dtype, NetworkPrecision precision);

}  // namespace dinov3_seg
