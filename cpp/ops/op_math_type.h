// What values of a dtype are computed in.
#pragma once

#include <type_traits>

namespace dinov3_seg {

/// float64 for float64, float32 for all narrower ones.
template <typename T>
using OpMathType = std::conditional_t<std::is_same_v<T, double>, double, float>;

}  // namespace dinov3_seg
