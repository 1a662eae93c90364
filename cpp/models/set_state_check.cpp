#include "models/set_state_check.h"

#include <c10/util/StringUtil.h>
#include <torch/csrc/jit/frontend/tree_views.h>

#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/utf8.h"
#include "models/allowed_operators.h"
#include "models/code_trees.h"

namespace dinov3_seg {
namespace {

using torch::jit::TreeRef;

const std::string loading = " in __setstate__, which loading runs";

class SetStateCheck {
 public:
  SetStateCheck(const std::string& path, const std::vector<Definition>& definitions) : path_(path) {
    for (const Definition& definition : definitions) {
      const bool is_class = definition.tree->kind() == torch::jit::TK_CLASS_DEF;
      if (!is_class) free_functions_.insert(definition.name);
      std::vector<TreeRef> left{definition.tree};
      while (!left.empty()) {
        const TreeRef tree = std::move(left.back());
        left.pop_back();
        if (tree->kind() == torch::jit::TK_DEF)
          functions_[name_of(tree->tree(0))].push_back({tree, &definition, is_class});
        for (const TreeRef& part : tree->trees()) left.push_back(part);
      }
    }
  }

  void run() {
    std::vector<std::string> names{"__setstate__"};
    std::unordered_set<std::string> seen;
    while (!names.empty()) {
      const std::string name = std::move(names.back());
      names.pop_back();
      const auto found = functions_.find(name);
      if (found == functions_.end() || !seen.insert(name).second) continue;
      for (const Function& function : found->second) {
        now_ = &function;
        self_ = self_of(function);
        if (name == "__setstate__") check_state_types(function.tree);
        check_body(function.tree, names);
      }
    }
  }

 private:
  struct Function {
    TreeRef tree;
    const Definition* definition;
    bool is_method;
  };

  [[noreturn]] void refuse(const TreeRef& at, const std::string& what) const {
    refuse_code(path_, now_->definition->file, at, what + loading);
  }

  static const torch::jit::TreeList& parameters_of(const TreeRef& function) {
    return function->tree(1)->tree(0)->trees();
  }

  static std::string self_of(const Function& function) {
    const auto& parameters = parameters_of(function.tree);
    return function.is_method && !parameters.empty() ? name_of(parameters[0]->tree(0)) : "";
  }

  /// libtorch compares the state with this type before the function runs, but takes what is in lists and
  /// dicts and in the fields of objects on trust.
  void check_state_types(const TreeRef& function) const {
    const auto& parameters = parameters_of(function);
    for (std::size_t i = 1; i < parameters.size(); ++i) {
      std::vector<std::pair<TreeRef, bool>> left;  // whether it is in a list or a dict
      for (const TreeRef& type : parameters[i]->tree(1)->trees()) left.emplace_back(type, false);
      while (!left.empty()) {
        const auto [type, inside] = std::move(left.back());
        left.pop_back();
        if (type->kind() == '.') {
          const auto names = names_of_chain(type);
          if (!names.empty() && names[0] != "torch" && !is_class_of_cpp(names))
            refuse(type, "takes an object of the file's own classes");
          continue;
        }
        bool holds_untyped = inside;
        if (type->kind() == torch::jit::TK_SUBSCRIPT && type->tree(0)->kind() == torch::jit::TK_VAR) {
          const std::string& name = variable_of(type->tree(0));
          if (inside && name != "List" && name != "Dict" && name != "Optional")
            refuse(type, "takes a list or a dict of " + printable(name) + "s");
          holds_untyped = inside || (name != "Tuple" && name != "Optional");
        }
        for (const TreeRef& part : type->trees()) left.emplace_back(part, holds_untyped);
      }
    }
  }

  static bool is_class_of_cpp(const std::vector<std::string>& names) {
    if (names.size() < 4 || names[0] != "__torch__" || names[1] != "torch" || names[2] != "classes")
      return false;
    return is_allowed_class(c10::Join(".", names));
  }

