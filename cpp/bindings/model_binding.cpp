// Networks: loading, decoding, export.
#include <ATen/ATen.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>

#include "bindings/heads.h"
#include "bindings/placement.h"
#include "bindings/times.h"
#include "core/finite_watch.h"
#include "core/job_control.h"
#include "models/archive.h"
#include "models/network_check.h"
#include "models/network_sizes.h"
#include "models/segment.h"
#include "models/staged_archive.h"

namespace dinov3_seg {

template <>
inline constexpr auto fields<OutputOptions> =
    std::tuple{field("decoded", &OutputOptions::decoded), field("features", &OutputOptions::feature_layers)};

template <>
inline constexpr auto fields<ProbeValues> = std::tuple{field("weight", &ProbeValues::weight),
                                                       field("bias", &ProbeValues::bias),
                                                       field("gamma", &ProbeValues::gamma),
                                                       field("beta", &ProbeValues::beta),
                                                       field("runningMean", &ProbeValues::running_mean),
                                                       field("runningVar", &ProbeValues::running_var)};

template <>
inline constexpr auto fields<NetworkSizes> =
    std::tuple{field("blocks", &NetworkSizes::blocks),
               field("blocksBytes", &NetworkSizes::blocks_bytes),
               field("residentBytes", &NetworkSizes::resident_bytes),
               field("decoderBytes", &NetworkSizes::decoder_bytes),
               field("copiedDecoderBytes", &NetworkSizes::copied_decoder_bytes),
               field("ringBytes", &NetworkSizes::ring_bytes),
               field("otherBytes", &NetworkSizes::other_bytes),
               field("pixelDecoderWeights", &NetworkSizes::pixel_decoder_weights),
               field("width", &NetworkSizes::width),
               field("hidden", &NetworkSizes::hidden),
               field("dtype", &NetworkSizes::dtype)};

namespace {

std::shared_ptr<SegmentationModel> load_model(const std::string& path, const ModelPlacement& placement) {
  return std::make_shared<SegmentationModel>(path, placement);
}

std::shared_ptr<SegmentationModel> copy_model(const SegmentationModel& model, const ReplicaPlace& place) {
  return replica_of(model, place);
}

std::shared_ptr<SegmentationModel> load_staged_model(const std::string& path, c10::Device device) {
  const auto module = load_staged(check_network_file(path, /*trust_code=*/false), device);
  if (!module) return nullptr;
  check_loaded_network(path, *module, /*trust_code=*/false);
  return std::make_shared<SegmentationModel>(origin_of(path), *module, ModelPlacement{device});
}

/// What any file records.
std::optional<Normalization> file_normalization(const std::string& path) {
  return recorded_normalization(path);
}

auto model_info(const SegmentationModel& model) {
  return std::tuple_cat(network_info(model),
                        object_of(Item{"width", model.width()}, Item{"hidden", model.hidden()},
                                  Item{"classes", model.classes()}, Item{"provides", model.provides()}));
}

void check_head(const SegmentationModel& model, const TrainedHeads& head) { check_fits(model, head); }

/// Nothing waits for the marks: whoever uses the outputs reads them (requireFinite).
auto outputs_of(SegmentationModel& model, const at::Tensor& images, const OutputOptions& options) {
  const NetworkOutputs outputs = model.outputs(images, options);
  return object_of(Item{"queries", outputs.queries}, Item{"masks", outputs.masks},
                   Item{"features", outputs.features},
                   Item{"watch", std::make_shared<FiniteWatch>(outputs.marks)});
}

auto forward(SegmentationModel& model, const at::Tensor& images) {
  const NetworkOutputs decoded = model.outputs(images, {.decoded = true});
  const at::Tensor logits = model.class_logits(decoded.queries);
  const at::Tensor marks = decoded.marks + finite_marks(logits).to(decoded.marks.device());
  return object_of(Item{"queries", decoded.queries}, Item{"predLogits", logits},
                   Item{"predMasks", decoded.masks}, Item{"watch", std::make_shared<FiniteWatch>(marks)});
}

void require_finite(const FiniteWatch& watch, const std::string& path,
                    const std::vector<std::string>& names) {
  try {
    watch.require();
  } catch (const NotFinite& error) {
    error.tell(path, names);
  }
}

std::vector<NamedTensor> taps(SegmentationModel& model, const at::Tensor& images) {
  std::vector<NamedTensor> arrays;
  for (const auto& entry : model.taps(images)) arrays.push_back({entry.key(), entry.value()});
  return arrays;
}

/// Milliseconds.
auto part_times_of(SegmentationModel& model, const at::Tensor& images, const TimesOptions& options) {
  return named_times(model.times(images, options.repeat));
}

using Network = std::variant<std::shared_ptr<DetectionModel>, std::shared_ptr<SegmentationModel>>;
uint64_t storage_bytes_of(const std::vector<Network>& networks) {
  std::vector<const NetworkModule*> modules;
  for (const Network& network : networks)
    modules.push_back(
        std::visit([](const auto& held) -> const NetworkModule* { return held.get(); }, network));
  return storage_bytes(modules);
}

void export_model(const SegmentationModel& model, const LinearHeads& head, const std::string& path) {
  model.save_with_class_embed(head.weight()[0], head.bias()[0], path);
}

void export_with_probe(const SegmentationModel& model, const LinearProbeHeads& head,
                       const std::string& path) {
  const ProbeParameters own = head.parameters();
  model.save_with_probe(
      {own.weight[0], own.bias[0], own.gamma[0], own.beta[0], head.running_mean()[0], head.running_var()[0]},
      path);
}

void use_float16(SegmentationModel& model) { model.use_float16(); }

/// For tests: ends when `jobs` that wait for as many are running at once.
void meet(const SegmentationModel&, int64_t jobs) {
  struct Meeting {
    int64_t here = 0;
    uint64_t held = 0;  // so many took place
  };
  static std::mutex mutex;
  static std::condition_variable changed;
  static std::map<int64_t, Meeting> meetings;
  std::unique_lock lock(mutex);
  Meeting& own = meetings[jobs];
  const uint64_t before = own.held;
  if (++own.here >= jobs) {
    own.here = 0;
    ++own.held;
    changed.notify_all();
  }
  while (own.held == before) {
    changed.wait_for(lock, std::chrono::milliseconds(20));
    if (own.held != before) break;
    try {
      check_cancelled();
    } catch (...) {
      --own.here;
      throw;
    }
  }
}

const Methods model_methods{
    job<Lane::model, &load_model>("loadModel", "path", "options"),
    job<Lane::model, &copy_model>("copyModel", "model", "place"),
    job<Lane::model, &load_staged_model>("loadStaged", "path", "device"),
    job<Lane::prepare, &archive_id>("modelId", "path"),
    job<Lane::prepare, &network_sizes>("networkSizes", "path", "dtype", "precision"),
    job<Lane::prepare, &file_normalization>("recordedNormalization", "path"),
    call<&model_info>("modelInfo", "model"),
    call<&check_head>("checkFits", "model", "head"),
    job<Lane::model, &outputs_of>("outputs", "model", "images", "options"),
    job<Lane::copies, &require_finite>("requireFinite", "watch", "path", "names"),
    job<Lane::model, &SegmentationModel::probe>("ownProbe", "model"),
    job<Lane::model, &forward>("forward", "model", "images"),
    job<Lane::model, &taps>("taps", "model", "images"),
    job<Lane::model, &part_times_of>("partTimes", "model", "images", "options"),
    call<&storage_bytes_of>("storageBytes", "networks"),
    job<Lane::model, &use_float16>("useFloat16", "model"),
    job<Lane::model, &meet>("meet", "model", "jobs"),
    job<Lane::model, &export_model>("exportModel", "model", "head", "path"),
    job<Lane::model, &export_with_probe>("exportWithProbe", "model", "probe", "path"),
};

}  // namespace
}  // namespace dinov3_seg
