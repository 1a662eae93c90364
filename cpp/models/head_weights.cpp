#include "models/head_weights.h"

#include <array>
#include <string>
#include <string_view>

#include "models/detector_plan.h"
#include "models/layout_match.h"
#include "models/segmentor_plan.h"

namespace dinov3_seg {
namespace {

/// A key of each kind of head.
constexpr std::array<std::string_view, 3> head_keys_to_find = {
    "segmentation_model.1.predictor.class_embed.weight", "segmentation_model.1.conv.weight",
    "transformer.level_embed"};

/// What stands before a head's keys.
std::string head_prefix(const std::vector<NamedTensor>& tensors) {
  for (const auto& [name, tensor] : tensors)
    for (const std::string_view key : head_keys_to_find)
      if (name.ends_with(key) && is_known_prefix(name.substr(0, name.size() - key.size())))
        return name.substr(0, name.size() - key.size());
  return "";
}

}  // namespace

SourceTensors read_head(const CheckpointSource& source) {
  SourceTensors head = read_source(source);
  remove_inner_wrappers(head.tensors, head.notes);
  const std::string prefix = head_prefix(head.tensors);
  if (!prefix.empty()) head.notes.push_back("the head's keys begin after '" + prefix + "'");
  std::vector<NamedTensor> own;
  for (auto& [name, tensor] : head.tensors) {
    if (!name.starts_with(prefix)) continue;
    std::string key = name.substr(prefix.size());
    if (!key.starts_with(backbone_prefix) && !key.starts_with(detector_backbone_prefix))
      own.push_back({std::move(key), tensor});
  }
  if (own.size() < head.tensors.size())
    head.notes.push_back("the head is taken out of a file with other weights, which are not used");
  head.tensors = std::move(own);
  return head;
}

}  // namespace dinov3_seg
