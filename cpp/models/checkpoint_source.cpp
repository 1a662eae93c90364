#include "models/checkpoint_source.h"

#include <c10/util/StringUtil.h>

#include <iterator>
#include <unordered_set>
#include <utility>

#include "core/checkpoint.h"
#include "core/error.h"
#include "core/utf8.h"
#include "models/key_shapes.h"

namespace dinov3_seg {
namespace {

void note_containers(const Checkpoint& checkpoint, std::vector<std::string>& notes) {
  if (checkpoint.container.empty()) return;
  std::string note = "took the weights under '" + checkpoint.container + "'";
  if (!checkpoint.ignored.empty())
    note += "; those under '" + c10::Join("', '", checkpoint.ignored) + "' are not used";
  notes.push_back(std::move(note));
}

void check_index(const CheckpointSource& source, const std::unordered_set<std::string>& names) {
  std::vector<std::string> missing;
  for (const auto& [key, file] : source.index)
    if (!names.contains(key)) missing.push_back(key + " (" + file + ")");
  if (missing.empty()) return;
  fail("CHECKPOINT_KEYS", source.path, " is incomplete: its index lists keys that the files lack.",
       key_list_text("Missing", missing), "\nCopy or download the folder again.");
}

}  // namespace

SourceTensors read_source(const CheckpointSource& source) {
  SourceTensors result;
  const bool is_whole = source.files.size() == 1 && source.index.empty();  // it names each tensor once
  std::unordered_set<std::string> names;
  for (const std::string& file : source.files) {
    Checkpoint checkpoint = read_checkpoint(file);
    note_containers(checkpoint, result.notes);
    if (result.format.empty()) result.format = checkpoint.format;
    for (auto& [key, value] : checkpoint.metadata) result.metadata.insert_or_assign(key, std::move(value));
    for (NamedTensor& entry : checkpoint.tensors) {
      if (!is_whole && !names.insert(entry.name).second)
        fail("CHECKPOINT_KEYS", file, ": '", printable(entry.name), "' is also in another file of ",
             source.path, ". Copy or download the folder again.");
      result.tensors.push_back(std::move(entry));
    }
  }
  check_index(source, names);
  return result;
}

}  // namespace dinov3_seg
