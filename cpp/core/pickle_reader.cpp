#include "pickle_reader.h"

#include <bit>
#include <utility>
#include <vector>

#include "byte_reader.h"
#include "error.h"
#include "job_control.h"
#include "utf8.h"

namespace dinov3_seg {
namespace {

using Kind = PickleValue::Kind;

constexpr std::uint64_t max_pickle_bytes = 64 << 20;
constexpr std::size_t max_values = 4'000'000;
// Integers below are made once: lists of them are the only large part of a pickle besides tensors.
constexpr std::int64_t shared_integers = 1 << 16;
constexpr std::uint64_t steps_between_checks = 4096;  // of the job's flag
constexpr std::size_t large_stack = 1 << 16;          // of values

class Machine {
 public:
  Machine(std::span<const std::uint8_t> bytes, PickleGlobals& globals, const std::string& where)
      : reader_(bytes), globals_(globals), where_(where), allowed_(memory_allowed_for(bytes.size())) {
    if (bytes.size() > max_pickle_bytes) {
      damaged("it is larger than ", max_pickle_bytes >> 20, " MiB, far more than a table of tensors takes");
    }
    tree_.source.assign(bytes.begin(), bytes.end());
    reader_ = ByteReader(tree_.source);
  }

  PickleTree run() {
    for (std::uint64_t steps = 0;; ++steps) {
      if (steps % steps_between_checks == 0) check_cancelled();
      const auto opcode = reader_.value<std::uint8_t>();
      if (opcode == '.') break;
      step(opcode);
      check_size();
    }
    tree_.root = pop();
    if (!stack_.empty() || !marks_.empty()) damaged("values are left over at its end");
    return std::move(tree_);
  }

 private:
  template <typename... Parts>
  [[noreturn]] void damaged(Parts&&... parts) const {
    fail("CHECKPOINT_FORMAT", where_, ": the pickle is not in torch.save's format: ", parts..., " (byte ",
         reader_.position(), "). Load the file and save a plain state dict with PyTorch");
  }

  [[noreturn]] void unsafe(std::string_view name) const {
    fail("CHECKPOINT_UNSAFE", where_, " refers to the Python object ", printable(name),
         ", which is neither a tensor nor a container. No code of the file was executed. If you trust it, "
         "load it in "
         "Python and save only the state dict: torch.save(model.state_dict(), path)");
  }

  void check_size() const {
    if (tree_.values.size() > max_values) damaged("it holds more than ", max_values, " values");
    const std::uint64_t slots = stack_.size() + marks_.size() + memo_.size();
    if (tree_.made_bytes + slots * sizeof(PickleValue*) > allowed_) {
      damaged("its ", tree_.source.size(), " bytes make values that take more than ", allowed_ >> 20,
              " MiB of memory, many times more than those of a state dict");
    }
  }

  void push(PickleValue* value) { stack_.push_back(value); }
  /// A value that never changes, made at its first use.
  void push_shared(PickleValue*& shared, Kind kind, std::int64_t integer) {
    if (shared == nullptr) shared = kind == Kind::none ? tree_.make(kind) : tree_.make(kind, integer);
    push(shared);
  }
  void push_integer(std::int64_t integer) {
    if (integer < 0 || integer >= shared_integers) return push(tree_.make(Kind::integer, integer));
    if (integers_.empty()) integers_.resize(shared_integers);
    push_shared(integers_[static_cast<std::size_t>(integer)], Kind::integer, integer);
  }
  void push_text(Kind kind, std::uint64_t size) {
    const auto text = reader_.text(size);
    if (kind == Kind::text && !is_utf8(text)) damaged("a string is not UTF-8");
    push(tree_.make(kind, text));
  }
  void push_empty_tuple() {
    if (empty_tuple_ == nullptr) empty_tuple_ = tree_.make_container(Kind::tuple);
    push(empty_tuple_);
  }

  /// Values below the last mark are out of reach, as in Python's own machine.
  std::size_t available() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }
  std::span<PickleValue* const> last(std::size_t count) const {
    if (available() < count) damaged("the stack is empty");
    return std::span(stack_).last(count);
  }
  PickleValue* top() const { return last(1).front(); }
  void drop(std::size_t count) {
    stack_.resize(stack_.size() - count);
    // What a long tuple took is of use to those who read on.
    if (stack_.capacity() > large_stack && stack_.size() < stack_.capacity() / 4) stack_.shrink_to_fit();
  }
  PickleValue* pop() {
    PickleValue* value = top();
    drop(1);
    return value;
  }
  /// Takes the last mark away. @returns the number of values since
  std::size_t count_to_mark() {
    if (marks_.empty()) damaged("a mark is missing");
    const std::size_t count = stack_.size() - marks_.back();
    marks_.pop_back();
    return count;
  }

