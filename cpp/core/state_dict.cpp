#include "state_dict.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <deque>
#include <numeric>
#include <optional>
#include <string_view>
#include <utility>

#include "byte_reader.h"
#include "error.h"
#include "job_control.h"
#include "pickle_reader.h"
#include "utf8.h"

namespace dinov3_seg {
namespace {

using Kind = PickleValue::Kind;
using Below = PickleValue::Below;

struct Member {
  std::string_view name;
  const PickleValue* value;
};
using Members = std::vector<Member>;

constexpr std::array<std::string_view, 5> known_wrappers = {"model", "state_dict", "model_state_dict",
                                                            "teacher", "student"};
constexpr int max_depth = 100;
constexpr std::size_t max_ignored = 20;
// Of a tensor's or metadata's entry in the lists that are made of a checkpoint, in JavaScript too, about.
constexpr std::uint64_t entry_bytes = 600;
constexpr std::uint64_t entry_text_bytes = 6;  // for each byte of its name and value
constexpr std::uint64_t entry_dimension_bytes = 40;

std::string number_text(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

/// A scalar as text, nothing for containers and tensors of several elements.
std::optional<std::string> scalar_text(const PickleValue& value) {
  switch (value.kind) {
    case Kind::boolean:
      return value.integer() != 0 ? "true" : "false";
    case Kind::integer:
      return std::to_string(value.integer());
    case Kind::real:
      return number_text(value.real());
    case Kind::text:
      return std::string(value.text());
    case Kind::tensor: {
      const at::Tensor& tensor = value.tensor();
      if (tensor.numel() != 1) return std::nullopt;
      const bool whole = at::isIntegralType(tensor.scalar_type(), /*includeBool=*/true);
      return whole ? std::to_string(tensor.item<std::int64_t>()) : number_text(tensor.item<double>());
    }
    default:
      return std::nullopt;
  }
}

/// Walks containers, and counts what it makes of them: where one value is used many times over, a small
/// pickle would otherwise stand for any number of tensors, and for names of any length.
class Walker {
 public:
  Walker(const PickleTree& pickle, const std::string& where)
      : where_(where),
        pickle_bytes_(pickle.source.size()),
        visits_left_(8 * pickle.items),
        name_bytes_left_(memory_allowed_for(pickle.source.size())),
        entry_bytes_left_(name_bytes_left_) {}

  [[noreturn]] void fail_format(const std::string& what) const { fail("CHECKPOINT_FORMAT", where_, what); }

  /// The members of a dict with its last value for each key; of a list or tuple by index; of a module by
  /// attribute; empty for anything else. Their names live as long as the walker and the pickle.
  Members members(const PickleValue& container) {
    Members result;
    const PickleItems* items = items_of(container);
    if (items == nullptr) return result;
    if (is_dict(container)) {
      result.reserve(items->size() / 2);
      for (std::size_t i = 0; i + 1 < items->size(); i += 2) {
        const PickleValue& key = *(*items)[i];
        // Nothing else is a name that a tensor could have.
        if (key.is(Kind::text)) result.push_back({counted(key.text()), (*items)[i + 1]});
        if (key.is(Kind::integer)) result.push_back({counted(number_name(key.integer())), (*items)[i + 1]});
      }
      keep_last_values(result);
    } else {
      result.reserve(items->size());
      for (std::size_t i = 0; i < items->size(); ++i)
        result.push_back({counted(number_name(static_cast<std::int64_t>(i))), (*items)[i]});
    }
    return result;
  }

  /// Whether there are tensors below a container.
  bool holds_tensors(const PickleValue& container, int depth = 0) {
    const PickleItems* items = items_of(container);
    if (items == nullptr) return false;
    if (container.below == Below::in_search) fail_cycle();
    if (container.below == Below::unknown) {
      check_depth(depth);
      container.below = Below::in_search;
      const std::size_t step = is_dict(container) ? 2 : 1;
      bool found = false;
      for (std::size_t i = step - 1; i < items->size() && !found; i += step) {
        tick();
        found = (*items)[i]->is(Kind::tensor) || holds_tensors(*(*items)[i], depth + 1);
      }
      container.below = found ? Below::tensors : Below::nothing;
    }
    return container.below == Below::tensors;
  }

  /// Adds the tensors below a container, under their joined names.
  void collect(const PickleValue& container, int depth, std::vector<NamedTensor>& tensors) {
    check_depth(depth);
    for (const auto& [name, value] : members(container)) {
      if (visits_left_-- == 0) fail_cycle();
      const std::size_t outer = prefix_.size();
      if (value->is(Kind::tensor)) {
        add(prefix_, name, value->tensor(), tensors);
      } else if (items_of(*value) != nullptr) {
        // Far longer keys than any, and copied for each tensor: only names taken several times make them.
        if (outer + name.size() > pickle_bytes_ + 4096) fail_long_keys();
        prefix_.append(name).append(".");
        collect(*value, depth + 1, tensors);
        prefix_.resize(outer);
      }
    }
  }

  void add(std::string_view prefix, std::string_view name, const at::Tensor& tensor,
           std::vector<NamedTensor>& tensors) {
    spend_entry(prefix.size() + name.size(), static_cast<std::size_t>(tensor.dim()));
    tensors.push_back({std::string(prefix).append(name), tensor});
  }

  /// Counts an entry of the lists that are made of the checkpoint.
  void spend_entry(std::size_t text_bytes, std::size_t dimensions = 0) {
    const std::uint64_t bytes =
        entry_bytes + entry_text_bytes * text_bytes + entry_dimension_bytes * dimensions;
    if (bytes > entry_bytes_left_) {
      fail_format(": the list of its tensors and metadata takes far more memory than its " +
                  std::to_string(pickle_bytes_) +
                  " bytes of pickle: the same names, values or tensors occur over and over");
    }
    entry_bytes_left_ -= bytes;
  }

  void check_depth(int depth) const {
    if (depth > max_depth) fail_format(": containers are nested more than 100 deep");
  }

 private:
  [[noreturn]] void fail_long_keys() const {
    fail_format(": its keys are far longer in all than its " + std::to_string(pickle_bytes_) +
                " bytes of pickle: the same long key occurs over and over");
  }
  [[noreturn]] void fail_cycle() const { fail_format(": containers refer to themselves or to each other"); }

  static const PickleValue& attributes_of(const PickleValue& value) {
    return value.is(Kind::object) && !value.items().empty() ? *value.items()[0] : value;
  }
  static bool is_dict(const PickleValue& container) { return attributes_of(container).is(Kind::dict); }
  /// The items of a container or of a module's attributes; null for anything else.
  static const PickleItems* items_of(const PickleValue& container) {
    const PickleValue& value = attributes_of(container);
    const bool has_items = value.is(Kind::list) || value.is(Kind::tuple) || value.is(Kind::dict);
    return has_items ? &value.items() : nullptr;
  }

  std::string_view number_name(std::int64_t number) {
    auto& text = numbers_.emplace_back();
    const char* end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
    return {text.data(), static_cast<std::size_t>(end - text.data())};
  }

  /// Names are compared and copied: a long one that is taken often would cost any time.
  std::string_view counted(std::string_view name) {
    tick();
    if (name.size() > name_bytes_left_) fail_long_keys();
    name_bytes_left_ -= name.size();
    return name;
  }

  /// Leaves the last value of each name, in the place of the first.
  static void keep_last_values(Members& members) {
    std::vector<std::uint32_t> order(members.size());
    std::iota(order.begin(), order.end(), std::uint32_t{0});
    std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      const int names = members[a].name.compare(members[b].name);
      return names != 0 ? names < 0 : a < b;
    });
    bool has_repeats = false;
    for (std::size_t i = 0, first = 0; i < order.size(); ++i) {
      if (members[order[i]].name != members[order[first]].name) first = i;
      if (i == first) continue;
      members[order[first]].value = std::exchange(members[order[i]].value, nullptr);
      has_repeats = true;
    }
    if (has_repeats) std::erase_if(members, [](const Member& member) { return member.value == nullptr; });
  }

