// The names under which publishers save a DINOv3 backbone, as one table.
//
// An entry of key_layouts() is one layout:
//   name      as notes and errors call it
//   renames   pairs of patterns, the file's name and Meta's. A pattern's parts between dots are literal, or N
//             for a number; what follows a match (".weight") is kept. `optional`: a file may lack it
//   joins     several of the file's tensors that are one of Meta's, their rows one after the other. A part
//             that is absent in block 0 is zero where `absent_is_zero`, otherwise it is missing
// What no publisher's file needs to hold is derived for all layouts alike (backbone_weights.h).
//
// To add a layout: an entry here; a key list of it in test/fixtures/layouts; a line in docs/networks.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/named_tensor.h"
#include "models/deferred_tensors.h"
#include "models/key_shapes.h"

namespace dinov3_seg {

struct KeyRename {
  std::string_view own, meta;
  bool optional = false;
  bool leading_one = false;  ///< the file's tensor has one more dimension, of size 1, before Meta's
};

struct KeyJoin {
  std::vector<std::string_view> own;  ///< top to bottom; empty: never in the file
  std::string_view meta;
  bool absent_is_zero = false;
};

struct KeyLayout {
  std::string_view name;
  std::vector<KeyRename> renames;
  std::vector<KeyJoin> joins;
};

const std::vector<KeyLayout>& key_layouts();

/// A layout and the prefix of its keys in a file ("teacher.backbone.").
struct LayoutMatch {
  const KeyLayout* layout = nullptr;
  std::string prefix;
  std::size_t explained = 0;         ///< keys of the file that the layout knows under this prefix
  std::vector<std::string> missing;  ///< patterns of the layout without any key, optional ones aside
  std::vector<std::string> unknown;  ///< keys under the prefix that the layout does not know
  bool recognised() const { return explained > 0 && missing.empty(); }
};

/// The layout and prefix that explain the most keys. A prefix is made of what training leaves (`module.`,
/// `_orig_mod.`, `model.`, `backbone.`, `teacher.`, `student.`) and of where our networks keep their
/// backbone. Among prefixes that explain as many, a student's comes last and a teacher's first.
LayoutMatch nearest_layout(const std::vector<NamedTensor>& tensors);

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
