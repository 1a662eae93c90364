// Finds the layout of a file's keys, and brings its tensors under Meta's names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/named_tensor.h"
#include "models/deferred_tensors.h"
#include "models/key_layouts.h"
#include "models/key_shapes.h"

namespace dinov3_seg {

/// A layout and the prefix of its keys in a file ("teacher.backbone.").
struct LayoutMatch {
  const KeyLayout* layout = nullptr;
  std::string prefix;
  std::size_t explained = 0;         ///< keys of the file that the layout knows under this prefix
  std::vector<std::string> missing;  ///< patterns of the layout without any key, optional ones aside
  std::vector<std::string> unknown;  ///< keys under the prefix that the layout does not know
  bool recognised() const { return explained > 0 && missing.empty(); }
};

/// Whether the layout knows a key, without the prefix.
bool knows(const KeyLayout& layout, std::string_view key);

/// The layout and prefix that explain the most keys. A prefix is made of what training leaves (`module.`,
/// `model.`, `backbone.`, `teacher.`, `student.`) and of where our networks keep their backbone. Among
/// prefixes that explain as many, a student's comes last and a teacher's first.
LayoutMatch nearest_layout(const std::vector<NamedTensor>& tensors,
                           const std::vector<KeyLayout>& layouts = key_layouts());

/// The same with whatever stands before a first block: a backbone inside something unknown.
LayoutMatch nearest_layout_anywhere(const std::vector<NamedTensor>& tensors,
                                    const std::vector<KeyLayout>& layouts = key_layouts());

/// Whether it is empty or made of known prefixes.
bool is_known_prefix(const std::string& prefix);

/// Removes the parts of names that wrappers put between others (`_orig_mod.` of torch.compile and those of
/// FSDP and activation checkpointing), and notes it.
void remove_inner_wrappers(std::vector<NamedTensor>& tensors, std::vector<std::string>& notes);

/// Tensors under Meta's names.
struct TranslatedTensors {
  std::vector<NamedTensor> tensors;
  std::vector<NamedTensor> own;  ///< the same tensors under the file's names, without the prefix
};

/// Renames and joins the tensors under the match's prefix; drops the others. Joined matrices are placeholders
/// of `deferred`. Nothing is checked: compare with `own_keys` afterwards.
TranslatedTensors translate(const LayoutMatch& match, const std::vector<NamedTensor>& tensors,
                            DeferredTensors& deferred);

/// The keys of a file in this layout, for those of Meta's: what `expected` is called there. Keys of
/// `expected` that are marked optional in the layout and absent from `own` are left out.
std::vector<KeyShape> own_keys(const KeyLayout& layout, const std::vector<KeyShape>& expected,
                               const std::vector<NamedTensor>& own);

/// The names in the file of one of Meta's keys; itself where the layout does not know it.
std::vector<std::string> own_names(const KeyLayout& layout, const std::string& meta);

}  // namespace dinov3_seg
