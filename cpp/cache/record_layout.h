// How a record of a cache of network outputs lies in its file: all records of a cache are alike.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace dinov3_seg {

/// One array of a record. Names: `queries` Q×C, `masks` Q×h×w, `features` C×h×w (of several layers side by
/// side as well), `feature_ranges` C×2 of features in uint8 (quantised_features.h), `labels` H×W.
struct RecordPart {
  std::string name;
  std::vector<int64_t> shape;
  at::ScalarType dtype;
  int64_t offset;  // from the record's start
  int64_t bytes;
};

/// Parts one after the other, each at a multiple of 64 bytes, the rest zero.
class RecordLayout {
 public:
  /// Parts in order; their offsets are set here. Throws INVALID_ARGUMENT for names, shapes or dtypes that no
  /// part has.
  explicit RecordLayout(std::vector<RecordPart> parts);

  const std::vector<RecordPart>& parts() const { return parts_; }
  /// The part of a name, or null.
  const RecordPart* find(const std::string& name) const;
  /// Bytes of a record.
  int64_t size_bytes() const { return size_; }

 private:
  std::vector<RecordPart> parts_;
  int64_t size_ = 0;
};

/// First bytes of every file of records: what it is, and which cache it belongs to. Records follow.
constexpr int64_t shard_header_bytes = 64;
std::string shard_header(const std::string& cache_id);

}  // namespace dinov3_seg
