#include "models/type_nesting.h"

#include <torch/csrc/jit/frontend/tree_views.h>
#include <torch/csrc/jit/runtime/operator.h>

#include <algorithm>
#include <unordered_map>

#include "core/job_control.h"
#include "models/code_trees.h"

namespace dinov3_seg {
namespace {

using torch::jit::TreeRef;

constexpr int most_levels = 10;
constexpr int most_exits = 50;

/// Whether an operator gives a value of a type that is one of its arguments', such as the items of a list.
bool gives_its_arguments(const std::string& name) {
  static thread_local std::unordered_map<std::string, bool> known;
  const auto found = known.find(name);
  if (found != known.end()) return found->second;
  bool gives = false;
  for (const auto& op : torch::jit::getAllOperatorsFor(c10::Symbol::fromQualString(name)))
    for (const c10::Argument& result : op->schema().returns()) gives |= result.type()->hasFreeVariables();
  return known[name] = gives;
}

/// Types of the values in a function, as an upper bound of how deep they are nested. What functions, methods
/// and fields give is of a type that the code states.
class FunctionTypes {
 public:
  FunctionTypes(const std::string& path, const Definition& definition)
      : path_(path), definition_(definition) {}

  void check(const TreeRef& function) {
    if (function->tree(1)->tree(1)->trees().empty()) refuse(function, "has a function without a stated type");
    visit(function->tree(2));
  }

 private:
  [[noreturn]] void refuse(const TreeRef& at, const std::string& what) const {
    refuse_code(path_, definition_.file, at, what);
  }

  void visit(const TreeRef& tree) {
    switch (tree->kind()) {
      case torch::jit::TK_RETURN:
      case torch::jit::TK_BREAK:
      case torch::jit::TK_CONTINUE:
      case torch::jit::TK_RAISE:
      case torch::jit::TK_ASSERT:
        if (++exits_ > most_exits)
          refuse(tree,
                 "has more than " + std::to_string(most_exits) + " returns, breaks and raises in a function");
        break;
      case torch::jit::TK_ASSIGN: {
        const torch::jit::Assign assignment(tree);
        if (!assignment.rhs().present()) return;
        const int levels = levels_of(assignment.rhs().get().tree());
        for (const auto& target : assignment.lhs_list()) assign(target.tree(), levels);
        return;
      }
      case torch::jit::TK_IF:
      case torch::jit::TK_FOR:
      case torch::jit::TK_WHILE:
      case torch::jit::TK_WITH:
      case torch::jit::TK_LIST:
      case torch::jit::TK_EXPR_STMT:
      case torch::jit::TK_OPTION:
        for (const TreeRef& part : tree->trees()) visit(part);
        return;
      default:
        break;
    }
    levels_of(tree);
  }

  void assign(const TreeRef& target, int levels) {
    if (target->kind() == torch::jit::TK_VAR) {
      // Never fewer than before: other branches and rounds of a loop may have assigned the others.
      int& known = levels_[variable_of(target)];
      known = std::max(known, levels);
    } else if (target->kind() == torch::jit::TK_STARRED) {
      assign(target->tree(0), levels);
    } else if (target->kind() == torch::jit::TK_TUPLE_LITERAL ||
               target->kind() == torch::jit::TK_LIST_LITERAL) {
      for (const TreeRef& part : target->tree(0)->trees()) {
        const bool is_rest = part->kind() == torch::jit::TK_STARRED;
        assign(part, is_rest ? levels : std::max(0, levels - 1));
      }
    }
  }

  int levels_of(const TreeRef& tree) {
    switch (tree->kind()) {
      case torch::jit::TK_VAR: {
        const auto known = levels_.find(variable_of(tree));
        return known == levels_.end() ? 0 : known->second;
      }
      case torch::jit::TK_LIST_LITERAL:
      case torch::jit::TK_TUPLE_LITERAL:
      case torch::jit::TK_DICT_LITERAL:
        return checked(tree, 1 + deepest_of(tree));
      case torch::jit::TK_APPLY:
        return levels_of_call(tree);
      case torch::jit::TK_SUBSCRIPT: {
        const int levels = levels_of(tree->tree(0));
        deepest_of(tree->tree(1));
        const auto& places = tree->tree(1)->trees();
        const bool is_slice = std::any_of(places.begin(), places.end(), [](const TreeRef& place) {
          return place->kind() == torch::jit::TK_SLICE_EXPR;
        });
        return is_slice ? levels : std::max(0, levels - 1);
      }
      case '.':
        levels_of(tree->tree(0));
        return 0;
      default:
        return deepest_of(tree);
    }
  }

  int levels_of_call(const TreeRef& tree) {
    const TreeRef& callee = tree->tree(0);
    const int arguments = std::max(deepest_of(tree->tree(1)), deepest_of(tree->tree(2)));
    if (callee->kind() == torch::jit::TK_VAR) return arguments;  // annotate(), unchecked_cast()
    if (callee->kind() != '.') return 0;
    std::string name = builtin_of(callee);
    int value = 0;
    if (name.empty()) {
      value = levels_of(callee->tree(0));
      name = "aten::" + name_of(callee->tree(1));
    }
    if (!gives_its_arguments(name)) return 1;
    // Key and value as a tuple, in a list.
    const bool makes_pairs = name == "aten::items" || name == "aten::popitem";
    return checked(tree, std::max(arguments, value) + (makes_pairs ? 1 : 0));
  }

  int deepest_of(const TreeRef& tree) {
    int deepest = 0;
    if (tree->isAtom()) return deepest;
    for (const TreeRef& part : tree->trees()) deepest = std::max(deepest, levels_of(part));
    return deepest;
  }

  int checked(const TreeRef& tree, int levels) const {
    if (levels > most_levels)
      refuse(tree,
             "makes a value of more than " + std::to_string(most_levels) + " lists and tuples in each other");
    return levels;
  }

  const std::string& path_;
  const Definition& definition_;
  std::unordered_map<std::string, int> levels_;
  int exits_ = 0;
};

/// `Tuple[Tuple[…]]`
void check_types(const std::string& path, const Definition& definition) {
  std::vector<std::pair<TreeRef, int>> left{{definition.tree, 0}};
  while (!left.empty()) {
    const auto [tree, levels] = std::move(left.back());
    left.pop_back();
    const bool is_subscript = tree->kind() == torch::jit::TK_SUBSCRIPT;
    if (levels > most_levels)
      refuse_code(path, definition.file, tree,
                  "has a type of more than " + std::to_string(most_levels) + " types in each other");
    for (std::size_t i = 0; i < tree->trees().size(); ++i)
      left.emplace_back(tree->trees()[i], levels + (is_subscript && i == 1 ? 1 : 0));
  }
}

}  // namespace

void check_type_nesting(const std::string& path, const std::vector<Definition>& definitions) {
  for (const Definition& definition : definitions) {
    check_cancelled();
    check_types(path, definition);
    std::vector<TreeRef> left{definition.tree};
    while (!left.empty()) {
      const TreeRef tree = std::move(left.back());
      left.pop_back();
      if (tree->kind() == torch::jit::TK_DEF)
        FunctionTypes(path, definition).check(tree);
      else if (tree->kind() == torch::jit::TK_CLASS_DEF || tree->kind() == torch::jit::TK_LIST)
        for (const TreeRef& part : tree->trees()) left.push_back(part);
    }
  }
}

}  // namespace dinov3_seg
