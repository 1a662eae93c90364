// Bounds-checked reading of little-endian values from untrusted bytes.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace dinov3_seg {

static_assert(std::endian::native == std::endian::little, "file formats are read as they lie in memory");

/// Of a tensor in a file: the limit of libtorch's own iterators.
inline constexpr std::size_t max_dimensions = 64;
/// Of a checkpoint's metadata: the number of entries, of which files have tens.
inline constexpr std::size_t max_metadata = 10'000;

/// Thrown by ByteReader when fewer bytes are left than asked for. Its users turn it into an Error that names
/// the file.
struct OutOfBytes {};

/// A position in a span of bytes. Every read checks the bounds and moves on.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  std::uint64_t position() const noexcept { return position_; }
  std::uint64_t left() const noexcept { return bytes_.size() - position_; }

  std::span<const std::uint8_t> take(std::uint64_t count) {
    if (count > left()) throw OutOfBytes{};
    const auto part = bytes_.subspan(position_, count);
    position_ += count;
    return part;
  }

  std::string_view text(std::uint64_t count) {
    const auto part = take(count);
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }

  template <typename T>
  T value() {
    T result;
    std::memcpy(&result, take(sizeof(T)).data(), sizeof(T));
    return result;
  }

  /// The text up to the next newline, which is passed over.
  std::string_view line() {
    const auto rest = bytes_.subspan(position_);
    const std::string_view all(reinterpret_cast<const char*>(rest.data()), rest.size());
    const auto length = all.find('\n');
    if (length == std::string_view::npos) throw OutOfBytes{};
    position_ += length + 1;
    return all.substr(0, length);
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::uint64_t position_ = 0;
};

/// `a + b` or `a * b`, false when the result does not fit.
template <typename T>
[[nodiscard]] inline bool checked_add(T a, T b, T& sum) {
  return !__builtin_add_overflow(a, b, &sum);
}
template <typename T>
[[nodiscard]] inline bool checked_multiply(T a, T b, T& product) {
  return !__builtin_mul_overflow(a, b, &product);
}

/// The product of sizes, false when it does not fit.
template <typename Sizes>
[[nodiscard]] inline bool checked_product(const Sizes& sizes, std::int64_t& product) {
  product = 1;
  for (const std::int64_t size : sizes)
    if (!checked_multiply(product, size, product)) return false;
  return true;
}

}  // namespace dinov3_seg
