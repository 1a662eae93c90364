// The kinds of handles, and typed arrays over the memory of tensors.
#pragma once

#include <ATen/core/Tensor.h>
#include <napi.h>

#include <algorithm>

#include "bindings/handles.h"
#include "cache/record_store.h"
#include "cache/shard_writer.h"
#include "core/device_copies.h"
#include "core/finite_watch.h"
#include "heads/linear_heads.h"
#include "heads/linear_probe_heads.h"
#include "models/detection_model.h"
#include "models/segmentation_model.h"

namespace dinov3_seg {

/// The size that is reported to V8 for a network's handle.
inline int64_t host_bytes(const NetworkModule& network) {
  return network.device().is_cpu() ? network.size_bytes() : 0;
}

template <>
struct HandleKind<at::Tensor> {
  static constexpr napi_type_tag tag{0x6f1d0a5b9c5e4b21, 0x9d2f3a7c81e64f01};
  static constexpr const char* name = "tensor";
};
template <>
struct HandleKind<SegmentationModel> {
  static constexpr napi_type_tag tag{0x6f1d0a5b9c5e4b22, 0x9d2f3a7c81e64f02};
  static constexpr const char* name = "model";
  static int64_t bytes(const SegmentationModel& model) { return host_bytes(model); }
};
template <>
struct HandleKind<DetectionModel> {
  static constexpr napi_type_tag tag{0x6f1d0a5b9c5e4b29, 0x9d2f3a7c81e64f09};
  static constexpr const char* name = "detector";
  /// Without what it shares.
  static int64_t bytes(const DetectionModel& model) {
    return std::max<int64_t>(0, host_bytes(model) - static_cast<int64_t>(model.shared_bytes()));
  }
};
template <>
struct HandleKind<TrainedHeads> {
  static constexpr napi_type_tag tag{0x6f1d0a5b9c5e4b25, 0x9d2f3a7c81e64f05};
  static constexpr const char* name = "head";
  /// With gradients and moments.
  static int64_t bytes(const TrainedHeads& heads) { return 4 * static_cast<int64_t>(heads.value().nbytes()); }
};
/// Heads of a linear layer on queries.
template <>
struct HandleKind<LinearHeads> {
  using Base = TrainedHeads;
  [[noreturn]] static void refuse() {
    fail("HEAD_MISMATCH", "expected a class_embed head, got a linear probe");
  }
};
template <>
struct HandleKind<LinearProbeHeads> {
  using Base = TrainedHeads;
  [[noreturn]] static void refuse() {
    fail("HEAD_MISMATCH", "expected a linear probe, got a class_embed head");
  }
};

template <>
struct HandleKind<ShardWriter> {
  static constexpr napi_type_tag tag{0x6f1d0a5b9c5e4b27, 0x9d2f3a7c81e64f07};
  static constexpr const char* name = "cache writer";
};
template <>
struct HandleKind<RecordStore> {
  static constexpr napi_type_tag tag{0x6f1d0a5b9c5e4b28, 0x9d2f3a7c81e64f08};
  static constexpr const char* name = "record store";
};
template <>
struct HandleKind<HostCopies> {
  static constexpr napi_type_tag tag{0x6f1d0a5b9c5e4b2a, 0x9d2f3a7c81e64f0a};
  static constexpr const char* name = "host copies";
};
template <>
struct HandleKind<FiniteWatch> {
  static constexpr napi_type_tag tag{0x6f1d0a5b9c5e4b2b, 0x9d2f3a7c81e64f0b};
  static constexpr const char* name = "watch";
};

Napi::Value wrap_tensor(Napi::Env env, const at::Tensor& tensor);

Napi::Object object_argument(const Napi::Value& value, const char* what);

/// A typed array over a contiguous CPU tensor's own memory, which lives as long as the array. Do not use the
/// tensor afterwards.
Napi::Value typed_array(Napi::Env env, const at::Tensor& tensor);

}  // namespace dinov3_seg
