// What a pickle holds, as plain data.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Storage.h>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace dinov3_seg {

struct PickleValue;
using PickleItems = std::vector<PickleValue*>;

struct PickleGlobal {
  std::string_view module, name;

  bool is(std::string_view its_module, std::string_view its_name) const noexcept {
    return module == its_module && name == its_name;
  }
};

/// `dtype` is Byte where the storage is untyped.
struct PickleStorage {
  c10::Storage storage;
  at::ScalarType dtype = at::ScalarType::Byte;
};

/// Small, since a byte of a pickle can make one. Values may be shared: only a container changes once made.
struct PickleValue {
  enum class Kind : std::uint8_t {
    none,
    boolean,  ///< integer
    integer,  ///< integer
    real,     ///< real
    text,     ///< text, UTF-8; integers of more than 64 bits as "0x…"
    bytes,    ///< text
    tuple,    ///< items
    list,     ///< items; sets too
    dict,     ///< items: key, value, key, value …; a later value of the same key replaces an earlier one
    object,   ///< an instance of a class: items[0] is the dict of its attributes, once set
    global,   ///< global
    storage,  ///< storage
    tensor,   ///< tensor
  };
  /// Of a container: whether tensors are below it. For those who walk a tree, so that they enter each once.
  enum class Below : std::uint8_t { unknown, in_search, nothing, tensors };

  Kind kind = Kind::none;
  mutable Below below = Below::unknown;
  std::variant<std::monostate, std::int64_t, double, std::string_view, PickleItems, PickleGlobal,
               PickleStorage, at::Tensor>
      content;

  bool is(Kind k) const noexcept { return kind == k; }

  // Each throws std::bad_variant_access for another kind than the above.
  std::int64_t integer() const { return std::get<std::int64_t>(content); }
  double real() const { return std::get<double>(content); }
  std::string_view text() const { return std::get<std::string_view>(content); }
  const PickleItems& items() const { return std::get<PickleItems>(content); }
  PickleItems& items() { return std::get<PickleItems>(content); }
  const PickleGlobal& global() const { return std::get<PickleGlobal>(content); }
  const PickleStorage& storage() const { return std::get<PickleStorage>(content); }
  const at::Tensor& tensor() const { return std::get<at::Tensor>(content); }
};

/// Owns the values of one pickle: these point to each other, in cycles too. Their texts are views of `source`
/// or of `texts`.
struct PickleTree {
  std::vector<std::uint8_t> source;  ///< a copy of the pickle, which stays as it is if its file changes
  std::deque<PickleValue> values;
  std::deque<std::string> texts;
  PickleValue* root = nullptr;
  std::uint64_t made_bytes = 0;  ///< memory of the values, about
  std::uint64_t items = 0;       ///< of all containers

  template <typename Content = std::monostate>
  PickleValue* make(PickleValue::Kind kind, Content content = {}) {
    PickleValue& value = values.emplace_back();
    value.kind = kind;
    value.content = std::move(content);
    made_bytes += sizeof value;
    return &value;
  }
  PickleValue* make_container(PickleValue::Kind kind, PickleItems content = {}) {
    constexpr std::uint64_t allocation = 24;
    made_bytes += allocation;
    count_items(content.size());
    return make(kind, std::move(content));
  }
  /// Notes that a container has so many items more.
  void count_items(std::uint64_t count) {
    items += count;
    made_bytes += count * sizeof(PickleValue*);
  }
};

}  // namespace dinov3_seg
