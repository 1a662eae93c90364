// {mean, std} of images, three numbers each.
#pragma once

#include "bindings/fields.h"
#include "core/normalization.h"

namespace dinov3_seg {

template <>
inline constexpr auto fields<Normalization> =
    std::tuple{field("mean", &Normalization::mean), field("std", &Normalization::std)};
inline void check_fields(const Normalization& normalization) { check_normalization(normalization); }

}  // namespace dinov3_seg
