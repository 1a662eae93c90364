// What the targets share: the input as a mapped file, and what a reader may do with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "core/error.h"

namespace dinov3_seg::fuzz {

/// The path under which MappedFile::open finds the input; there is no other file.
inline const std::string input_path = "input";

/// What MappedFile::open maps from here on. Must outlive its use.
void set_input(std::span<const std::uint8_t> bytes);

/// Aborts unless a person can act on the error: a code of its own, and a short message of printable UTF-8.
void check_refusal(const Error& error);

/// Aborts with a reason: the reader gave what it must never give.
[[noreturn]] void finding(const std::string& what);

/// A reader reads, or refuses with an Error. Any other exception ends the process.
template <typename Read>
void read_or_refuse(Read read) {
  try {
    read();
  } catch (const Error& error) {
    check_refusal(error);
  }
}

}  // namespace dinov3_seg::fuzz
