#include "core/xxh64.h"

#include <bit>
#include <cstring>

namespace dinov3_seg {
namespace {

constexpr std::uint64_t prime1 = 0x9E3779B185EBCA87, prime2 = 0xC2B2AE3D27D4EB4F, prime3 = 0x165667B19E3779F9,
                        prime4 = 0x85EBCA77C2B2AE63, prime5 = 0x27D4EB2F165667C5;

static_assert(std::endian::native == std::endian::little, "words are read as little-endian");

template <typename Word>
Word read(const std::uint8_t* bytes) {
  Word word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

std::uint64_t round(std::uint64_t lane, std::uint64_t word) {
  return std::rotl(lane + word * prime2, 31) * prime1;
}

std::uint64_t merge(std::uint64_t hash, std::uint64_t lane) {
  return (hash ^ round(0, lane)) * prime1 + prime4;
}

}  // namespace

std::uint64_t xxh64(const void* data, std::size_t size) {
  const auto* p = static_cast<const std::uint8_t*>(data);
  const auto* const end = p + size;
  std::uint64_t hash = prime5;
  if (size >= 32) {
    std::uint64_t lanes[4] = {prime1 + prime2, prime2, 0, 0 - prime1};
    for (; end - p >= 32; p += 32)
      for (int i = 0; i < 4; ++i) lanes[i] = round(lanes[i], read<std::uint64_t>(p + 8 * i));
    hash =
        std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) + std::rotl(lanes[3], 18);
    for (const std::uint64_t lane : lanes) hash = merge(hash, lane);
  }
  hash += size;
  for (; end - p >= 8; p += 8)
    hash = std::rotl(hash ^ round(0, read<std::uint64_t>(p)), 27) * prime1 + prime4;
  for (; end - p >= 4; p += 4) hash = std::rotl(hash ^ read<std::uint32_t>(p) * prime1, 23) * prime2 + prime3;
  for (; p < end; ++p) hash = std::rotl(hash ^ *p * prime5, 11) * prime1;
  hash = (hash ^ hash >> 33) * prime2;
  hash = (hash ^ hash >> 29) * prime3;
  return hash ^ hash >> 32;
}

}  // namespace dinov3_seg
