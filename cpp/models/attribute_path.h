// Attributes that a method's graph reads, by their names.
#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace dinov3_seg {

/// The names by which a chain of GetAttr nodes comes from `self` to `value`; nothing for another value.
inline std::optional<std::vector<std::string>> attribute_path(const torch::jit::Value* value,
                                                              const torch::jit::Value* self) {
  std::vector<std::string> path;
  while (value != self) {
    const torch::jit::Node* node = value->node();
    if (node->kind() != c10::prim::GetAttr) return std::nullopt;
    path.push_back(node->s(c10::attr::name));
    value = node->input();
  }
  std::reverse(path.begin(), path.end());
  return path;
}

inline c10::IValue attribute_of(const torch::jit::Module& module, const std::vector<std::string>& path) {
  c10::IValue value = module._ivalue();
  for (const std::string& name : path) value = value.toObjectRef().getAttr(name);
  return value;
}

}  // namespace dinov3_seg
