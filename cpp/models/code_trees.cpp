#include "models/code_trees.h"

#include <torch/csrc/jit/runtime/operator.h>

#include "core/error.h"
#include "core/utf8.h"

namespace dinov3_seg {

using torch::jit::TreeRef;

const std::string& name_of(const TreeRef& identifier) { return identifier->tree(0)->stringValue(); }

const std::string& variable_of(const TreeRef& variable) { return name_of(variable->tree(0)); }

std::vector<std::string> names_of_chain(TreeRef tree) {
  std::vector<std::string> names;
  for (; tree->kind() == '.'; tree = tree->tree(0)) names.push_back(name_of(tree->tree(1)));
  if (tree->kind() != torch::jit::TK_VAR) return {};
  names.push_back(variable_of(tree));
  return {names.rbegin(), names.rend()};
}

std::string builtin_of(const TreeRef& tree) {
  if (tree->kind() != '.') return "";
  const std::vector<std::string> names = names_of_chain(tree);
  if (names.size() == 2 && names[0] == "torch") return "aten::" + names[1];
  if (names.size() == 3 && names[0] == "ops") return names[1] + "::" + names[2];
  return "";
}

bool is_operator(const std::string& name) {
  return !torch::jit::getAllOperatorsFor(c10::Symbol::fromQualString(name)).empty();
}

void refuse_code(const std::string& path, const std::string& file, const TreeRef& at,
                 const std::string& what) {
  size_t line = 0;
  if (!at->isAtom()) {
    const auto& range = at->range();
    line = range.source()->lineno_for_offset(range.start()) + 1;
  }
  fail("MODEL_CODE", path, ": line ", line, " of its code (", printable(file), ") ", what,
       ". Nothing of the code ran. A network file is a program: if you trust where this one comes from, "
       "load it with --trust-code (option trustCode)");
}

}  // namespace dinov3_seg