  void tick() {
    if (++ticks_ % 4096 == 0) check_cancelled();
  }

  const std::string& where_;
  std::uint64_t pickle_bytes_;
  std::uint64_t visits_left_, name_bytes_left_, entry_bytes_left_;
  std::uint64_t ticks_ = 0;
  std::string prefix_;
  std::deque<std::array<char, 20>> numbers_;  // 64 bits have no more digits
};

const PickleValue* find(const Members& members, std::string_view name) {
  for (const auto& [key, value] : members) {
    if (key == name) return value;
  }
  return nullptr;
}

/// Whether there is a tensor of at least `elements` elements among them.
bool has_direct_tensors(const Members& members, std::int64_t elements = 0) {
  for (const auto& [key, value] : members) {
    if (value->is(Kind::tensor) && value->tensor().numel() >= elements) return true;
  }
  return false;
}

std::string names(const Members& members) {
  std::string result;
  for (const auto& [key, value] : members) {
    if (result.size() > 400) return result + ", …";
    result += (result.empty() ? "'" : ", '") + printable(key, 60) + "'";
  }
  return result.empty() ? "nothing" : result;
}

/// The keys of dicts with tensors among those that wrap a state dict.
std::vector<std::string> wrappers_in(const Members& members, Walker& walker) {
  std::vector<std::string> found;
  for (const auto name : known_wrappers) {
    const PickleValue* value = find(members, name);
    if (value != nullptr && value->is(Kind::dict) && walker.holds_tensors(*value)) found.emplace_back(name);
  }
  const auto student = std::find(found.begin(), found.end(), "student");
  if (student != found.end() && std::find(found.begin(), found.end(), "teacher") != found.end())
    found.erase(student);
  return found;
}

[[noreturn]] void fail_without_state_dict(const Members& members, Walker& walker) {
  Members candidates;
  for (const auto& member : members)
    if (member.value->is(Kind::dict) && walker.holds_tensors(*member.value)) candidates.push_back(member);
  if (candidates.empty())
    walker.fail_format(" contains no tensors (its keys: " + names(members) + "); expected a state dict");
  walker.fail_format(
      ": no state dict at the top level or under 'model', 'state_dict', 'model_state_dict', 'teacher' or "
      "'student'. Tensors are under " +
      names(candidates) + "; save the intended one in a file of its own");
}

/// The state dict within a dict, and the keys that lead to it.
struct Chosen {
  std::optional<Members> inner;  ///< none: the dict itself
  std::string path;
};

Chosen choose_state_dict(const Members& top, Walker& walker) {
  Chosen chosen;
  for (int depth = 0;; ++depth) {
    const Members& members = chosen.inner ? *chosen.inner : top;
    if (has_direct_tensors(members, 2)) return chosen;
    walker.check_depth(depth);
    const auto found = wrappers_in(members, walker);
    if (found.size() > 1) {
      walker.fail_format(": both '" + found[0] + "' and '" + found[1] +
                         "' contain tensors; save the intended one in a file of its own");
    }
    if (found.empty()) {
      if (!has_direct_tensors(members)) fail_without_state_dict(members, walker);
      return chosen;
    }
    chosen.path += (chosen.path.empty() ? "" : ".") + found[0];
    chosen.inner = walker.members(*find(members, found[0]));
  }
}

/// Keys of the top-level dict with tensors below them, the one that was chosen aside.
std::vector<std::string> ignored_beside(const Members& top, const std::string& path, Walker& walker) {
  std::vector<std::string> ignored;
  if (path.empty()) return ignored;
  for (const auto& [name, value] : top) {
    if (name == path.substr(0, path.find('.')) || !walker.holds_tensors(*value)) continue;
    if (ignored.size() == max_ignored) {
      ignored.emplace_back("…");
      break;
    }
    ignored.push_back(printable(name, 60));
  }
  return ignored;
}

}  // namespace

