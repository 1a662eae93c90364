// What a pickle holds, as plain data.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Storage.h>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace dinov3_seg {

struct PickleValue {
  enum class Kind {
    none,
    boolean,  ///< integer
    integer,  ///< integer
    real,     ///< real
    text,     ///< text, UTF-8; integers of more than 64 bits as "0x…"
    bytes,    ///< text
    tuple,    ///< items
    list,     ///< items; sets too
    dict,     ///< items: key, value, key, value …; a later value of the same key replaces an earlier one
    object,   ///< a TorchScript module: text is its class, items[0] the dict of its attributes, once set
    global,   ///< text: "module.name"
    storage,  ///< storage and, unless the storage is untyped, dtype
    tensor,   ///< tensor
  };

  Kind kind = Kind::none;
  at::ScalarType dtype = at::ScalarType::Byte;
  std::int64_t integer = 0;
  double real = 0;
  std::string text;
  std::vector<PickleValue*> items;
  at::Tensor tensor;
  c10::Storage storage;

  bool is(Kind k) const noexcept { return kind == k; }
  bool is_global(std::string_view name) const noexcept { return kind == Kind::global && text == name; }
};

/// Owns the values of one pickle: these point to each other, in cycles too.
struct PickleTree {
  std::deque<PickleValue> values;
  PickleValue* root = nullptr;

  PickleValue* make(PickleValue::Kind kind) {
    values.emplace_back().kind = kind;
    return &values.back();
  }
};

}  // namespace dinov3_seg
