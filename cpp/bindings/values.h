// Unpacking of arguments and packing of results, with errors that name the field.
#pragma once

#include <ATen/core/Tensor.h>
#include <napi.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bindings/handles.h"
#include "cache/record_store.h"
#include "cache/shard_writer.h"
#include "core/class_embed.h"
#include "core/linear_probe.h"
#include "core/transfer.h"
#include "heads/trained_heads.h"
#include "models/convert.h"
#include "models/detection_model.h"
#include "models/segmentation_model.h"
#include "models/segmentor_plan.h"

namespace dinov3_seg {

template <>
struct HandleKind<at::Tensor> {
  static constexpr napi_type_tag tag{0x6f1d0a5b9c5e4b21, 0x9d2f3a7c81e64f01};
  static constexpr const char* name = "tensor";
};
template <>
struct HandleKind<SegmentationModel> {
  static constexpr napi_type_tag tag{0x6f1d0a5b9c5e4b22, 0x9d2f3a7c81e64f02};
  static constexpr const char* name = "model";
};
template <>
struct HandleKind<DetectionModel> {
  static constexpr napi_type_tag tag{0x6f1d0a5b9c5e4b29, 0x9d2f3a7c81e64f09};
  static constexpr const char* name = "detector";
};
template <>
struct HandleKind<ClassEmbed> {
  static constexpr napi_type_tag tag{0x6f1d0a5b9c5e4b23, 0x9d2f3a7c81e64f03};
  static constexpr const char* name = "head";
};
template <>
struct HandleKind<TrainedHeads> {
  static constexpr napi_type_tag tag{0x6f1d0a5b9c5e4b25, 0x9d2f3a7c81e64f05};
  static constexpr const char* name = "trained heads";
};
template <>
struct HandleKind<LinearProbe> {
  static constexpr napi_type_tag tag{0x6f1d0a5b9c5e4b26, 0x9d2f3a7c81e64f06};
  static constexpr const char* name = "linear probe";
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
std::map<std::string, std::string> string_map(const Napi::Object& object);
StepOptions step_options(const Napi::Value& value);
/// {device, dtype, precision, cudaGraphs}
ModelPlacement placement_of(const Napi::Object& options);
/// {data, width, height, channels?} as a tensor H×W×channels uint8. Copied: the array stays JavaScript's.
at::Tensor pixels_argument(const Napi::Value& value);
/// What V8 is told that a network's handle holds: nothing of what a detector shares.
int64_t host_bytes(const NetworkModule& network);
int64_t host_bytes(const DetectionModel& network);
/// {path, id, device, dtype, parameters}, what the infos of all kinds of networks begin with.
Napi::Object network_info_object(Napi::Env env, const NetworkModule& network);
/// The field dtype of a network that is made: float32 or bfloat16, else INVALID_ARGUMENT.
at::ScalarType network_dtype_field(const Napi::Object& options);
/// {name: {shape, dtype}} as a list of keys.
std::vector<KeyShape> shape_table(const Napi::Value& value, const char* what);

/// {backbone, head, out, dtype}
struct ConvertOptions {
  ConvertPaths paths;
  at::ScalarType dtype;
};
ConvertOptions convert_options(const Napi::Value& value);

/// The items of an array; throws INVALID_ARGUMENT naming it for anything else.
std::vector<Napi::Value> array_argument(const Napi::Value& value, const char* what);

/// A typed array over a contiguous CPU tensor's own memory, which lives as long as the array. The tensor is
/// not to be used any more.
Napi::Value typed_array(Napi::Env env, const at::Tensor& tensor);
Napi::Object loss_object(Napi::Env env, const LossResult& result);
Napi::Array shape_array(Napi::Env env, c10::IntArrayRef sizes);
std::vector<int64_t> shape_argument(const Napi::Value& value);
/// Numbers of a backbone, a plan's `dims` begins with them.
Napi::Object backbone_dims_object(Napi::Env env, const BackboneDims& dims);
/// A DetectorPlan.
Napi::Object detector_plan_object(Napi::Env env, const DetectorDims& dims);
/// The field shareWith: the segmentor that a detector is to share a backbone with. Null where there is none.
std::shared_ptr<SegmentationModel> share_with_field(const Napi::Object& options);
/// A SegmentorPlan; `classes`: outputs of the trained head.
Napi::Object plan_object(Napi::Env env, const SegmentorDims& dims, int64_t classes);

// Each file's exports.
void export_devices(Napi::Env env, Napi::Object exports);
void export_tensors(Napi::Env env, Napi::Object exports);
void export_checkpoints(Napi::Env env, Napi::Object exports);
void export_init(Napi::Env env, Napi::Object exports);
void export_detectors(Napi::Env env, Napi::Object exports);
void export_models(Napi::Env env, Napi::Object exports);
void export_heads(Napi::Env env, Napi::Object exports);
void export_trained_heads(Napi::Env env, Napi::Object exports);
void export_cache(Napi::Env env, Napi::Object exports);
void export_probes(Napi::Env env, Napi::Object exports);
void export_images(Napi::Env env, Napi::Object exports);
void export_polygons(Napi::Env env, Napi::Object exports);
void export_shares(Napi::Env env, Napi::Object exports);
void export_ops(Napi::Env env, Napi::Object exports);
void export_network_ops(Napi::Env env, Napi::Object exports);

}  // namespace dinov3_seg
