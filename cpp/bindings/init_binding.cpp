// Networks with random weights.
#include <ATen/ATen.h>

#include <map>
#include <memory>
#include <string>

#include "bindings/placement.h"
#include "bindings/plans.h"
#include "core/error.h"
#include "core/safetensors.h"
#include "core/sha256.h"
#include "models/init.h"
#include "models/presets.h"
#include "models/shared_backbone.h"

namespace dinov3_seg {

struct InitSettings {
  std::string architecture;
  at::ScalarType dtype;
  Randomness random;
  bool operators = false;

  std::string name() const {
    return architecture + " with random weights of seed " + std::to_string(random.seed);
  }
};
template <>
inline constexpr auto fields<InitSettings> = std::tuple{
    field("architecture", &InitSettings::architecture), field<NetworkDtype>("dtype", &InitSettings::dtype),
    field("seed", [](InitSettings& settings) -> uint64_t& { return settings.random.seed; }),
    field("device", [](InitSettings& settings) -> c10::Device& { return settings.random.device; }),
    optional_field("operators", &InitSettings::operators)};

struct CheckpointSettings {
  std::string architecture, backbone, head;
  uint64_t seed;
};
template <>
inline constexpr auto fields<CheckpointSettings> = std::tuple{
    field("architecture", &CheckpointSettings::architecture), field("seed", &CheckpointSettings::seed),
    field("backbone", &CheckpointSettings::backbone), field("head", &CheckpointSettings::head)};

/// An object of two descriptions.
template <typename First, typename Second>
struct Js<std::pair<First, Second>> {
  static std::pair<First, Second> from(const Napi::Value& value, const char* what) {
    return {from_js<First>(value, what), from_js<Second>(value, what)};
  }
};

namespace {

/// Of either kind. Throws INVALID_ARGUMENT with the segmentors' names.
NetworkShape shape_named(const std::string& architecture) {
  return is_detector_preset(architecture) ? network_shape(detector_preset(architecture))
                                          : network_shape(preset(architecture));
}

/// What tells random networks apart; `backbone`: the network that the backbone is of, if it was not drawn.
std::string random_id(const InitSettings& settings, const std::string& backbone = "") {
  const std::string text = "random weights\n" + settings.architecture + "\n" +
                           std::to_string(settings.random.seed) + "\n" + dtype_name(settings.dtype) +
                           (backbone.empty() ? "" : "\n" + backbone);
  Sha256 hash;
  hash.update(text.data(), text.size());
  return hash.hex();
}

std::shared_ptr<SegmentationModel> init_model(const std::pair<InitSettings, ModelPlacement>& options) {
  const auto& [settings, placement] = options;
  const NetworkShape shape = network_shape(preset(settings.architecture));
  return std::make_shared<SegmentationModel>(settings.name(), random_id(settings),
                                             init_network(shape, settings.dtype, settings.random), placement);
}

std::shared_ptr<DetectionModel> init_detector(const std::pair<InitSettings, DetectorPlacement>& options) {
  const auto& [settings, placement] = options;
  const NetworkShape shape = network_shape(detector_preset(settings.architecture));
  std::string name = settings.name();
  if (!placement.share_with)
    return std::make_shared<DetectionModel>(
        name, random_id(settings), init_network(shape, settings.dtype, settings.random), placement, 0);
  const SegmentationModel& segmentor = *placement.share_with;
  const auto backbone = backbone_of(segmentor, shape.backbone, settings.dtype, settings.random.device, name);
  uint64_t bytes = 0;
  for (const NamedTensor& each : backbone) bytes += each.tensor.nbytes();
  name += " and the backbone of " + segmentor.path();
  return std::make_shared<DetectionModel>(name, random_id(settings, segmentor.id()),
                                          init_network(shape, settings.dtype, settings.random, backbone),
                                          placement, bytes);
}

ToJs write_random_model(const InitSettings& settings, const std::string& path) {
  const std::string& name = settings.architecture;
  write_random_network(shape_named(name), settings.dtype, settings.random, path);
  if (is_detector_preset(name))
    return [dims = detector_preset(name)](Napi::Env env) { return to_js(env, plan_of(dims)); };
  return [dims = preset(name)](Napi::Env env) { return to_js(env, plan_of(dims, dims.classes)); };
}

auto plan_architecture(const std::string& name, int64_t classes) { return plan_of(preset(name), classes); }

auto plan_detector_architecture(const std::string& name) { return plan_of(detector_preset(name)); }

at::Tensor random_values(const InitSettings& settings, const std::string& name) {
  const auto path = settings.operators ? RandomPath::operators : RandomPath::by_device;
  const NetworkShape shape = shape_named(settings.architecture);
  for (const auto& keys : {shape.backbone, shape.head})
    for (const KeyShape& key : keys)
      if (key.name == name) return apply_dtype(key, draw_tensor(key, settings.random, path), settings.dtype);
  fail("INVALID_ARGUMENT", settings.architecture, " has no key ", name);
}

void init_files(const CheckpointSettings& settings) {
  const auto checkpoint = init_checkpoint(shape_named(settings.architecture), settings.seed);
  const std::map<std::string, std::string> metadata{{"origin", "random weights, synthetic"},
                                                    {"architecture", settings.architecture},
                                                    {"seed", std::to_string(settings.seed)}};
  write_safetensors(settings.backbone, checkpoint.backbone, metadata);
  write_safetensors(settings.head, checkpoint.head, metadata);
}

const Methods init_methods{
    job<Lane::model, &init_model>("initModel", "options"),
    job<Lane::model, &init_detector>("initDetector", "options"),
    job<Lane::prepare, &write_random_model>("writeRandomModel", "options", "path"),
    call<&plan_architecture>("planArchitecture", "name", "classes"),
    call<&plan_detector_architecture>("planDetectorArchitecture", "name"),
    job<Lane::prepare, &random_values>("randomTensor", "options", "key"),
    job<Lane::prepare, &init_files>("initCheckpoint", "options"),
};

}  // namespace
}  // namespace dinov3_seg
