// What people have in place of a checkpoint or a network: answers of web servers, pointers, empty files.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace dinov3_seg {

/// What such a file is and what to do, as the end of a sentence about it: "is empty: …". Empty text for any
/// other content.
std::string describe_foreign_file(std::span<const std::uint8_t> bytes);

}  // namespace dinov3_seg
