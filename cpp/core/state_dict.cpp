#include "state_dict.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "error.h"
#include "utf8.h"

namespace dinov3_seg {
namespace {

using Kind = PickleValue::Kind;
using Members = std::vector<std::pair<std::string, const PickleValue*>>;

constexpr std::array<std::string_view, 5> known_wrappers = {"model", "state_dict", "model_state_dict",
                                                            "teacher", "student"};
constexpr int max_depth = 100;

std::string number_text(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

/// A scalar as text, nothing for containers and tensors of several elements.
std::optional<std::string> scalar_text(const PickleValue& value) {
  switch (value.kind) {
    case Kind::boolean:
      return value.integer != 0 ? "true" : "false";
    case Kind::integer:
      return std::to_string(value.integer);
    case Kind::real:
      return number_text(value.real);
    case Kind::text:
      return value.text;
    case Kind::tensor: {
      if (value.tensor.numel() != 1) return std::nullopt;
      const bool whole = at::isIntegralType(value.tensor.scalar_type(), /*includeBool=*/true);
      return whole ? std::to_string(value.tensor.item<std::int64_t>())
                   : number_text(value.tensor.item<double>());
    }
    default:
      return std::nullopt;
  }
}

/// Walks containers. Every one of them is entered once: in cycles, and where one is used many times over, a
/// small pickle would otherwise stand for any number of tensors.
class Walker {
 public:
  Walker(const PickleTree& pickle, const std::string& where)
      : where_(where), visits_left_(pickle.values.size()) {}

  [[noreturn]] void fail_format(const std::string& what) const { fail("CHECKPOINT_FORMAT", where_, what); }

  /// The members of a dict with its last value for each key; of a list or tuple by index; of a module by
  /// attribute; empty for anything else.
  Members members(const PickleValue& container) {
    Members result;
    const PickleValue* value = &container;
    if (value->is(Kind::object) && !value->items.empty()) value = value->items[0];
    if (value->is(Kind::list) || value->is(Kind::tuple)) {
      spend(value->items.size());
      for (std::size_t i = 0; i < value->items.size(); ++i) {
        result.emplace_back(std::to_string(i), value->items[i]);
      }
    } else if (value->is(Kind::dict)) {
      spend(value->items.size() / 2);
      std::unordered_map<std::string, std::size_t> places;
      for (std::size_t i = 0; i + 1 < value->items.size(); i += 2) {
        const PickleValue& key = *value->items[i];
        if (!key.is(Kind::text) && !key.is(Kind::integer)) continue;  // no name a tensor could have
        const std::string name = key.is(Kind::text) ? key.text : std::to_string(key.integer);
        const auto [place, added] = places.emplace(name, result.size());
        if (added) {
          result.emplace_back(name, value->items[i + 1]);
        } else {
          result[place->second].second = value->items[i + 1];
        }
      }
    }
    return result;
  }

  void collect(const PickleValue& container, const std::string& prefix, bool nested, int depth,
               std::vector<NamedTensor>& tensors) {
    if (depth > max_depth) fail_format(": containers are nested more than 100 deep");
    for (const auto& [name, value] : members(container)) {
      if (value->is(Kind::tensor)) {
        tensors.push_back({prefix + name, value->tensor});
      } else if (nested) {
        collect(*value, prefix + name + ".", true, depth + 1, tensors);
      }
    }
  }

  bool holds_tensors(const PickleValue& container, int depth = 0) {
    if (depth > max_depth) fail_format(": containers are nested more than 100 deep");
    for (const auto& [name, value] : members(container)) {
      if (value->is(Kind::tensor) || holds_tensors(*value, depth + 1)) return true;
    }
    return false;
  }

 private:
  void spend(std::size_t visits) {
    if (visits > visits_left_) fail_format(": containers refer to themselves or to each other");
    visits_left_ -= visits;
  }

  const std::string& where_;
  std::size_t visits_left_;
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
    if (value->is(Kind::tensor) && value->tensor.numel() >= elements) return true;
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
std::vector<std::string> wrappers_in(const Members& members, const PickleTree& pickle,
                                     const std::string& where) {
  Walker search(pickle, where);
  std::vector<std::string> found;
  for (const auto name : known_wrappers) {
    const PickleValue* value = find(members, name);
    if (value != nullptr && value->is(Kind::dict) && search.holds_tensors(*value)) found.emplace_back(name);
  }
  const auto student = std::find(found.begin(), found.end(), "student");
  if (student != found.end() && std::find(found.begin(), found.end(), "teacher") != found.end())
    found.erase(student);
  return found;
}

[[noreturn]] void fail_without_state_dict(const PickleTree& pickle, const Members& members,
                                          const std::string& where) {
  Walker walker(pickle, where);
  Members candidates;
  for (const auto& member : members)
    if (member.second->is(Kind::dict) && walker.holds_tensors(*member.second)) candidates.push_back(member);
  if (candidates.empty())
    walker.fail_format(" contains no tensors (its keys: " + names(members) + "); expected a state dict");
  walker.fail_format(
      ": no state dict at the top level or under 'model', 'state_dict', 'model_state_dict', 'teacher' or "
      "'student'. Tensors are under " +
      names(candidates) + "; save the intended one in a file of its own");
}

/// The state dict within a dict, and the keys that lead to it.
struct Chosen {
  const PickleValue* dict;
  std::string path;
};

Chosen choose_state_dict(const PickleTree& pickle, const PickleValue& dict, const std::string& path,
                         const std::string& where, int depth = 0) {
  Walker walker(pickle, where);
  const Members members = walker.members(dict);
  if (has_direct_tensors(members, 2)) return {&dict, path};
  if (depth > max_depth) walker.fail_format(": containers are nested more than 100 deep");
  const auto found = wrappers_in(members, pickle, where);
  if (found.size() > 1) {
    walker.fail_format(": both '" + found[0] + "' and '" + found[1] +
                       "' contain tensors; save the intended one in a file of its own");
  }
  if (found.size() == 1)
    return choose_state_dict(pickle, *find(members, found[0]), path + (path.empty() ? "" : ".") + found[0],
                             where, depth + 1);
  if (!has_direct_tensors(members)) fail_without_state_dict(pickle, members, where);
  return {&dict, path};
}

/// Keys of the top-level dict with tensors below them, the one that was chosen aside.
std::vector<std::string> ignored_beside(const PickleTree& pickle, const Members& top, const std::string& path,
                                        const std::string& where) {
  std::vector<std::string> ignored;
  if (path.empty()) return ignored;
  Walker search(pickle, where);
  for (const auto& [name, value] : top)
    if (name != path.substr(0, path.find('.')) && !value->is(Kind::tensor) && search.holds_tensors(*value))
      ignored.push_back(printable(name, 60));
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
  const auto [chosen, path] = choose_state_dict(pickle, *pickle.root, "", where);

  StateDict result;
  result.container = path;
  result.ignored = ignored_beside(pickle, top, path, where);
  Walker(pickle, where).collect(*chosen, "", false, 0, result.tensors);
  Walker nested(pickle, where);
  for (const auto& [name, value] : chosen == pickle.root ? top : Walker(pickle, where).members(*chosen)) {
    if (!value->is(Kind::tensor) && nested.holds_tensors(*value)) {
      walker.fail_format(": '" + printable(name) +
                         "' is a container of tensors next to tensors; expected one flat state dict");
    }
  }
  for (const auto& [name, value] : top) {
    if (chosen == pickle.root && value->is(Kind::tensor)) continue;
    if (auto text = scalar_text(*value)) result.metadata.emplace(name, std::move(*text));
  }
  return result;
}

StateDict find_module_tensors(const PickleTree& pickle, const std::string& where) {
  Walker walker(pickle, where);
  if (!pickle.root->is(Kind::object))
    walker.fail_format(" is a TorchScript archive that does not contain a module");
  StateDict result;
  walker.collect(*pickle.root, "", true, 0, result.tensors);
  return result;
}

}  // namespace dinov3_seg
