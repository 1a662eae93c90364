// The names under which publishers save a DINOv3 backbone, as one table.
//
// An entry of key_layouts() is one layout:
//   name      as notes and errors call it
//   renames   pairs of patterns, the file's name and Meta's. A pattern's parts between dots are literal, or N
//             for a number; what follows a match (".weight") is kept. `optional`: a file may lack it
//   joins     several of the file's tensors that are one of Meta's, their rows one after the other. A part
//             that is absent in block 0 is zero where `absent_is_zero`, otherwise it is missing
// What no publisher's file needs to hold is derived for all layouts alike (backbone_derivations.h).
//
// Values that are differences to another file's: translate both (layout_match.h), then put placeholders for
// the sums in their place, DeferredTensors::add with what values_of gives of both.
//
// To add a layout: an entry here; a key list of it in test/fixtures/layouts; a line in docs/networks.md.
#pragma once

#include <string>
#include <vector>

namespace dinov3_seg {

struct KeyRename {
  std::string own, meta;
  bool optional = false;
  bool leading_one = false;  ///< the file's tensor has one more dimension, of size 1, before Meta's
};

struct KeyJoin {
  std::vector<std::string> own;  ///< top to bottom
  std::string meta;
  bool absent_is_zero = false;
};

struct KeyLayout {
  std::string name;
  std::vector<KeyRename> renames;
  std::vector<KeyJoin> joins;
};

/// Layouts of a backbone.
const std::vector<KeyLayout>& key_layouts();

/// The same for what an EoMT network has beside its backbone, under the names of our networks
/// (`segmentation_model.1.…`).
const std::vector<KeyLayout>& eomt_head_layouts();

}  // namespace dinov3_seg
