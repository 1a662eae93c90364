// The TorchScript sources, parsed: classes with the fields they declare, and free functions.
#pragma once

#include <torch/csrc/jit/frontend/tree_views.h>

#include <map>
#include <string>
#include <vector>

#include "models/torchscript_sources.h"

namespace dinov3_seg {

enum class FieldKind { parameter, buffer, module, module_list };

/// One declared field of a class: `weight: Parameter`, `bias: Optional[Parameter]`, `norm: LayerNorm`,
/// `blocks: ModuleList[Block]`, `__annotations__["0"] = Conv2d`.
struct ScriptField {
  FieldKind kind = FieldKind::parameter;
  std::string class_name;  ///< of the module, or of each module of the list
  bool optional = false;
};

struct ScriptClass {
  std::map<std::string, ScriptField> fields;
  std::vector<torch::jit::Def> methods;
};

struct ScriptLibrary {
  std::map<std::string, ScriptClass> classes;
  std::vector<torch::jit::Def> functions;  ///< in the order of the sources
};

/// Parses sources. Errors: INTERNAL for a statement that is neither a declaration nor a function, and for a
/// name given twice; a syntax error is libtorch's own.
ScriptLibrary parse_sources(const std::vector<EmbeddedText>& sources);

}  // namespace dinov3_seg
