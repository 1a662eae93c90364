#include "models/code_check.h"

#include <c10/util/Exception.h>
#include <c10/util/StringUtil.h>
#include <torch/csrc/jit/frontend/tree_views.h>

#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/job_control.h"
#include "core/utf8.h"
#include "models/allowed_operators.h"
#include "models/code_parser.h"
#include "models/code_trees.h"
#include "models/set_state_check.h"
#include "models/type_nesting.h"

namespace dinov3_seg {
namespace {

using torch::jit::TreeList;
using torch::jit::TreeRef;

// A definition that refers to another one is compiled after it, one inside the other.
constexpr int most_nested_definitions = 300;

bool is_literal(const TreeRef& tree) {
  std::vector<TreeRef> left{tree};
  while (!left.empty()) {
    const TreeRef each = std::move(left.back());
    left.pop_back();
    switch (each->kind()) {
      case torch::jit::TK_CONST:
      case torch::jit::TK_STRINGLITERAL:
      case torch::jit::TK_TRUE:
      case torch::jit::TK_FALSE:
      case torch::jit::TK_NONE:
        continue;
      case torch::jit::TK_UNARY_MINUS:
      case torch::jit::TK_LIST_LITERAL:
      case torch::jit::TK_TUPLE_LITERAL:
      case torch::jit::TK_DICT_LITERAL:
      case torch::jit::TK_LIST:
        for (const TreeRef& part : each->trees()) left.push_back(part);
        continue;
      case torch::jit::TK_VAR:
        if (variable_of(each) == "inf" || variable_of(each) == "nan") continue;
        return false;
      default:
        return false;
    }
  }
  return true;
}

/// Adds the variables that an assignment to `target` sets: not those of `a[i]` and `a.b`.
void add_targets(const TreeRef& target, std::unordered_set<std::string>& names) {
  switch (target->kind()) {
    case torch::jit::TK_VAR:
      names.insert(variable_of(target));
      return;
    case torch::jit::TK_LIST:
    case torch::jit::TK_OPTION:
    case torch::jit::TK_STARRED:
    case torch::jit::TK_LIST_LITERAL:
    case torch::jit::TK_TUPLE_LITERAL:
      for (const TreeRef& part : target->trees()) add_targets(part, names);
      return;
    default:
      return;
  }
}

/// What the variables of a function stand for.
struct Variables {
  std::unordered_set<std::string> functions;  ///< of the file: `_0 = __torch__.resize`
  std::unordered_set<std::string> others;     ///< anything else anywhere in it, such as a method of a value

  bool is_function(const std::string& name) const {
    if (others.contains(name)) return false;
    return functions.contains(name) || is_allowed_function(name);
  }
};

Variables variables_of(const TreeRef& function) {
  std::unordered_set<std::string> names, others;
  std::vector<TreeRef> left{function};
  while (!left.empty()) {
    const TreeRef tree = std::move(left.back());
    left.pop_back();
    for (const TreeRef& part : tree->trees()) left.push_back(part);
    if (tree->kind() == torch::jit::TK_PARAM) others.insert(name_of(tree->tree(0)));
    if (tree->kind() == torch::jit::TK_FOR) add_targets(tree->tree(0), others);
    if (tree->kind() == torch::jit::TK_WITH_ITEM) add_targets(tree->tree(1), others);
    if (tree->kind() != torch::jit::TK_ASSIGN) continue;
    const torch::jit::Assign assignment(tree);
    const auto value = assignment.rhs();
    const auto chain = value.present() ? names_of_chain(value.get().tree()) : std::vector<std::string>();
    const bool is_function = assignment.lhs_list().size() == 1 && !chain.empty() && chain[0] == "__torch__";
    add_targets(assignment.lhs_list().tree(), is_function ? names : others);
  }
  return {std::move(names), std::move(others)};
}

class CodeCheck {
 public:
  CodeCheck(const std::string& path, const std::vector<Definition>& definitions)
      : path_(path), definitions_(definitions) {}

