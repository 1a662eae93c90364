#include "models/torchscript_parser.h"

#include <torch/csrc/jit/frontend/lexer.h>
#include <torch/csrc/jit/frontend/parser.h>

#include <memory>
#include <utility>

#include "core/error.h"

namespace dinov3_seg {
namespace {

using namespace torch::jit;

/// The argument of `name[argument]`, or nothing.
std::optional<Expr> subscript_of(const Expr& type, const std::string& name) {
  if (type.kind() != TK_SUBSCRIPT) return std::nullopt;
  const Subscript subscript(type);
  if (subscript.value().kind() != TK_VAR || Var(subscript.value()).name().name() != name) return std::nullopt;
  return subscript.subscript_exprs()[0];
}

ScriptField parse_field(Expr type) {
  ScriptField field;
  if (const auto inner = subscript_of(type, "Optional")) {
    field.optional = true;
    type = *inner;
  }
  if (const auto inner = subscript_of(type, "ModuleList")) {
    field.kind = FieldKind::module_list;
    field.class_name = Var(*inner).name().name();
    return field;
  }
  const std::string name = Var(type).name().name();
  if (name == "Parameter") return field;
  if (name == "Buffer") {
    field.kind = FieldKind::buffer;
  } else {
    field.kind = FieldKind::module;
    field.class_name = name;
  }
  return field;
}

/// `name: Type`, or `__annotations__["name"] = Type` where the name is no identifier.
std::pair<std::string, ScriptField> parse_declaration(const Assign& statement) {
  if (statement.lhs().kind() == TK_SUBSCRIPT) {
    const Expr key = Subscript(statement.lhs()).subscript_exprs()[0];
    return {StringLiteral(key).text(), parse_field(statement.rhs().get())};
  }
  return {Var(statement.lhs()).name().name(), parse_field(statement.type().get())};
}

ScriptClass parse_class(const ClassDef& definition) {
  ScriptClass parsed;
  const std::string name = definition.name().name();
  for (const auto& statement : definition.body()) {
    if (statement.kind() == TK_DEF) {
      parsed.methods.emplace_back(Def(statement));
    } else if (statement.kind() == TK_ASSIGN) {
      auto [field, declared] = parse_declaration(Assign(statement));
      if (!parsed.fields.emplace(field, declared).second) {
        fail("INTERNAL", "TorchScript class ", name, " declares ", field, " twice.");
      }
    } else {
      fail("INTERNAL", "TorchScript class ", name,
           " holds a statement that is neither a field nor a method.");
    }
  }
  return parsed;
}

}  // namespace

ScriptLibrary parse_sources(const std::vector<EmbeddedText>& sources) {
  ScriptLibrary library;
  for (const auto& [name, text] : sources) {
    // Named after the file, so that an error of the network while it runs shows the line of its source.
    auto source = std::make_shared<Source>(std::string(text), std::string(name), 1);
    Parser parser(source);
    while (parser.lexer().cur().kind != TK_EOF) {
      if (parser.lexer().cur().kind != TK_CLASS_DEF) {
        library.functions.emplace_back(parser.parseFunction(false));
        continue;
      }
      const ClassDef definition(parser.parseClass());
      const std::string class_name = definition.name().name();
      if (!library.classes.emplace(class_name, parse_class(definition)).second) {
        fail("INTERNAL", "TorchScript class ", class_name, " is defined twice.");
      }
    }
  }
  return library;
}

}  // namespace dinov3_seg