  /// Moves the last values to the end of the container below them.
  void extend(Kind kind, std::size_t count) {
    const auto values = last(count + 1);
    PickleValue* container = values.front();
    if (!container->is(kind)) damaged("values are added to an object that is not a container of their kind");
    if (kind == Kind::dict && count % 2 != 0) damaged("a dict has a key without a value");
    container->items().insert(container->items().end(), values.begin() + 1, values.end());
    tree_.count_items(count);
    drop(count);
  }
  /// Makes a container of the last values.
  void push_items(Kind kind, std::size_t count) {
    const auto values = last(count);
    PickleValue* container = tree_.make_container(kind, {values.begin(), values.end()});
    drop(count);
    push(container);
  }
  void push_dict(std::size_t count) {
    if (count % 2 != 0) damaged("a dict has a key without a value");
    push_items(Kind::dict, count);
  }

  void memoize(std::uint64_t index) {
    // Writers count from 0, and storing takes a byte at least.
    if (index >= tree_.source.size()) damaged("it stores a value under the number ", index);
    if (index >= memo_.size()) memo_.resize(index + 1);
    memo_[index] = top();
  }
  void recall(std::uint64_t index) {
    if (index >= memo_.size() || memo_[index] == nullptr) damaged("it refers to a value that was not stored");
    push(memo_[index]);
  }

  void push_long(std::uint64_t size) {
    const auto bytes = reader_.take(size);
    if (size > 8) {  // too large for any use here, but seeds and counters of 64 bits unsigned occur
      std::string& text = tree_.texts.emplace_back("0x");
      for (std::uint64_t i = size; i-- > 0;) {
        text += "0123456789abcdef"[bytes[i] >> 4];
        text += "0123456789abcdef"[bytes[i] & 15];
      }
      tree_.made_bytes += sizeof text + text.size();
      return push(tree_.make(Kind::text, std::string_view(text)));
    }
    std::uint64_t bits = size > 0 && (bytes[size - 1] & 0x80) != 0 ? ~std::uint64_t{0} : 0;
    for (std::uint64_t i = size; i-- > 0;) bits = bits << 8 | bytes[i];
    push_integer(static_cast<std::int64_t>(bits));
  }

  void push_real() {
    push(tree_.make(Kind::real, std::bit_cast<double>(__builtin_bswap64(reader_.value<std::uint64_t>()))));
  }

  void push_global(std::string_view module, std::string_view name) {
    if (!globals_.allows(module, name)) unsafe(full_name({module, name}));
    push(tree_.make(Kind::global, PickleGlobal{module, name}));
  }

  void stack_global() {
    const PickleValue* name = pop();
    const PickleValue* module = pop();
    if (!name->is(Kind::text) || !module->is(Kind::text)) damaged("the name of an object is not a string");
    push_global(module->text(), name->text());
  }

  void reduce() {
    const PickleValue* arguments = pop();
    const PickleValue* function = pop();
    if (!function->is(Kind::global) || !arguments->is(Kind::tuple))
      damaged("it calls something without a name");
    push(globals_.call(tree_, *function, *arguments));
  }

  void build() {
    PickleValue* state = pop();
    PickleValue* target = top();
    if (target->is(Kind::object)) {
      if (target->items().empty()) tree_.count_items(1);
      target->items().assign(1, state);
    } else if (!target->is(Kind::dict)) {
      damaged("it sets attributes of a plain value");
    }
    // The attributes of an OrderedDict are the versions that torch notes in `_metadata`: nothing of the
    // tensors.
  }