  void run() {
    for (const Definition& definition : definitions_) {
      check_cancelled();
      now_ = &definition;
      walk(definition.tree);
    }
    check_set_states(path_, definitions_);
    check_type_nesting(path_, definitions_);
    check_nesting();
  }

 private:
  [[noreturn]] void refuse(const TreeRef& at, const std::string& what) const {
    refuse_code(path_, now_->file, at, what);
  }

  void check_operator(const TreeRef& at, const std::string& name) const {
    if (!allowed_operators().contains(name))
      refuse(at, "calls the operator " + printable(name) +
                     ", which is none of those that networks are made of (docs/networks.md)");
  }

  void walk(const TreeRef& root) {
    std::vector<TreeRef> left{root};
    while (!left.empty()) {
      const TreeRef tree = std::move(left.back());
      left.pop_back();
      if (look_at(tree))
        for (const TreeRef& part : tree->trees()) left.push_back(part);
    }
  }

  /// Whether the parts are to be looked at too.
  bool look_at(const TreeRef& tree) {
    switch (tree->kind()) {
      case '.':
        return !is_known_chain(tree);
      case torch::jit::TK_VAR:
        check_variable(tree);
        return true;
      case torch::jit::TK_APPLY:
        check_call(tree);
        return true;
      case torch::jit::TK_PARAM: {
        const TreeList& value = tree->tree(2)->trees();
        if (!value.empty() && !is_literal(value[0])) refuse(tree, "has a default argument that is computed");
        return true;
      }
      case torch::jit::TK_DEF: {
        auto outer = std::exchange(variables_, variables_of(tree));
        for (const TreeRef& part : tree->trees()) walk(part);
        variables_ = std::move(outer);
        return false;
      }
      case torch::jit::TK_CLASS_DEF:
        check_class(tree);
        return true;
      case torch::jit::TK_FOR:
        check_loop(tree);
        return true;
      case torch::jit::TK_LIST_COMP:
      case torch::jit::TK_DICT_COMP:
        refuse(tree, "has a comprehension, which libtorch never writes");
      default:
        return true;
    }
  }

  /// `torch.add`, `ops.prim.device`, `__torch__.Class`: with nothing more to look at.
  bool is_known_chain(const TreeRef& tree) {
    const std::vector<std::string> names = names_of_chain(tree);
    if (names.empty()) return false;
    if (names[0] == "torch") {
      check_operator(tree, "aten::" + names[1]);
      if (names.size() > 2) refuse(tree, "uses " + printable(c10::Join(".", names)));
      return true;
    }
    if (names[0] == "ops") {
      if (names.size() != 3) refuse(tree, "uses " + printable(c10::Join(".", names)));
      check_operator(tree, names[1] + "::" + names[2]);
      return true;
    }
    if (names[0] != "__torch__") return false;
    const std::string name = c10::Join(".", names);
    if (!is_allowed_class(name))
      refuse(tree, "uses the class " + printable(name) +
                       " of C++, which is none of those of quantised layers (docs/networks.md)");
    now_references().push_back(name);
    return true;
  }

  std::vector<std::string>& now_references() { return references_[now_]; }

  void check_variable(const TreeRef& tree) const {
    const std::string& name = variable_of(tree);
    for (const char* refused : {"torch", "ops", "fork", "awaitable", "__torch__"})
      if (name == refused) refuse(tree, "uses " + name + " as a value");
  }

  void check_call(const TreeRef& tree) const {
    const TreeRef& callee = tree->tree(0);
    if (callee->kind() == torch::jit::TK_VAR) {
      const std::string& name = variable_of(callee);
      if (!variables_.is_function(name)) refuse(tree, "calls " + printable(name) + "()");
      if (name == "getattr") {
        const TreeList& arguments = tree->tree(1)->trees();
        if (arguments.size() != 2 || arguments[1]->kind() != torch::jit::TK_STRINGLITERAL)
          refuse(tree, "calls getattr() with a name that is computed");
      }
      return;
    }
    if (callee->kind() != '.') refuse(tree, "calls a value that has no name");
    const std::vector<std::string> chain = names_of_chain(callee);
    const bool known =
        !chain.empty() && (chain[0] == "torch" || chain[0] == "ops" || chain[0] == "__torch__");
    if (!known) check_method(callee, name_of(callee->tree(1)));
  }

