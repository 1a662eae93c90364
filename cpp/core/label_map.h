// From the values of a label file to classes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

namespace dinov3_seg {

/// What a table has for values that have no class.
constexpr uint32_t no_class = 0x100;

/// Classes (uint8) of N values, uint8 or uint16; `table` has the class of each value below 256, or no_class,
/// which greater values have too. An undefined tensor where a value has none. Throws INVALID_ARGUMENT for a
/// table of another size.
at::Tensor map_label(const at::Tensor& values, std::span<const uint32_t> table);

/// Classes (uint8) of N pixels, H×W×3 uint8 as one row of 3N; `colors` has red, green, blue and class of each
/// known colour, a byte each from the highest. An undefined tensor where a pixel has another colour. Throws
/// INVALID_ARGUMENT if the values are not whole pixels.
at::Tensor map_colors(const at::Tensor& pixels, std::span<const uint32_t> colors);

}  // namespace dinov3_seg
