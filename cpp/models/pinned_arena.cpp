#include "models/pinned_arena.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>

#include "core/host_memory.h"

namespace dinov3_seg {
namespace {

constexpr std::size_t largest_chunk = std::size_t{1} << 30;
// Left to images, other processes and the cache of files.
constexpr std::int64_t reserve = std::int64_t{2} << 30;

/// Pinned pages cannot be swapped out: a tenth of the host's memory, and 2 GiB, stay free.
std::size_t spare_bytes() {
  const std::int64_t spare = free_host_memory() - std::max(reserve, total_host_memory() / 10);
  return static_cast<std::size_t>(std::max<std::int64_t>(spare, 0));
}

}  // namespace

PinnedArena::PinnedArena(std::size_t bytes) : wanted_(bytes), spare_(spare_bytes()) {}

bool PinnedArena::next_chunk(std::size_t least) {
  const std::size_t size = std::max(std::min(largest_chunk, std::bit_floor(wanted_)), std::bit_ceil(least));
  if (size > spare_) return false;
  chunk_ = at::empty({static_cast<int64_t>(size)}, at::TensorOptions().dtype(at::kByte).pinned_memory(true));
  spare_ -= size;
  used_ = 0;
  return true;
}

at::Tensor PinnedArena::empty_like(const at::Tensor& tensor) {
  const std::size_t bytes = tensor.nbytes();
  const bool fits = chunk_.defined() && used_ + bytes <= chunk_.nbytes();
  if (!fits && !next_chunk(bytes)) return {};
  const at::Tensor result = at::empty({0}, tensor.options().pinned_memory(false));
  result.set_(chunk_.storage(), static_cast<int64_t>(used_ / tensor.element_size()), tensor.sizes(),
              tensor.strides());
  // 64 bytes as libtorch's CPU memory has them.
  used_ += (bytes + 63) / 64 * 64;
  wanted_ -= std::min(wanted_, bytes);
  return result;
}

}  // namespace dinov3_seg
