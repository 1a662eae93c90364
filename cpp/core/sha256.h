// SHA-256 (FIPS 180-4), for short inputs: identities of files, not bulk data.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace dinov3_seg {

class Sha256 {
 public:
  void update(const void* data, std::size_t size);
  /// 64 lower-case hexadecimal digits. Ends the hash: no `update` afterwards.
  std::string hex();

 private:
  void block(const std::uint8_t* bytes);

  std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::uint8_t, 64> pending_{};
  std::size_t pending_size_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace dinov3_seg
