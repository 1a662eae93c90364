#include "models/key_shapes.h"

#include <algorithm>
#include <sstream>
#include <string_view>
#include <utility>

#include "core/dtype_names.h"
#include "core/error.h"
#include "core/utf8.h"

namespace dinov3_seg {
namespace {

constexpr int64_t most_size = int64_t{1} << 36;

std::string to_text(const std::vector<int64_t>& shape) {
  std::ostringstream text;
  text << '[';
  for (std::size_t i = 0; i < shape.size(); ++i) text << (i ? ", " : "") << shape[i];
  text << ']';
  return text.str();
}

}  // namespace

std::string key_list_text(const char* title, const std::vector<std::string>& entries) {
  constexpr std::size_t shown = 20;
  if (entries.empty()) return "";
  std::ostringstream text;
  text << "\n" << title << " (" << entries.size() << "):";
  for (std::size_t i = 0; i < std::min(entries.size(), shown); ++i) text << "\n  " << printable(entries[i]);
  if (entries.size() > shown) text << "\n  and " << entries.size() - shown << " more";
  return text.str();
}

ShapeTable::ShapeTable(std::string what, const std::vector<KeyShape>& keys) : what_(std::move(what)) {
  for (const auto& key : keys) shapes_.emplace(key.name, &key.shape);
}

int64_t ShapeTable::size(const std::string& name, std::size_t rank, std::size_t dimension) const {
  const auto found = shapes_.find(name);
  if (found == shapes_.end()) {
    fail("CHECKPOINT_KEYS", "The ", what_, " has no key ", name, " (it has ", shapes_.size(),
         " keys). Check that it is a DINOv3 ", what_, " file and that it was given as --", what_);
  }
  const auto& shape = *found->second;
  if (shape.size() != rank) {
    fail("CHECKPOINT_KEYS", "Expected ", name, " of the ", what_, " to have ", rank,
         " dimensions, got shape ", to_text(shape), ".");
  }
  // Sizes are multiplied with small numbers; that of two in one tensor the size of its file bounds.
  if (shape[dimension] < 1 || shape[dimension] > most_size) {
    fail("CHECKPOINT_KEYS", "Expected the sizes of ", name, " of the ", what_, " to be from 1 to ", most_size,
         ", got shape ", to_text(shape), ".");
  }
  return shape[dimension];
}

int64_t ShapeTable::count(const std::string& before, const std::string& leaf) const {
  for (auto n = static_cast<int64_t>(shapes_.size()); n > 0; --n) {
    if (has(before + std::to_string(n - 1) + leaf)) return n;
  }
  return 0;
}

std::vector<KeyShape> shapes_of(const std::vector<NamedTensor>& tensors) {
  std::vector<KeyShape> shapes;
  shapes.reserve(tensors.size());
  for (const auto& [name, tensor] : tensors)
    shapes.push_back({name, tensor.sizes().vec(), tensor.scalar_type()});
  return shapes;
}

void check_keys(const std::string& what, const std::string& network, const std::vector<KeyShape>& expected,
                const std::vector<KeyShape>& given) {
  std::unordered_map<std::string_view, const KeyShape*> by_name;
  std::vector<std::string> missing, superfluous, repeated, misshapen;
  for (const auto& key : given) {
    if (!by_name.emplace(key.name, &key).second) repeated.push_back(key.name);
  }
  std::unordered_map<std::string_view, bool> wanted;
  for (const auto& key : expected) {
    wanted.emplace(key.name, true);
    const auto found = by_name.find(key.name);
    if (found == by_name.end()) {
      missing.push_back(key.name + " " + to_text(key.shape));
      continue;
    }
    const KeyShape& got = *found->second;
    if (got.shape != key.shape) {
      misshapen.push_back(key.name + ": expected " + to_text(key.shape) + ", got " + to_text(got.shape));
    } else if (c10::isFloatingType(got.dtype) != c10::isFloatingType(key.dtype)) {
      misshapen.push_back(key.name + ": expected dtype " + dtype_name(key.dtype) + ", got " +
                          dtype_name(got.dtype));
    }
  }
  for (const auto& key : given) {
    if (!wanted.contains(key.name)) superfluous.push_back(key.name + " " + to_text(key.shape));
  }
  if (missing.empty() && superfluous.empty() && repeated.empty() && misshapen.empty()) return;
  std::ostringstream text;
  text << "The " << what << " does not have the keys of a DINOv3 " << network << ": expected "
       << expected.size() << " keys, got " << given.size() << "." << key_list_text("Missing", missing)
       << key_list_text("Unexpected", superfluous) << key_list_text("Repeated", repeated)
       << key_list_text("Misshapen", misshapen);
  text << "\nGive the released file; `inspect` lists the contents of a file.";
  fail("CHECKPOINT_KEYS", text.str());
}

}  // namespace dinov3_seg