  // One line an opcode.
  // clang-format off
  void step(std::uint8_t opcode) {
    switch (opcode) {
      case 0x80: return protocol(reader_.value<std::uint8_t>());                           // PROTO
      case 0x95: return static_cast<void>(reader_.value<std::uint64_t>());                 // FRAME
      case '(': return marks_.push_back(stack_.size());                                    // MARK
      case '0': return drop(available() == 0 ? count_to_mark() : 1);                        // POP
      case '1': return drop(count_to_mark());                                              // POP_MARK
      case '2': return push(top());                                                        // DUP
      case 'N': return push_shared(none_, Kind::none, 0);                                  // NONE
      case 0x88: return push_shared(true_, Kind::boolean, 1);                              // NEWTRUE
      case 0x89: return push_shared(false_, Kind::boolean, 0);                             // NEWFALSE
      case 'J': return push_integer(reader_.value<std::int32_t>());                        // BININT
      case 'K': return push_integer(reader_.value<std::uint8_t>());                        // BININT1
      case 'M': return push_integer(reader_.value<std::uint16_t>());                       // BININT2
      case 0x8a: return push_long(reader_.value<std::uint8_t>());                          // LONG1
      case 0x8b: return push_long(reader_.value<std::uint32_t>());                         // LONG4
      case 'G': return push_real();                                                        // BINFLOAT
      case 0x8c: return push_text(Kind::text, reader_.value<std::uint8_t>());              // SHORT_BINUNICODE
      case 'X': return push_text(Kind::text, reader_.value<std::uint32_t>());              // BINUNICODE
      case 0x8d: return push_text(Kind::text, reader_.value<std::uint64_t>());             // BINUNICODE8
      case 'U': return push_text(Kind::text, reader_.value<std::uint8_t>());               // SHORT_BINSTRING
      case 'T': return push_text(Kind::text, reader_.value<std::uint32_t>());              // BINSTRING
      case 'C': return push_text(Kind::bytes, reader_.value<std::uint8_t>());              // SHORT_BINBYTES
      case 'B': return push_text(Kind::bytes, reader_.value<std::uint32_t>());             // BINBYTES
      case 0x8e:                                                                           // BINBYTES8
      case 0x96: return push_text(Kind::bytes, reader_.value<std::uint64_t>());            // BYTEARRAY8
      case ')': return push_empty_tuple();                                                 // EMPTY_TUPLE
      case 't': return push_items(Kind::tuple, count_to_mark());                           // TUPLE
      case 0x85:                                                                           // TUPLE1
      case 0x86:                                                                           // TUPLE2
      case 0x87: return push_items(Kind::tuple, opcode - 0x84u);                           // TUPLE3
      case ']': return push(tree_.make_container(Kind::list));                             // EMPTY_LIST
      case 'l':                                                                            // LIST
      case 0x91: return push_items(Kind::list, count_to_mark());                           // FROZENSET
      case 'a': return extend(Kind::list, 1);                                              // APPEND
      case 'e': return extend(Kind::list, count_to_mark());                                // APPENDS
      case 0x8f: return push(tree_.make_container(Kind::list));                            // EMPTY_SET
      case 0x90: return extend(Kind::list, count_to_mark());                               // ADDITEMS
      case '}': return push(tree_.make_container(Kind::dict));                             // EMPTY_DICT
      case 'd': return push_dict(count_to_mark());                                         // DICT
      case 's': return extend(Kind::dict, 2);                                              // SETITEM
      case 'u': return extend(Kind::dict, count_to_mark());                                // SETITEMS
      case 'q': return memoize(reader_.value<std::uint8_t>());                             // BINPUT
      case 'r': return memoize(reader_.value<std::uint32_t>());                            // LONG_BINPUT
      case 0x94: return memoize(memo_.size());                                             // MEMOIZE
      case 'h': return recall(reader_.value<std::uint8_t>());                              // BINGET
      case 'j': return recall(reader_.value<std::uint32_t>());                             // LONG_BINGET
      case 'Q': return push(globals_.storage(tree_, *pop()));                              // BINPERSID
      case 'c': {                                                                          // GLOBAL
        const auto module = reader_.line();
        return push_global(module, reader_.line());
      }
      case 0x93: return stack_global();                                                    // STACK_GLOBAL
      case 'R':                                                                            // REDUCE
      case 0x81: return reduce();                                                          // NEWOBJ
      case 'b': return build();                                                            // BUILD
      case 'i': {                                                                          // INST
        const auto module = reader_.line();
        unsafe(full_name({module, reader_.line()}));
      }
      case 0x82:                                                                           // EXT1
      case 0x83:                                                                           // EXT2
      case 0x84: unsafe("of extension code " + std::to_string(reader_.value<std::uint8_t>()));  // EXT4
      default: damaged("unknown opcode ", static_cast<int>(opcode));
    }
  }
  // clang-format on

  void protocol(int version) const {
    if (version < 2 || version > 5) damaged("protocol ", version, " (expected 2 to 5)");
  }

  ByteReader reader_;
  PickleGlobals& globals_;
  const std::string& where_;
  PickleTree tree_;
  std::vector<PickleValue*> stack_;
  std::vector<std::size_t> marks_;
  std::vector<PickleValue*> memo_;
  std::vector<PickleValue*> integers_;
  PickleValue *none_ = nullptr, *true_ = nullptr, *false_ = nullptr, *empty_tuple_ = nullptr;
  std::uint64_t allowed_;
};

/// Stands for every class by an empty object.
class AnyGlobals : public PickleGlobals {
 public:
  bool allows(std::string_view, std::string_view) const override { return true; }
  PickleValue* call(PickleTree& tree, const PickleValue& function, const PickleValue& arguments) override {
    const PickleGlobal& global = function.global();
    if (global.is("collections", "OrderedDict")) return tree.make_container(Kind::dict);
    // Type tags, and lists of one type: the argument itself.
    if (global.module == "torch.jit._pickle" && !arguments.items().empty()) return arguments.items()[0];
    return tree.make_container(Kind::object);
  }
  PickleValue* storage(PickleTree& tree, const PickleValue&) override {
    return tree.make_container(Kind::object);
  }
};

}  // namespace

PickleTree read_pickle(std::span<const std::uint8_t> bytes, PickleGlobals& globals,
                       const std::string& where) {
  try {
    return Machine(bytes, globals, where).run();
  } catch (const OutOfBytes&) {
    fail("CHECKPOINT_TRUNCATED", where, ": the pickle ends early. Copy or download the file again");
  }
}

void check_pickle(std::span<const std::uint8_t> bytes, const std::string& where) {
  AnyGlobals any;
  read_pickle(bytes, any, where);
}

std::string full_name(const PickleGlobal& global) {
  return printable(global.module, 100) + "." + printable(global.name, 100);
}

}  // namespace dinov3_seg
