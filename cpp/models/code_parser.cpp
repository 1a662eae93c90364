#include "models/code_parser.h"

#include <torch/csrc/jit/frontend/lexer.h>
#include <torch/csrc/jit/frontend/parser.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "core/error.h"
#include "core/job_control.h"
#include "core/utf8.h"
#include "models/network_archive.h"

namespace dinov3_seg {
namespace {

using torch::jit::Lexer;

constexpr size_t most_brackets = 200;
constexpr size_t most_indents = 200;
constexpr size_t most_branches = 200;
// Operators of one statement that are each inside the next: `a + b + c`, `a.b.c`, `not not a`.
constexpr size_t most_chained = 1000;
// libtorch's lexer skips each line without a token inside the one before it.
constexpr size_t most_empty_lines = 200;

/// Counts how deeply the syntax tree of each statement will be nested, without making it.
class NestingCount {
 public:
  void take(int kind) {
    switch (kind) {
      case '(':
      case '[':
      case '{':
        add();
        chains_.push_back(0);
        return;
      case ')':
      case ']':
      case '}':
        close();
        return;
      case ',':
        sum_ -= chains_.back();
        chains_.back() = 0;
        return;
      case torch::jit::TK_NEWLINE:
        chains_.assign(1, 0);
        sum_ = 0;
        return;
      case torch::jit::TK_INDENT:
        ++indents_;
        return;
      case torch::jit::TK_DEDENT:
        if (indents_ > 0) --indents_;
        return;
      case torch::jit::TK_ELIF:
        ++branches_;
        return;
      case torch::jit::TK_IDENT:
      case torch::jit::TK_NUMBER:
      case torch::jit::TK_STRINGLITERAL:
        return;
      default:
        add();
    }
  }

  bool is_too_deep() const {
    return chains_.size() > most_brackets || sum_ > most_chained || indents_ > most_indents ||
           branches_ > most_branches;
  }

 private:
  void add() {
    ++chains_.back();
    ++sum_;
  }
  void close() {
    if (chains_.size() == 1) return;  // the parser says what is wrong
    sum_ -= chains_.back();
    chains_.pop_back();
  }

  std::vector<size_t> chains_{0};
  size_t sum_ = 0, indents_ = 0, branches_ = 0;
};

/// Lines in a row that are empty, comments, or a backslash alone. Those within a text count too.
size_t empty_lines_in_a_row(std::string_view text) {
  size_t most = 0, now = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const size_t first = text.substr(0, end).find_first_not_of(" \t\r\f\v");
    const bool is_empty = first == std::string_view::npos || text[first] == '#' || text[first] == '\\';
    now = is_empty ? now + 1 : 0;
    most = std::max(most, now);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return most;
}

void check_nesting(const std::string& path, const CodeFile& file,
                   const std::shared_ptr<torch::jit::Source>& source) {
  NestingCount count;
  for (Lexer lexer(source); lexer.cur().kind != torch::jit::TK_EOF; lexer.next()) {
    count.take(lexer.cur().kind);
    if (count.is_too_deep())
      fail("MODEL_CODE", path, ": its code (", printable(file.name),
           ") has a statement that is nested too deeply for libtorch's compiler. No network looks like that: "
           "do not use the file");
  }
}

/// `op_version_set = 1`, which files of all versions begin with or not.
void skip_version(Lexer& lexer) {
  if (lexer.cur().kind != torch::jit::TK_IDENT || lexer.cur().text() != "op_version_set") return;
  lexer.next();
  lexer.expect('=');
  lexer.expect(torch::jit::TK_NUMBER);
  lexer.expect(torch::jit::TK_NEWLINE);
}

void skip_imports(Lexer& lexer) {
  while (lexer.nextIf(torch::jit::TK_IMPORT)) {
    // Within brackets, the file can end without a newline, and its end comes again and again.
    while (lexer.cur().kind != torch::jit::TK_NEWLINE && lexer.cur().kind != torch::jit::TK_EOF) lexer.next();
    lexer.expect(torch::jit::TK_NEWLINE);
  }
}

/// code/__torch__/net.py → __torch__.net
std::string module_of(const std::string& file) {
  const auto begin = file.find('/') + 1;
  std::string name = file.substr(begin, file.rfind('.') - begin);
  std::replace(name.begin(), name.end(), '/', '.');
  return name;
}

void parse_file(const CodeFile& file, const std::shared_ptr<torch::jit::Source>& source,
                std::vector<Definition>& definitions) {
  torch::jit::Parser parser(source);
  Lexer& lexer = parser.lexer();
  skip_version(lexer);
  while (true) {
    skip_imports(lexer);
    const int kind = lexer.cur().kind;
    if (kind == torch::jit::TK_EOF) return;
    const torch::jit::TreeRef tree =
        kind == torch::jit::TK_CLASS_DEF ? parser.parseClass() : parser.parseFunction(/*is_method=*/false);
    const std::string& name = tree->tree(0)->tree(0)->stringValue();
    definitions.push_back({module_of(file.name) + "." + name, file.name, tree});
  }
}

}  // namespace

std::vector<Definition> parse_code(const std::string& path, const std::vector<CodeFile>& files) {
  std::vector<Definition> definitions;
  for (const CodeFile& file : files) {
    check_cancelled();
    try {
      if (empty_lines_in_a_row(file.text) > most_empty_lines)
        fail("MODEL_CODE", path, ": its code (", printable(file.name), ") has more than ", most_empty_lines,
             " empty lines or comments in a row, which libtorch's parser cannot skip. No network looks like "
             "that: do not use the file");
      const auto source = std::make_shared<torch::jit::Source>(file.text, file.name, 1);
      check_nesting(path, file, source);
      parse_file(file, source, definitions);
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      fail("MODEL_FORMAT", path, ": its code (", printable(file.name),
           ") does not parse: ", libtorch_message(error), "\nCopy or download the file again");
    }
  }
  return definitions;
}

}  // namespace dinov3_seg
