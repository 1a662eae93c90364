// Tensor memory that is part of a mapped file.
#pragma once

#include <c10/core/Storage.h>

#include <cstdint>
#include <memory>
#include <span>

#include "mapped_file.h"

namespace dinov3_seg {

/// A storage over `bytes`, a part of `file`, which it keeps alive. Bytes that do not begin at a multiple of 8
/// are copied, since elements must be aligned.
c10::Storage file_storage(const std::shared_ptr<const MappedFile>& file, std::span<const std::uint8_t> bytes);

}  // namespace dinov3_seg
