// One source file of a network: the parser, and what its code may do. Code that is let through is compiled by libtorch, whose
// parser and compiler must not end the process.
#include <ATen/ATen.h>
#include <torch/csrc/jit/serialization/import_source.h>

#include "fuzz_target.h"
#include "models/code_check.h"
#include "models/code_parser.h"

using namespace dinov3_seg;

namespace {

const std::string file_name = "code/__torch__.py";

void compile(const std::string& text) {
  const std::vector<Definition> definitions = parse_code(fuzz::input_path, {{file_name, text}});
  const auto unit = std::make_shared<torch::jit::CompilationUnit>();
  const std::vector<at::IValue> constants{at::ones({2}), at::IValue(std::int64_t{3})};
  const auto source = std::make_shared<torch::jit::Source>(text, file_name, 1);
  torch::jit::SourceImporter importer(
      unit, &constants, [&](const std::string& module) { return module == "__torch__" ? source : nullptr; }, 3);
  for (const Definition& definition : definitions) {
    try {
      importer.loadType(c10::QualifiedName(definition.name));
    } catch (const std::exception&) {
      // Its code does not compile, or is a function that no class calls.
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  fuzz::read_or_refuse([&] {
    check_code(fuzz::input_path, {{file_name, text}});
    compile(text);
  });
  return 0;
}
