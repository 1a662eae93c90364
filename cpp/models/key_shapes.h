// Names and shapes of a checkpoint's tensors: looked up, and compared with what should be there.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/named_tensor.h"

namespace dinov3_seg {

/// A key with the shape and dtype it has in a checkpoint.
struct KeyShape {
  std::string name;
  std::vector<int64_t> shape;
  at::ScalarType dtype = at::kFloat;
  bool buffer = false;    ///< stored, but no parameter: running statistics, RoPE periods, bias masks
  bool bfloat16 = false;  ///< the reference computes with it in bfloat16 under autocast (see apply_dtype)
  std::string repeats{};  ///< the key that this one's values repeat; it alone is in the network. Empty: none
};

/// Names, shapes and dtypes of tensors; reads no data.
std::vector<KeyShape> shapes_of(const std::vector<NamedTensor>& tensors);

/// Compares a checkpoint with what it should hold. Any floating dtype may stand for another.
/// `what` names the checkpoint and `network` what it is part of in the message: "backbone", "segmentor".
/// Errors: CHECKPOINT_KEYS with the missing, superfluous, repeated and misshapen keys (20 of each kind, then
/// a count).
void check_keys(const std::string& what, const std::string& network, const std::vector<KeyShape>& expected,
                const std::vector<KeyShape>& given);

/// A heading with their number, and a line for each entry: 20 at most. Empty without entries.
std::string key_list_text(const char* title, const std::vector<std::string>& entries);

/// Looks shapes up by name and says what a missing one would have told.
class ShapeTable {
 public:
  /// `keys` must live as long. `what` names the checkpoint: "backbone".
  ShapeTable(std::string what, const std::vector<KeyShape>& keys);

  bool has(const std::string& name) const { return shapes_.contains(name); }

  /// Size of one dimension of a key that must be there with that many dimensions. Errors: CHECKPOINT_KEYS.
  int64_t size(const std::string& name, std::size_t rank, std::size_t dimension) const;

  /// One more than the highest N of a key `<before>N<leaf>`: the number of children, gaps included, so that a
  /// child that lacks its leaf is reported as such. Numbers beyond the number of keys count nothing.
  int64_t count(const std::string& before, const std::string& leaf) const;

 private:
  std::string what_;
  std::unordered_map<std::string, const std::vector<int64_t>*> shapes_;
};

}  // namespace dinov3_seg