  void check_body(const TreeRef& function, std::vector<std::string>& called) const {
    std::vector<TreeRef> left{function->tree(2)};
    const auto add = [&](const TreeRef& tree) {
      for (const TreeRef& part : tree->trees()) left.push_back(part);
    };
    while (!left.empty()) {
      const TreeRef tree = std::move(left.back());
      left.pop_back();
      switch (tree->kind()) {
        case torch::jit::TK_FOR:
        case torch::jit::TK_WHILE:
        case torch::jit::TK_WITH:
          refuse(tree, "has a loop or a with statement");
        case torch::jit::TK_VAR:
          if (variable_of(tree) == self_) refuse(tree, "uses its object as a value");
          if (variable_of(tree) == "CONSTANTS") refuse(tree, "uses constants of the file");
          continue;
        case '.':
          check_chain(tree);
          if (is_looked_into(tree)) left.push_back(tree->tree(0));
          continue;
        case torch::jit::TK_APPLY: {
          check_call(tree, called);
          const TreeRef& callee = tree->tree(0);
          if (callee->kind() == '.' && is_looked_into(callee)) left.push_back(callee->tree(0));
          left.push_back(tree->tree(1));
          left.push_back(tree->tree(2));
          continue;
        }
        default:
          add(tree);
      }
    }
  }

  /// Whether there is more to `value.name` than a name of libtorch or the file, or a field of the object
  /// itself.
  bool is_looked_into(const TreeRef& chain) const {
    const std::vector<std::string> names = names_of_chain(chain);
    if (names.empty()) return true;
    if (names[0] == "torch" || names[0] == "ops" || names[0] == "__torch__") return false;
    return names.size() > 2 || names[0] != self_;
  }

  /// A name that is not called.
  void check_chain(const TreeRef& tree) const {
    if (const std::string name = builtin_of(tree); !name.empty()) return check_operator(tree, name);
    const std::vector<std::string> names = names_of_chain(tree);
    if (!names.empty() && names[0] == "__torch__") {
      if (!is_class_of_cpp(names)) refuse(tree, "uses " + printable(c10::Join(".", names)));
      return;
    }
    if (names.size() != 2 || names[0] != self_) refuse(tree, "uses a field of a value");
  }

  void check_operator(const TreeRef& at, const std::string& name) const {
    if (!state_operators().contains(name))
      refuse(at, "calls the operator " + printable(name) +
                     " (allowed are only those that pack the weights of quantised layers)");
  }

  void check_call(const TreeRef& tree, std::vector<std::string>& called) const {
    const TreeRef& callee = tree->tree(0);
    if (const std::string name = builtin_of(callee); !name.empty()) return check_operator(tree, name);
    if (callee->kind() == torch::jit::TK_VAR) {
      const std::string& name = variable_of(callee);
      if (!is_allowed_function(name)) refuse(tree, "calls " + printable(name) + "()");
      const auto& arguments = tree->tree(1)->trees();
      if (name == "unchecked_cast" && !arguments.empty() && arguments[0]->kind() != torch::jit::TK_VAR)
        refuse(tree, "casts to another type than a plain one");
      return;
    }
    if (callee->kind() != '.') refuse(tree, "calls a value that has no name");
    const std::vector<std::string> names = names_of_chain(callee);
    const std::string& name = name_of(callee->tree(1));
    if (!names.empty() && names[0] == "__torch__") {
      if (!free_functions_.contains(c10::Join(".", names)))
        refuse(tree, "calls " + printable(c10::Join(".", names)) + "()");
    } else if (names.size() != 2 || names[0] != self_ || !functions_.contains(name)) {
      refuse(tree, "calls " + printable(name) + "()");
    }
    called.push_back(name);
  }

  const std::string& path_;
  std::unordered_map<std::string, std::vector<Function>> functions_;
  std::unordered_set<std::string> free_functions_;
  const Function* now_ = nullptr;
  std::string self_;
};

}  // namespace

void check_set_states(const std::string& path, const std::vector<Definition>& definitions) {
  SetStateCheck(path, definitions).run();
}

}  // namespace dinov3_seg
