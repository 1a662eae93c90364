#include "models/layout_match.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/job_control.h"
#include "core/page_allocator.h"
#include "models/detector_plan.h"
#include "models/key_patterns.h"
#include "models/segmentor_plan.h"

namespace dinov3_seg {
namespace {

/// The key of a join's part in block 0.
std::string in_first_block(std::string_view pattern) { return fill_pattern(pattern, {{"0"}, {}}); }

/// What the layout makes of a key: one of `renames`, or a part of one of `joins`.
struct KeyPlace {
  const KeyRename* rename = nullptr;
  const KeyJoin* join = nullptr;
  std::size_t part = 0;
  PatternMatch matched;
};

std::optional<KeyPlace> place_of(const KeyLayout& layout, std::string_view key) {
  for (const KeyRename& rename : layout.renames)
    if (auto found = match_pattern(rename.own, key)) return KeyPlace{&rename, nullptr, 0, std::move(*found)};
  for (const KeyJoin& join : layout.joins)
    for (std::size_t part = 0; part < join.own.size(); ++part)
      if (auto found = match_pattern(join.own[part], key))
        return KeyPlace{nullptr, &join, part, std::move(*found)};
  return {};
}

/// What goes before a backbone's keys: wrappers of training, and the places where our networks keep it.
constexpr std::array<std::string_view, 9> known_prefixes = {"module.",
                                                            "model.",
                                                            "backbone.",
                                                            "teacher.",
                                                            "student.",
                                                            "network.",
                                                            "network.encoder.backbone.",
                                                            backbone_prefix,
                                                            detector_backbone_prefix};

/// More than any training nests, and few enough for a file whose keys are made of prefixes.
constexpr std::size_t most_prefixes = 200;

/// Every prefix of the key that consists of known ones, the empty one included.
void add_prefixes(const std::string& key, std::size_t from, std::set<std::string>& prefixes) {
  if (prefixes.size() >= most_prefixes) return;
  prefixes.insert(key.substr(0, from));
  for (const std::string_view prefix : known_prefixes)
    if (std::string_view(key).substr(from).starts_with(prefix))
      add_prefixes(key, from + prefix.size(), prefixes);
}

/// Smaller is preferred.
int rank_of(const std::string& prefix) {
  if (prefix.find("student.") != std::string::npos) return 2;
  return prefix.find("teacher.") != std::string::npos ? 0 : 1;
}

LayoutMatch match_layout(const KeyLayout& layout, const std::string& prefix,
                         const std::vector<NamedTensor>& tensors) {
  LayoutMatch result;
  result.layout = &layout;
  result.prefix = prefix;
  std::set<std::string_view> found;
  check_cancelled();
  for (const auto& [name, tensor] : tensors) {
    if (!name.starts_with(prefix)) continue;
    const std::string_view key = std::string_view(name).substr(prefix.size());
    if (const auto place = place_of(layout, key)) {
      ++result.explained;
      found.insert(place->rename ? place->rename->own : place->join->own[place->part]);
    } else {
      result.unknown.emplace_back(key);
    }
  }
  for (const KeyRename& rename : layout.renames)
    if (!rename.optional && !found.contains(rename.own)) result.missing.emplace_back(rename.own);
  for (const KeyJoin& join : layout.joins)
    for (const std::string& part : join.own)
      if (!join.absent_is_zero && !found.contains(part)) result.missing.emplace_back(part);
  return result;
}

bool is_better(const LayoutMatch& a, const LayoutMatch& b) {
  if (a.explained != b.explained) return a.explained > b.explained;
  if (a.missing.size() != b.missing.size()) return a.missing.size() < b.missing.size();
  return rank_of(a.prefix) < rank_of(b.prefix);
}

/// The best of all layouts after one of the prefixes; no layout without prefixes.
LayoutMatch nearest_after(const std::set<std::string>& prefixes, const std::vector<NamedTensor>& tensors,
                          const std::vector<KeyLayout>& layouts) {
  LayoutMatch best;
  for (const std::string& prefix : prefixes) {
    for (const KeyLayout& layout : layouts) {
      LayoutMatch candidate = match_layout(layout, prefix, tensors);
      if (!best.layout || is_better(candidate, best)) best = std::move(candidate);
    }
  }
  return best;
}

/// Takes every occurrence out of a name, in one pass. @returns whether there was one
bool remove_all(std::string& name, std::string_view part) {
  std::size_t at = name.find(part);
  if (at == std::string::npos) return false;
  std::string rest = name.substr(0, at);
  while (at != std::string::npos) {
    const std::size_t begin = at + part.size();
    at = name.find(part, begin);
    rest.append(name, begin, at - begin);
  }
  name = std::move(rest);
  return true;
}

/// The parts of a join as one tensor. Vectors are small and made at once.
at::Tensor join_rows(std::vector<at::Tensor> parts, DeferredTensors& deferred) {
  const at::Tensor like =
      *std::find_if(parts.begin(), parts.end(), [](const auto& part) { return part.defined(); });
  for (at::Tensor& part : parts)
    if (!part.defined()) part = at::zeros_like(like);
  if (like.dim() < 2) return at::cat(parts);
  std::vector<at::Tensor> shapes;
  for (const at::Tensor& part : parts)
    shapes.push_back(at::empty(part.sizes(), part.options().device(at::kMeta)));
  const at::Tensor joined = at::cat(shapes);
  return deferred.add(joined, [parts = std::move(parts), joined] {
    at::Tensor values = empty_page_allocated(joined.sizes(), joined.scalar_type());
    return at::cat_out(values, parts);
  });
}

/// Whether the parts can be put one below the other.
bool fit_together(const std::vector<at::Tensor>& parts) {
  const at::Tensor* first = nullptr;
  for (const at::Tensor& part : parts) {
    if (!part.defined()) continue;
    if (!first) first = &part;
    if (part.dim() == 0 || part.numel() == 0 || part.sizes().slice(1) != first->sizes().slice(1))
      return false;
  }
  return true;
}

}  // namespace

bool knows(const KeyLayout& layout, std::string_view key) { return place_of(layout, key).has_value(); }

LayoutMatch nearest_layout(const std::vector<NamedTensor>& tensors, const std::vector<KeyLayout>& layouts) {
  std::set<std::string> prefixes;
  for (const auto& [name, tensor] : tensors) add_prefixes(name, 0, prefixes);
  return nearest_after(prefixes, tensors, layouts);
}

LayoutMatch nearest_layout_anywhere(const std::vector<NamedTensor>& tensors,
                                    const std::vector<KeyLayout>& layouts) {
  std::set<std::string> prefixes;
  for (const auto& [name, tensor] : tensors) {
    for (const char* block : {"blocks.0.", "layer.0."}) {
      const std::size_t at = name.find(block);
      const bool is_part = at != std::string::npos && (at == 0 || name[at - 1] == '.');
      if (is_part && prefixes.size() < most_prefixes) prefixes.insert(name.substr(0, at));
    }
  }
  return nearest_after(prefixes, tensors, layouts);
}

bool is_known_prefix(const std::string& prefix) {
  std::set<std::string> prefixes;
  add_prefixes(prefix, 0, prefixes);
  return prefixes.contains(prefix);
}

void remove_inner_wrappers(std::vector<NamedTensor>& tensors, std::vector<std::string>& notes) {
  for (const std::string wrapper : {"_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."}) {
    bool removed = false;
    for (auto& [name, tensor] : tensors) removed = remove_all(name, wrapper) || removed;
    if (removed) notes.push_back("removed '" + wrapper + "' from the keys");
  }
}

TranslatedTensors translate(const LayoutMatch& match, const std::vector<NamedTensor>& tensors,
                            DeferredTensors& deferred) {
  TranslatedTensors result;
  // Meta's keys of joins, in the order of their first part.
  std::vector<std::pair<std::string, std::vector<at::Tensor>>> joined;
  std::unordered_map<std::string, std::size_t> places;
  for (const auto& [name, tensor] : tensors) {
    if (!name.starts_with(match.prefix)) continue;
    const std::string key = name.substr(match.prefix.size());
    result.own.push_back({key, tensor});
    const auto place = place_of(*match.layout, key);
    if (!place) continue;
    if (const KeyRename* rename = place->rename) {
      const bool drop = rename->leading_one && tensor.dim() > 0 && tensor.size(0) == 1;
      result.tensors.push_back(
          {fill_pattern(rename->meta, place->matched), drop ? tensor.squeeze(0) : tensor});
      continue;
    }
    const std::string meta = fill_pattern(place->join->meta, place->matched);
    const auto [at, added] = places.emplace(meta, joined.size());
    if (added) joined.push_back({meta, std::vector<at::Tensor>(place->join->own.size())});
    joined[at->second].second[place->part] = tensor;
  }
  for (auto& [meta, parts] : joined)
    if (fit_together(parts)) result.tensors.push_back({meta, join_rows(std::move(parts), deferred)});
  return result;
}

std::vector<std::string> own_names(const KeyLayout& layout, const std::string& meta) {
  for (const KeyRename& rename : layout.renames)
    if (const auto found = match_pattern(rename.meta, meta)) return {fill_pattern(rename.own, *found)};
  for (const KeyJoin& join : layout.joins) {
    const auto found = match_pattern(join.meta, meta);
    if (!found) continue;
    std::vector<std::string> names;
    for (const std::string& part : join.own) names.push_back(fill_pattern(part, *found));
    return names;
  }
  return {meta};
}

std::vector<KeyShape> own_keys(const KeyLayout& layout, const std::vector<KeyShape>& expected,
                               const std::vector<NamedTensor>& own) {
  std::unordered_set<std::string> present;
  for (const auto& [name, tensor] : own) present.insert(name);
  std::vector<KeyShape> keys;
  for (const KeyShape& key : expected) {
    const auto rename =
        std::find_if(layout.renames.begin(), layout.renames.end(),
                     [&](const KeyRename& each) { return match_pattern(each.meta, key.name).has_value(); });
    const auto join = std::find_if(layout.joins.begin(), layout.joins.end(), [&](const KeyJoin& each) {
      return match_pattern(each.meta, key.name).has_value();
    });
    const std::vector<std::string> names = own_names(layout, key.name);
    if (rename != layout.renames.end()) {
      if (rename->optional && !present.contains(names[0])) continue;
      keys.push_back(key);
      keys.back().name = names[0];
      if (rename->leading_one) keys.back().shape.insert(keys.back().shape.begin(), 1);
    } else if (join != layout.joins.end()) {
      for (std::size_t part = 0; part < names.size(); ++part) {
        if (join->absent_is_zero && !present.contains(in_first_block(join->own[part]))) continue;
        keys.push_back(key);
        keys.back().name = names[part];
        keys.back().shape[0] /= static_cast<int64_t>(names.size());
      }
    } else if (present.contains(key.name)) {
      keys.push_back(key);
    }
  }
  return keys;
}

}  // namespace dinov3_seg
