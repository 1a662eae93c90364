#include "cache/record_layout.h"

#include <algorithm>
#include <array>
#include <map>

#include "core/byte_reader.h"
#include "core/error.h"

namespace dinov3_seg {
namespace {

constexpr int64_t alignment = 64;
constexpr int64_t most_bytes = int64_t{1} << 60;

struct Rule {
  size_t dimensions;
  std::vector<at::ScalarType> dtypes;
};

const std::map<std::string, Rule>& rules() {
  static const std::map<std::string, Rule> all = {
      {"queries", {2, {at::kFloat, at::kBFloat16}}},
      {"masks", {3, {at::kFloat, at::kBFloat16, at::kByte}}},
      {"features", {3, {at::kFloat, at::kBFloat16, at::kByte}}},
      {"feature_ranges", {2, {at::kFloat}}},
      {"labels", {2, {at::kByte}}},
  };
  return all;
}

int64_t align(int64_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

void check(const RecordPart& part) {
  const auto rule = rules().find(part.name);
  if (rule == rules().end()) fail("INVALID_ARGUMENT", "a record has no part '", part.name, "'");
  const auto& [dimensions, dtypes] = rule->second;
  const bool positive =
      std::all_of(part.shape.begin(), part.shape.end(), [](int64_t size) { return size > 0; });
  if (part.shape.size() != dimensions || !positive ||
      std::find(dtypes.begin(), dtypes.end(), part.dtype) == dtypes.end())
    fail("INVALID_ARGUMENT", "a record's ", part.name, " cannot be ", c10::IntArrayRef(part.shape), " ",
         part.dtype);
}

}  // namespace

RecordLayout::RecordLayout(std::vector<RecordPart> parts) : parts_(std::move(parts)) {
  for (RecordPart& part : parts_) {
    check(part);
    part.bytes = static_cast<int64_t>(c10::elementSize(part.dtype));
    bool fits = true;
    for (const int64_t size : part.shape) fits = fits && checked_multiply(part.bytes, size, part.bytes);
    part.offset = size_;
    // All sizes stay so far from the limit that places within a file and their alignment cannot pass it.
    if (!fits || part.bytes > most_bytes - size_)
      fail("INVALID_ARGUMENT", "a record's ", part.name, " of ", c10::IntArrayRef(part.shape), " ",
           part.dtype, " is larger than any file");
    size_ += align(part.bytes);
  }
  if (find("labels") == nullptr || parts_.size() < 2)
    fail("INVALID_ARGUMENT", "a record needs labels and outputs to learn from");
  if ((find("queries") == nullptr) != (find("masks") == nullptr))
    fail("INVALID_ARGUMENT", "a record needs queries and masks together");
  const RecordPart *features = find("features"), *ranges = find("feature_ranges");
  const bool quantised = features != nullptr && features->dtype == at::kByte;
  if (quantised != (ranges != nullptr) ||
      (quantised && ranges->shape != std::vector<int64_t>{features->shape[0], 2}))
    fail("INVALID_ARGUMENT", "a record needs feature_ranges C×2 with features C×h×w in uint8, and only then");
}

const RecordPart* RecordLayout::find(const std::string& name) const {
  const auto found =
      std::find_if(parts_.begin(), parts_.end(), [&](const RecordPart& part) { return part.name == name; });
  return found == parts_.end() ? nullptr : &*found;
}

std::string shard_header(const std::string& cache_id) {
  std::string header = "dinov3-seg records 1\n" + cache_id.substr(0, 32) + "\n";
  header.resize(shard_header_bytes, '\0');
  return header;
}

}  // namespace dinov3_seg