  /// `value.name(…)` calls a method of a class, whose code is checked too, or an operator of that name.
  void check_method(const TreeRef& at, const std::string& name) const {
    if (is_operator("aten::" + name)) check_operator(at, "aten::" + name);
  }

  void check_class(const TreeRef& tree) const {
    // Properties have code that libtorch's own files do not have.
    for (const TreeRef& statement : tree->tree(2)->trees()) {
      if (statement->kind() == torch::jit::TK_DEF) continue;
      if (statement->kind() != torch::jit::TK_ASSIGN)
        refuse(statement, "has a statement in a class that is neither a field nor a method");
      const torch::jit::Assign assignment(statement);
      if (assignment.lhs_list().size() != 1)
        refuse(statement, "assigns a value to several fields of a class");
      if (assignment.lhs().kind() == torch::jit::TK_SUBSCRIPT) continue;  // the type of a field
      if (assignment.rhs().present() && !is_literal(assignment.rhs().get().tree()))
        refuse(statement, "has a class constant that is computed");
    }
  }

  /// libtorch writes loops over ranges; others are unrolled by its compiler, without any bound.
  void check_loop(const TreeRef& tree) const {
    for (const TreeRef& over : tree->tree(1)->trees()) {
      const bool is_range = over->kind() == torch::jit::TK_APPLY &&
                            over->tree(0)->kind() == torch::jit::TK_VAR &&
                            variable_of(over->tree(0)) == "range";
      if (!is_range) refuse(tree, "has a loop over something else than a range");
    }
  }

  /// The compiler takes in a definition when another one first names it, inside the other.
  void check_nesting() {
    std::unordered_map<std::string, const Definition*> by_name;
    for (const Definition& definition : definitions_) by_name.emplace(definition.name, &definition);
    for (const Definition& definition : definitions_) depth_of(definition, by_name, 0);
  }

  int depth_of(const Definition& definition,
               const std::unordered_map<std::string, const Definition*>& by_name, int above) {
    const auto known = depths_.find(&definition);
    if (known != depths_.end() && known->second >= 0) {
      if (above + known->second > most_nested_definitions) refuse_nesting(definition);
      return known->second;
    }
    if (above > most_nested_definitions) refuse_nesting(definition);
    if (known != depths_.end()) return 0;  // refers to itself
    depths_[&definition] = -1;
    int deepest = 0;
    for (std::string name : references_[&definition]) {
      auto found = by_name.find(name);
      // `__torch__.Class.method`
      if (found == by_name.end()) found = by_name.find(name.substr(0, name.rfind('.')));
      if (found != by_name.end() && found->second != &definition)
        deepest = std::max(deepest, depth_of(*found->second, by_name, above + 1));
    }
    return depths_[&definition] = deepest + 1;
  }

  [[noreturn]] void refuse_nesting(const Definition& definition) {
    now_ = &definition;
    refuse(definition.tree, "has classes that refer to each other in a chain of more than " +
                                std::to_string(most_nested_definitions));
  }

  const std::string& path_;
  const std::vector<Definition>& definitions_;
  const Definition* now_ = nullptr;
  std::unordered_map<const Definition*, std::vector<std::string>> references_;
  std::unordered_map<const Definition*, int> depths_;
  Variables variables_;  // of the present function
};

}  // namespace

void check_code(const std::string& path, const std::vector<CodeFile>& files) {
  const std::vector<Definition> definitions = parse_code(path, files);
  CodeCheck(path, definitions).run();
}

}  // namespace dinov3_seg
