#include "pickle_reader.h"

#include <algorithm>
#include <bit>
#include <unordered_map>
#include <utility>

#include "byte_reader.h"
#include "error.h"
#include "utf8.h"

namespace dinov3_seg {
namespace {

using Kind = PickleValue::Kind;

constexpr std::uint64_t max_pickle_bytes = 64 << 20;
constexpr std::size_t max_values = 4'000'000;

class Machine {
 public:
  Machine(std::span<const std::uint8_t> bytes, PickleGlobals& globals, const std::string& where)
      : reader_(bytes), globals_(globals), where_(where) {}

  PickleTree run() {
    if (reader_.left() > max_pickle_bytes) {
      damaged("it is larger than ", max_pickle_bytes >> 20, " MiB, far more than a table of tensors takes");
    }
    while (true) {
      const auto opcode = reader_.value<std::uint8_t>();
      if (opcode == '.') break;
      step(opcode);
      if (tree_.values.size() > max_values) damaged("it holds more than ", max_values, " values");
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

  [[noreturn]] void unsafe(const std::string& name) const {
    fail("CHECKPOINT_UNSAFE", where_, " refers to the Python object ", printable(name),
         ", which is neither a tensor nor a container. No code of the file was executed. If you trust it, "
         "load it in "
         "Python and save only the state dict: torch.save(model.state_dict(), path)");
  }

  void push(PickleValue* value) { stack_.push_back(value); }
  PickleValue* push(Kind kind) {
    push(tree_.make(kind));
    return stack_.back();
  }
  void push_integer(std::int64_t integer) { push(Kind::integer)->integer = integer; }
  void push_text(Kind kind, std::uint64_t size) {
    const auto text = reader_.text(size);
    if (kind == Kind::text && !is_utf8(text)) damaged("a string is not UTF-8");
    push(kind)->text = text;
  }

  /// Values below the last mark are out of reach, as in Python's own machine.
  std::size_t available() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }
  PickleValue* top() const {
    if (available() == 0) damaged("the stack is empty");
    return stack_.back();
  }
  PickleValue* pop() {
    PickleValue* value = top();
    stack_.pop_back();
    return value;
  }
  /// The values since the last mark, which is taken away.
  std::vector<PickleValue*> pop_to_mark() {
    if (marks_.empty()) damaged("a mark is missing");
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    marks_.pop_back();
    std::vector<PickleValue*> values(first, stack_.end());
    stack_.erase(first, stack_.end());
    return values;
  }
  std::vector<PickleValue*> pop_count(std::size_t count) {
    if (available() < count) damaged("the stack is empty");
    std::vector<PickleValue*> values(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return values;
  }

  /// Moves `values` to the end of the container on top of the stack.
  void extend(Kind kind, const std::vector<PickleValue*>& values) {
    PickleValue* container = top();
    if (!container->is(kind)) damaged("values are added to an object that is not a container of their kind");
    if (kind == Kind::dict && values.size() % 2 != 0) damaged("a dict has a key without a value");
    container->items.insert(container->items.end(), values.begin(), values.end());
  }

  void memoize(std::uint64_t index) { memo_[index] = top(); }
  void recall(std::uint64_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) damaged("it refers to a value that was not stored");
    push(found->second);
  }

  void push_long(std::uint64_t size) {
    const auto bytes = reader_.take(size);
    if (size > 8) {  // too large for any use here, but seeds and counters of 64 bits unsigned occur
      PickleValue* value = push(Kind::text);
      for (const std::uint8_t byte : bytes) {
        value->text.insert(value->text.end(), {"0123456789abcdef"[byte & 15], "0123456789abcdef"[byte >> 4]});
      }
      value->text += "x0";
      std::reverse(value->text.begin(), value->text.end());
      return;
    }
    std::uint64_t bits = size > 0 && (bytes[size - 1] & 0x80) != 0 ? ~std::uint64_t{0} : 0;
    for (std::uint64_t i = size; i-- > 0;) bits = bits << 8 | bytes[i];
    push_integer(static_cast<std::int64_t>(bits));
  }

  void push_real() {
    push(Kind::real)->real = std::bit_cast<double>(__builtin_bswap64(reader_.value<std::uint64_t>()));
  }

  void push_global(std::string_view module, std::string_view name) {
    std::string full = std::string(module) + "." + std::string(name);
    if (!globals_.allows(module, name)) unsafe(full);
    push(Kind::global)->text = std::move(full);
  }

  void stack_global() {
    const PickleValue* name = pop();
    const PickleValue* module = pop();
    if (!name->is(Kind::text) || !module->is(Kind::text)) damaged("the name of an object is not a string");
    push_global(module->text, name->text);
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
      target->items.assign(1, state);
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
      case '0': return available() == 0 ? static_cast<void>(pop_to_mark()) : stack_.pop_back();  // POP
      case '1': return static_cast<void>(pop_to_mark());                                   // POP_MARK
      case '2': return push(top());                                                        // DUP
      case 'N': return static_cast<void>(push(Kind::none));                                // NONE
      case 0x88: push(Kind::boolean)->integer = 1; return;                                 // NEWTRUE
      case 0x89: push(Kind::boolean)->integer = 0; return;                                 // NEWFALSE
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
      case ')': return static_cast<void>(push(Kind::tuple));                               // EMPTY_TUPLE
      case 't': return push_items(Kind::tuple, pop_to_mark());                             // TUPLE
      case 0x85:                                                                           // TUPLE1
      case 0x86:                                                                           // TUPLE2
      case 0x87: return push_items(Kind::tuple, pop_count(opcode - 0x84u));                // TUPLE3
      case ']': return static_cast<void>(push(Kind::list));                                // EMPTY_LIST
      case 'l':                                                                            // LIST
      case 0x91: return push_items(Kind::list, pop_to_mark());                             // FROZENSET
      case 'a': return extend(Kind::list, pop_count(1));                                   // APPEND
      case 'e': return extend(Kind::list, pop_to_mark());                                  // APPENDS
      case 0x8f: return static_cast<void>(push(Kind::list));                               // EMPTY_SET
      case 0x90: return extend(Kind::list, pop_to_mark());                                 // ADDITEMS
      case '}': return static_cast<void>(push(Kind::dict));                                // EMPTY_DICT
      case 'd': {                                                                          // DICT
        const auto items = pop_to_mark();
        push(Kind::dict);
        return extend(Kind::dict, items);
      }
      case 's': return extend(Kind::dict, pop_count(2));                                   // SETITEM
      case 'u': return extend(Kind::dict, pop_to_mark());                                  // SETITEMS
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
        unsafe(std::string(module) + "." + std::string(reader_.line()));
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

  void push_items(Kind kind, std::vector<PickleValue*> items) { push(kind)->items = std::move(items); }

  ByteReader reader_;
  PickleGlobals& globals_;
  const std::string& where_;
  PickleTree tree_;
  std::vector<PickleValue*> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, PickleValue*> memo_;
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

}  // namespace dinov3_seg