StateDict find_state_dict(const PickleTree& pickle, const std::string& where) {
  Walker walker(pickle, where);
  if (!pickle.root->is(Kind::dict)) {
    walker.fail_format(
        " contains no dict; expected a state dict written by torch.save(model.state_dict(), path)");
  }
  const Members top = walker.members(*pickle.root);
  const auto [inner, path] = choose_state_dict(top, walker);

  StateDict result;
  result.container = path;
  result.ignored = ignored_beside(top, path, walker);
  for (const auto& [name, value] : inner ? *inner : top) {
    if (value->is(Kind::tensor)) {
      walker.add("", name, value->tensor(), result.tensors);
    } else if (walker.holds_tensors(*value)) {
      walker.fail_format(": '" + printable(name) +
                         "' is a container of tensors next to tensors; expected one flat state dict");
    }
  }
  for (const auto& [name, value] : top) {
    if (path.empty() && value->is(Kind::tensor)) continue;
    if (value->is(Kind::text)) walker.spend_entry(name.size() + value->text().size());
    auto text = scalar_text(*value);
    if (!text) continue;
    if (!value->is(Kind::text)) walker.spend_entry(name.size());
    if (result.metadata.size() == max_metadata)
      walker.fail_format(" has more than " + std::to_string(max_metadata) +
                         " numbers and strings beside its tensors");
    result.metadata.emplace(name, std::move(*text));
  }
  return result;
}

StateDict find_module_tensors(const PickleTree& pickle, const std::string& where) {
  Walker walker(pickle, where);
  if (!pickle.root->is(Kind::object))
    walker.fail_format(" is a TorchScript archive that does not contain a module");
  StateDict result;
  walker.collect(*pickle.root, 0, result.tensors);
  return result;
}

}  // namespace dinov3_seg
