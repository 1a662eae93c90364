// The element types that checkpoints may hold, under the names of each file format.
#pragma once

#include <c10/core/ScalarType.h>

#include <array>
#include <string>
#include <string_view>

#include "core/error.h"

namespace dinov3_seg {

struct DtypeNames {
  c10::ScalarType dtype;
  std::string_view name;         ///< as in torch.float32, and in everything shown to people
  std::string_view safetensors;  ///< in the header of a .safetensors file
  std::string_view storage;      ///< class of the storage in a .pth file: torch.FloatStorage
};

inline constexpr std::array<DtypeNames, 10> dtype_names = {{
    {c10::ScalarType::Double, "float64", "F64", "DoubleStorage"},
    {c10::ScalarType::Float, "float32", "F32", "FloatStorage"},
    {c10::ScalarType::Half, "float16", "F16", "HalfStorage"},
    {c10::ScalarType::BFloat16, "bfloat16", "BF16", "BFloat16Storage"},
    {c10::ScalarType::Long, "int64", "I64", "LongStorage"},
    {c10::ScalarType::Int, "int32", "I32", "IntStorage"},
    {c10::ScalarType::Short, "int16", "I16", "ShortStorage"},
    {c10::ScalarType::Char, "int8", "I8", "CharStorage"},
    {c10::ScalarType::Byte, "uint8", "U8", "ByteStorage"},
    {c10::ScalarType::Bool, "bool", "BOOL", "BoolStorage"},
}};

/// The row whose `field` (say `&DtypeNames::storage`) is `value`, or nullptr.
template <typename T>
const DtypeNames* find_dtype(T DtypeNames::* field, const T& value) {
  for (const auto& row : dtype_names) {
    if (row.*field == value) return &row;
  }
  return nullptr;
}

/// The dtype of such a name. Throws INVALID_ARGUMENT for others.
inline c10::ScalarType parse_dtype(const std::string& name) {
  const DtypeNames* row = find_dtype(&DtypeNames::name, std::string_view(name));
  if (row == nullptr) fail("INVALID_ARGUMENT", "unknown dtype '", name, "'");
  return row->dtype;
}

/// "float32" and so on; libtorch's own name ("ComplexFloat") of a dtype that checkpoints may not hold.
inline std::string dtype_name(c10::ScalarType dtype) {
  const DtypeNames* row = find_dtype(&DtypeNames::dtype, dtype);
  return row != nullptr ? std::string(row->name) : c10::toString(dtype);
}

}  // namespace dinov3_seg
