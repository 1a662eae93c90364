// .safetensors files: a JSON table of names, types, shapes and places, then the bytes.
// Format: https://github.com/huggingface/safetensors#format
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mapped_file.h"
#include "named_tensor.h"

namespace dinov3_seg {

struct Safetensors {
  std::vector<NamedTensor>
      tensors;  ///< in the order of the table; views of the file, each with a storage of its own
  std::map<std::string, std::string> metadata;
};

/// True if the file begins like a .safetensors file: a header length and an opening brace.
bool looks_like_safetensors(std::span<const std::uint8_t> bytes);

/// Reads dtypes F64, F32, F16, BF16, I64, I32, I16, I8, U8 and BOOL. Throws CHECKPOINT_FORMAT and, where
/// header or data reach past the end of the file, CHECKPOINT_TRUNCATED.
Safetensors read_safetensors(std::shared_ptr<const MappedFile> file);

/// Writes the file as a whole or not at all. Tensors may be on any device and have any strides; one at a time
/// is brought to the CPU. The table keeps the order given; the data are ordered by element size, so that all
/// of them are aligned. Throws INVALID_ARGUMENT (a name used twice or not UTF-8, a dtype the format lacks),
/// DISK_FULL, IO, FILE_NOT_FOUND.
void write_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace dinov3_seg
