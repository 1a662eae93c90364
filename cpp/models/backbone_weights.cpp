#include "models/backbone_weights.h"

#include <c10/util/StringUtil.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/utf8.h"
#include "models/backbone_derivations.h"
#include "models/layout_match.h"
#include "models/other_networks.h"

namespace dinov3_seg {
namespace {

/// The first part of each key that is not under the prefix.
std::string parts_beside(const std::vector<NamedTensor>& tensors, const std::string& prefix) {
  std::set<std::string> parts;
  for (const auto& [name, tensor] : tensors)
    if (!name.starts_with(prefix)) parts.insert(printable(name.substr(0, name.find('.')), 60));
  constexpr std::size_t most = 20;
  if (parts.size() > most) {
    parts.erase(std::next(parts.begin(), most), parts.end());
    parts.insert("…");  // sorts behind ASCII
  }
  return parts.empty() ? "" : "'" + c10::Join("', '", parts) + "'";
}

void note_layout(const LayoutMatch& match, const std::vector<NamedTensor>& tensors,
                 std::vector<std::string>& notes) {
  if (match.layout->name != "Meta" || !match.prefix.empty())
    notes.push_back("the backbone's keys have the layout of " + match.layout->name +
                    (match.prefix.empty() ? "" : ", after '" + printable(match.prefix) + "'"));
  const std::string beside = parts_beside(tensors, match.prefix);
  if (!beside.empty()) notes.push_back("other keys of the file are not used: those under " + beside);
}

/// What else the file may be, as a sentence; empty if it is not known.
std::string guess(const std::vector<NamedTensor>& tensors) {
  const bool is_head = std::any_of(tensors.begin(), tensors.end(), [](const NamedTensor& entry) {
    return entry.name.starts_with("segmentation_model.") || entry.name.starts_with("transformer.level_embed");
  });
  if (is_head) return " These are keys of a head: give the file as --head, and a backbone as --backbone.";
  const LayoutMatch inside = nearest_layout_anywhere(tensors);
  if (!inside.layout || !inside.recognised()) return "";
  return " The keys after '" + printable(inside.prefix) + "' have the layout of " + inside.layout->name +
         ", but what stands before them is not known: if it is the backbone that you want, save it alone.";
}

[[noreturn]] void fail_unknown(const CheckpointSource& source, const std::vector<NamedTensor>& tensors,
                               const LayoutMatch& nearest) {
  if (!nearest.layout) fail("CHECKPOINT_KEYS", source.path, " contains no tensors. Give a backbone.");
  fail("CHECKPOINT_KEYS", source.path, " does not hold a DINOv3 backbone in a known layout.", guess(tensors),
       " The nearest layout is that of ", nearest.layout->name,
       nearest.prefix.empty() ? "" : " after '" + printable(nearest.prefix) + "'", ".",
       key_list_text("Missing", nearest.missing), key_list_text("Unexpected", nearest.unknown),
       "\nGive the state dict of a DINOv3 ViT; `inspect` lists the contents of a file.");
}

/// Whether the layout joins the biases of attention and the file has none for keys.
bool lacks_key_bias(const LayoutMatch& match, const TranslatedTensors& translated) {
  const auto names = own_names(*match.layout, "blocks.0.attn.qkv.bias");
  return names.size() == 3 && std::none_of(translated.own.begin(), translated.own.end(),
                                           [&](const NamedTensor& entry) { return entry.name == names[1]; });
}

/// Compares the file with the backbone that its own shapes describe, in the file's own names.
void check_own_keys(const LayoutMatch& match, const TranslatedTensors& translated) {
  const BackboneDims dims = read_backbone_dims(shapes_of(translated.tensors));
  check_keys("backbone", "backbone", own_keys(*match.layout, backbone_keys(dims), translated.own),
             shapes_of(translated.own));
}

/// None where the tensors are no backbone in a known layout.
std::optional<RecognisedBackbone> recognise_backbone(std::vector<NamedTensor> given,
                                                     const CheckpointSource& source) {
  std::vector<std::string> notes;
  remove_inner_wrappers(given, notes);
  const LayoutMatch match = nearest_layout(given);
  if (!match.layout || !match.recognised()) return {};
  DeferredTensors deferred;
  std::vector<NamedTensor> tensors = translate(match, given, deferred).tensors;
  try {
    refuse_other_networks(source.path, given);
    derive_rope_periods(source, tensors, notes);
    return RecognisedBackbone{match.layout->name, match.prefix, read_backbone_dims(shapes_of(tensors))};
  } catch (const Error&) {
    return {};  // another network, or one whose number of heads nothing tells
  }
}

}  // namespace

BackboneWeights read_backbone(const CheckpointSource& source, DeferredTensors& deferred) {
  return backbone_among(read_source(source), source, deferred);
}

BackboneWeights backbone_among(SourceTensors given, const CheckpointSource& source,
                               DeferredTensors& deferred) {
  BackboneWeights result;
  result.notes = std::move(given.notes);
  remove_inner_wrappers(given.tensors, result.notes);
  refuse_other_networks(source.path, given.tensors);
  const LayoutMatch match = nearest_layout(given.tensors);
  if (!match.recognised()) fail_unknown(source, given.tensors, match);
  note_layout(match, given.tensors, result.notes);
  TranslatedTensors translated = translate(match, given.tensors, deferred);
  derive_missing(source, lacks_key_bias(match, translated), translated.tensors, result.notes);
  check_own_keys(match, translated);
  result.tensors = std::move(translated.tensors);
  for (const auto& [name, tensor] : result.tensors) {
    std::string own = c10::Join(", ", own_names(*match.layout, name));
    if (own != name) result.origins.emplace(name, std::move(own));
  }
  return result;
}

InspectedSource inspect_source(const CheckpointSource& source) {
  SourceTensors given = read_source(source);
  InspectedSource result;
  result.backbone = recognise_backbone(given.tensors, source);
  Checkpoint whole{std::move(given.format), std::move(given.tensors), std::move(given.metadata), {}, {}};
  result.summary = summarise(std::move(whole), source.files.front());
  return result;
}

}  // namespace dinov3_seg
