// Checkpoint files: inspection, tensors in and out, plans, conversion.
#include <algorithm>

#include "bindings/normalization.h"
#include "bindings/plans.h"
#include "core/checkpoint.h"
#include "core/error.h"
#include "core/job_control.h"
#include "core/safetensors.h"
#include "models/backbone_weights.h"

namespace dinov3_seg {

template <>
inline constexpr auto fields<CheckpointRow> =
    std::tuple{field("name", &CheckpointRow::key), field("shape", &CheckpointRow::shape),
               field("dtype", &CheckpointRow::dtype), field("sizeBytes", &CheckpointRow::bytes)};

template <>
inline constexpr auto fields<CheckpointSummary> =
    std::tuple{field("format", &CheckpointSummary::format),
               field("tensors", &CheckpointSummary::rows),
               field("parameters", &CheckpointSummary::parameters),
               field("totalBytes", &CheckpointSummary::total_bytes),
               field("metadata", &CheckpointSummary::metadata),
               field("normalization", &CheckpointSummary::normalization)};

template <>
inline constexpr auto fields<RecognisedBackbone> =
    std::tuple{field("layout", &RecognisedBackbone::layout), field("prefix", &RecognisedBackbone::prefix),
               field("dims", &RecognisedBackbone::dims)};

template <>
inline constexpr auto fields<InspectedSource> =
    std::tuple{field("summary", &InspectedSource::summary), field("backbone", &InspectedSource::backbone)};

namespace {

/// Copies of all tensors if `names` is not given.
auto read_tensors(const std::string& path, const std::optional<std::vector<std::string>>& names) {
  Checkpoint checkpoint = read_checkpoint(path);
  std::vector<NamedTensor> chosen;
  if (!names) chosen = std::move(checkpoint.tensors);
  for (const std::string& name : names.value_or(std::vector<std::string>())) {
    const auto found = std::find_if(checkpoint.tensors.begin(), checkpoint.tensors.end(),
                                    [&](const NamedTensor& entry) { return entry.name == name; });
    if (found == checkpoint.tensors.end()) fail("CHECKPOINT_KEYS", path, " has no tensor '", name, "'");
    chosen.push_back(*found);
  }
  // Memory of their own: they outlive this job, and the file may change.
  for (NamedTensor& each : chosen) each.tensor = each.tensor.clone();
  check_cancelled();
  return object_of(Item{"tensors", std::move(chosen)}, Item{"metadata", std::move(checkpoint.metadata)});
}

auto plan_segmentor(const std::vector<KeyShape>& backbone, const std::vector<KeyShape>& head,
                    int64_t classes) {
  return plan_of(checked_dims(backbone, head), classes);
}

/// A plan with the kind of network and the notes.
template <typename Plan>
auto converted(const char* network, Plan plan, const std::vector<std::string>& notes) {
  return std::tuple_cat(object_of(Item{"network", network}), std::move(plan),
                        object_of(Item{"notes", notes}));
}

using Notes = std::vector<std::string>;
inline auto converted(const BackboneNetworkDims& dims, const Notes& notes) {
  return std::tuple_cat(plan_of(dims), object_of(Item{"notes", notes}));
}

using Converted = std::variant<decltype(converted("", plan_of(SegmentorDims(), 0), {})),
                               decltype(converted("", plan_of(DetectorDims()), {})),
                               decltype(converted("", plan_of(EomtDims(), 0), {})),
                               decltype(converted(BackboneNetworkDims(), {}))>;
struct PlanOfConverted {
  const std::vector<std::string>& notes;
  Converted operator()(const SegmentorDims& dims) const {
    return converted("segmentor", plan_of(dims, dims.classes), notes);
  }
  Converted operator()(const DetectorDims& dims) const { return converted("detector", plan_of(dims), notes); }
  Converted operator()(const EomtDims& dims) const {
    return converted("eomt", plan_of(dims, dims.classes), notes);
  }
  Converted operator()(const BackboneNetworkDims& dims) const { return converted(dims, notes); }
};

Converted convert(const ConvertSettings& settings) {
  const ConvertedNetwork network = convert_network(settings);
  return std::visit(PlanOfConverted{network.notes}, network.dims);
}

const Methods checkpoint_methods{
    job<Lane::prepare, &inspect_checkpoint>("inspect", "path"),
    job<Lane::prepare, &read_tensors>("readTensors", "path", "names"),
    // After all earlier jobs on models and heads.
    job<Lane::model, &write_safetensors>("writeSafetensors", "path", "tensors", "metadata"),
    call<&plan_segmentor>("planSegmentor", "backbone", "head", "classes"),
    job<Lane::prepare, &inspect_source>("inspectSource", "source"),
    job<Lane::prepare, &convert>("convertNetwork", "settings"),
};

}  // namespace
}  // namespace dinov3_seg
