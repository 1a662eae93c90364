#include "models/eomt_weights.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "core/page_allocator.h"
#include "models/eomt_plan.h"
#include "models/layout_match.h"

namespace dinov3_seg {
namespace {

/// Tensors of an EoMT file that only its training uses, or that hold what every DINOv3 network has.
bool is_unused(const std::string& name) {
  return name.starts_with("criterion.") || name.ends_with("encoder.pixel_mean") ||
         name.ends_with("encoder.pixel_std");
}

const std::string& upscale_pattern(const KeyLayout& layout) {
  return std::find_if(layout.renames.begin(), layout.renames.end(),
                      [](const KeyRename& each) { return each.meta.ends_with("upscale.N.conv1"); })
      ->own;
}

/// The layout of what a file has beside the backbone. No other network has upscale blocks of these names.
std::optional<LayoutMatch> match_head(const std::vector<NamedTensor>& tensors) {
  if (tensors.empty()) return {};
  LayoutMatch match = nearest_layout(tensors, eomt_head_layouts());
  const std::string& pattern = upscale_pattern(*match.layout);
  if (std::find(match.missing.begin(), match.missing.end(), pattern) != match.missing.end()) return {};
  return match;
}

bool is_of_authors(const LayoutMatch& match) { return match.layout == &eomt_head_layouts().back(); }

struct EomtParts {
  LayoutMatch match;
  std::vector<NamedTensor> head, head_own;  ///< under our names and under the file's
  std::vector<NamedTensor> backbone;
};

EomtParts split(const std::vector<NamedTensor>& tensors, const CheckpointSource& source,
                DeferredTensors& deferred) {
  EomtParts parts;
  parts.match = *match_head(tensors);
  if (!parts.match.missing.empty())
    fail("CHECKPOINT_KEYS", source.path, " lacks parts of an EoMT network.",
         key_list_text("Missing", parts.match.missing), "\nCopy or download the file again.");
  const std::string& prefix = parts.match.prefix;
  std::vector<NamedTensor> head;
  for (const NamedTensor& entry : tensors) {
    const std::string& name = entry.name;
    const bool of_head =
        name.starts_with(prefix) && knows(*parts.match.layout, std::string_view(name).substr(prefix.size()));
    if (of_head)
      head.push_back(entry);
    else if (!is_unused(name.starts_with(prefix) ? name.substr(prefix.size()) : name))
      parts.backbone.push_back(entry);
  }
  TranslatedTensors translated = translate(parts.match, head, deferred);
  parts.head = std::move(translated.tensors);
  parts.head_own = std::move(translated.own);
  return parts;
}

/// Compares the head with what belongs to the backbone, in the file's own names.
void check_head(const EomtParts& parts, const std::vector<NamedTensor>& backbone) {
  const EomtDims dims = read_eomt_dims(shapes_of(backbone), shapes_of(parts.head));
  check_keys("EoMT file", "EoMT network", own_keys(*parts.match.layout, eomt_head_keys(dims), parts.head_own),
             shapes_of(parts.head_own));
}

void add_origins(const EomtParts& parts, std::map<std::string, std::string>& origins) {
  for (const auto& [name, tensor] : parts.head)
    origins[name] = parts.match.prefix + own_names(*parts.match.layout, name)[0];
}

std::unordered_map<std::string, at::Tensor> table_of(const std::vector<NamedTensor>& tensors) {
  std::unordered_map<std::string, at::Tensor> table;
  for (const auto& [name, tensor] : tensors) table.emplace(name, tensor);
  return table;
}

/// Whether the tensor is nearer to the backbone's than to nothing, as whole weights after a training are.
bool is_whole(const at::Tensor& given, const at::Tensor& backbone) {
  const at::Tensor wide = given.to(at::kFloat);
  return ((wide - backbone.to(at::kFloat)).norm() < wide.norm()).item<bool>();
}

}  // namespace

std::optional<EomtFile> eomt_file(const std::vector<NamedTensor>& tensors) {
  const auto match = match_head(tensors);
  if (!match) return {};
  return is_of_authors(*match) ? EomtFile::differences : EomtFile::whole;
}

EomtWeights read_eomt(SourceTensors given, const CheckpointSource& source, DeferredTensors& deferred) {
  EomtParts parts = split(given.tensors, source, deferred);
  given.tensors = std::move(parts.backbone);
  EomtWeights result{backbone_among(std::move(given), source, deferred), {}};
  check_head(parts, result.backbone.tensors);
  add_origins(parts, result.backbone.origins);
  result.head = std::move(parts.head);
  return result;
}

EomtWeights add_differences(BackboneWeights backbone, SourceTensors given, const CheckpointSource& source,
                            DeferredTensors& deferred) {
  EomtParts parts = split(given.tensors, source, deferred);
  check_head(parts, backbone.tensors);
  const LayoutMatch match = nearest_layout(parts.backbone);
  const TranslatedTensors differences = translate(match, parts.backbone, deferred);
  const BackboneDims dims = read_backbone_dims(shapes_of(backbone.tensors));
  check_keys("EoMT file", "backbone like the one given",
             own_keys(*match.layout, backbone_keys(dims), differences.own), shapes_of(differences.own));
  const auto added = table_of(differences.tensors);
  const bool whole = is_whole(added.at("norm.weight"), table_of(backbone.tensors).at("norm.weight"));
  for (auto& [name, tensor] : backbone.tensors) {
    const auto found = added.find(name);
    if (found == added.end()) continue;
    if (whole) {
      tensor = found->second;
      continue;
    }
    const auto like = at::empty(tensor.sizes(), at::TensorOptions().dtype(at::kFloat).device(at::kMeta));
    tensor = deferred.add(like, [&deferred, base = tensor, difference = found->second] {
      at::Tensor sum = copy_page_allocated(deferred.values_of(base), at::kFloat);
      return sum.add_(deferred.values_of(difference));
    });
  }
  std::move(given.notes.begin(), given.notes.end(), std::back_inserter(backbone.notes));
  backbone.notes.push_back(whole ? "the backbone in " + source.path + " is whole: it is used as it is"
                                 : "added the differences in " + source.path + " to the backbone");
  add_origins(parts, backbone.origins);
  return {std::move(backbone), std::move(parts.head)};
}

}  // namespace dinov3_seg
