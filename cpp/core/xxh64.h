// XXH64 (Collet, "xxHash fast digest algorithm", v0.1.1): finds damage in bulk data at memory speed; no
// defence against forgery.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dinov3_seg {

/// 64-bit digest of `size` bytes with seed 0.
std::uint64_t xxh64(const void* data, std::size_t size);

}  // namespace dinov3_seg
