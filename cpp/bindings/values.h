// Unpacking of arguments and packing of results, with errors that name the field.
#pragma once

#include <ATen/core/Tensor.h>
#include <napi.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bindings/handles.h"
#include "cache/record_store.h"
#include "cache/shard_writer.h"
#include "core/device_copies.h"
#include "heads/linear_heads.h"
#include "models/convert.h"
#include "models/detection_model.h"
#include "models/segmentation_model.h"
#include "models/segmentor_plan.h"

namespace dinov3_seg {

/// What V8 is told that a network's handle holds.
int64_t host_bytes(const NetworkModule& network);

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
  /// Nothing of what it shares.
  static int64_t bytes(const DetectionModel& model) {
    return std::max<int64_t>(0, host_bytes(model) - static_cast<int64_t>(model.shared_bytes()));
  }
};
template <>
struct HandleKind<TrainedHeads> {
  static constexpr napi_type_tag tag{0x6f1d0a5b9c5e4b25, 0x9d2f3a7c81e64f05};
  static constexpr const char* name = "head";
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

Napi::Value wrap_tensor(Napi::Env env, const at::Tensor& tensor);
at::Tensor tensor_argument(const Napi::Value& value);

/// Fields of an options object; each throws INVALID_ARGUMENT naming the field.
Napi::Object object_argument(const Napi::Value& value, const char* what);
std::string string_field(const Napi::Object& object, const char* name);
double number_field(const Napi::Object& object, const char* name);
int64_t integer_field(const Napi::Object& object, const char* name);
bool boolean_field(const Napi::Object& object, const char* name);
at::Tensor tensor_field(const Napi::Object& object, const char* name);
std::string string_argument(const Napi::Value& value, const char* what);
double number_argument(const Napi::Value& value, const char* what);
int64_t integer_argument(const Napi::Value& value, const char* what);
bool boolean_argument(const Napi::Value& value, const char* what);
std::map<std::string, std::string> string_map(const Napi::Object& object);
StepOptions step_options(const Napi::Value& value);
/// Heads of a linear layer on queries. Throws HEAD_MISMATCH for linear probes.
std::shared_ptr<LinearHeads> linear_heads_argument(const Napi::Value& value);
/// {device, dtype, precision, cudaGraphs}
ModelPlacement placement_of(const Napi::Object& options);
/// float32 or bfloat16, else INVALID_ARGUMENT: the dtype of a network that is made.
at::ScalarType network_dtype_argument(const Napi::Value& value, const char* what);
inline at::ScalarType network_dtype_field(const Napi::Object& options) {
  return network_dtype_argument(options.Get("dtype"), "dtype");
}
/// {path, id, device, dtype, parameters}, what the infos of all kinds of networks begin with.
Napi::Object network_info_object(Napi::Env env, const NetworkModule& network);

/// The items of an array; throws INVALID_ARGUMENT naming it for anything else.
std::vector<Napi::Value> array_argument(const Napi::Value& value, const char* what);

/// A typed array over a contiguous CPU tensor's own memory, which lives as long as the array. The tensor is
/// not to be used any more.
Napi::Value typed_array(Napi::Env env, const at::Tensor& tensor);
Napi::Array shape_array(Napi::Env env, c10::IntArrayRef sizes);
std::vector<int64_t> shape_argument(const Napi::Value& value);

// Each file's exports.
void export_models(Napi::Env env, Napi::Object exports);
void export_trained_heads(Napi::Env env, Napi::Object exports);
void export_cache(Napi::Env env, Napi::Object exports);

}  // namespace dinov3_seg
