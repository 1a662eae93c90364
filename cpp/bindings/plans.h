// Plans of networks: dimensions, keys and parameters.
#pragma once

#include "bindings/method.h"
#include "bindings/normalization.h"
#include "models/backbone_network_plan.h"
#include "models/convert.h"
#include "models/detector_plan.h"
#include "models/eomt_plan.h"
#include "models/segmentor_plan.h"

namespace dinov3_seg {

template <>
inline constexpr auto fields<BackboneDims> = std::tuple{
    field("embedDim", &BackboneDims::embed_dim),
    field("depth", &BackboneDims::depth),
    field("heads", [](const BackboneDims& dims) { return dims.embed_dim / (4 * dims.rope_periods); }),
    field("feedForwardDim", &BackboneDims::feed_forward_dim),
    field("feedForward",
          [](const BackboneDims& dims) { return dims.feed_forward == FeedForward::mlp ? "mlp" : "swiglu"; }),
    field("qkvBias", &BackboneDims::qkv_bias),
    field("storageTokens", &BackboneDims::storage_tokens)};

template <>
inline constexpr auto fields<SegmentorDims> =
    std::tuple_cat(fields<BackboneDims>, std::tuple{field("hiddenDim", &SegmentorDims::hidden_dim),
                                                    field("queries", &SegmentorDims::queries),
                                                    field("encoderLayers", &SegmentorDims::encoder_layers),
                                                    field("decoderLayers", &SegmentorDims::decoder_layers),
                                                    field("classes", &SegmentorDims::classes)});

template <>
inline constexpr auto fields<DetectorDims> = std::tuple_cat(
    fields<BackboneDims>,
    std::tuple{
        field("hiddenDim", &DetectorDims::hidden_dim), field("headHeads", &DetectorDims::heads),
        field("queries", &DetectorDims::queries), field("encoderLayers", &DetectorDims::encoder_layers),
        field("decoderLayers", &DetectorDims::decoder_layers), field("classes", &DetectorDims::classes)});

template <>
inline constexpr auto fields<EomtDims> = std::tuple_cat(
    fields<BackboneDims>,
    std::tuple{field("hiddenDim", [](const EomtDims& dims) { return dims.embed_dim; }),
               field("queries", &EomtDims::queries), field("queryBlocks", &EomtDims::query_blocks),
               field("upscaleBlocks", &EomtDims::upscale_blocks), field("classes", &EomtDims::classes)});

template <>
inline constexpr auto fields<BackboneNetworkDims> =
    std::tuple_cat(fields<BackboneDims>, std::tuple{field("classes", &BackboneNetworkDims::classes)});

/// A SegmentorPlan; `classes` are the outputs of the trained head.
inline auto plan_of(const SegmentorDims& dims, int64_t classes) {
  const ParameterCounts counts = count_parameters(dims, classes);
  return object_of(Item{"dims", dims}, Item{"backboneKeys", backbone_keys(dims).size()},
                   Item{"headKeys", head_keys(dims).size()}, Item{"frozenParameters", counts.frozen()},
                   Item{"trainedParameters", counts.trained});
}

/// The same of an EoMT network.
inline auto plan_of(const EomtDims& dims, int64_t classes) {
  const EomtParameterCounts counts = count_eomt_parameters(dims, classes);
  return object_of(Item{"dims", dims}, Item{"backboneKeys", backbone_keys(dims).size()},
                   Item{"headKeys", eomt_head_keys(dims).size()}, Item{"frozenParameters", counts.frozen},
                   Item{"trainedParameters", counts.trained});
}

/// A BackbonePlan.
inline auto plan_of(const BackboneNetworkDims& dims) {
  int64_t parameters = 0;
  const auto backbone = backbone_keys(dims), head = linear_head_keys(dims);
  for (const auto& keys : {backbone, head})
    for (const KeyShape& key : keys) parameters += parameters_of(key);
  return object_of(Item{"network", "backbone"}, Item{"dims", dims}, Item{"backboneKeys", backbone.size()},
                   Item{"headKeys", head.size()}, Item{"parameters", parameters});
}

/// A DetectorPlan.
inline auto plan_of(const DetectorDims& dims) {
  int64_t used = 0, repeated = 0, parameters = 0;
  for (const KeyShape& key : detector_head_keys(dims)) {
    const bool repeats = !key.repeats.empty();
    ++(repeats ? repeated : used);
    parameters += repeats ? 0 : parameters_of(key);
  }
  const auto backbone = backbone_keys(dims);
  for (const KeyShape& key : backbone) parameters += parameters_of(key);
  return object_of(Item{"dims", dims}, Item{"backboneKeys", backbone.size()}, Item{"headKeys", used},
                   Item{"repeatedKeys", repeated}, Item{"parameters", parameters});
}

/// {name: {shape, dtype}}
template <>
struct Js<std::vector<KeyShape>> {
  static std::vector<KeyShape> from(const Napi::Value& value, const char* what) {
    std::vector<KeyShape> keys;
    each_property(value, what, [&](const std::string& name, const Napi::Value& property) {
      const Napi::Object entry = object_argument(property, name.c_str());
      const auto dtype = from_js<std::string>(entry.Get("dtype"), "dtype");
      const DtypeNames* row = find_dtype(&DtypeNames::name, std::string_view(dtype));
      if (!row) fail("INVALID_ARGUMENT", what, " key ", name, " has the unknown dtype ", dtype);
      keys.push_back({name, from_js<std::vector<int64_t>>(entry.Get("shape"), "shape"), row->dtype});
    });
    return keys;
  }
};

/// The dtype of a new network.
struct NetworkDtype;
template <>
struct Js<NetworkDtype> {
  static at::ScalarType from(const Napi::Value& value, const char* what) {
    const auto dtype = from_js<std::string>(value, what);
    if (dtype != "float32" && dtype != "bfloat16")
      fail("INVALID_ARGUMENT", "unknown dtype '", dtype, "': expected float32 or bfloat16");
    return dtype == "float32" ? at::kFloat : at::kBFloat16;
  }
};

template <>
inline constexpr auto fields<SourceConfig> = std::tuple{
    field("ropeTheta", &SourceConfig::rope_theta), field("attentionHeads", &SourceConfig::attention_heads)};
template <>
inline constexpr auto fields<CheckpointSource> = std::tuple{
    field("path", &CheckpointSource::path), field("files", &CheckpointSource::files),
    optional_field("index", &CheckpointSource::index), optional_field("config", &CheckpointSource::config)};

inline Task parse_task(const std::string& task) {
  if (task != "segmentation" && task != "detection")
    fail("INVALID_ARGUMENT", "unknown task '", task, "': expected segmentation or detection");
  return task == "detection" ? Task::detection : Task::segmentation;
}
template <>
struct Js<Task> : Named<parse_task> {};

template <>
inline constexpr auto fields<ConvertSettings> = std::tuple{
    field("backbone", &ConvertSettings::backbone), field("head", &ConvertSettings::head),
    field("out", &ConvertSettings::out),           field<NetworkDtype>("dtype", &ConvertSettings::dtype),
    field("task", &ConvertSettings::task),         field("normalization", &ConvertSettings::normalization)};

}  // namespace dinov3_seg
