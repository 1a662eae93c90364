// Networks with random weights.
#include <ATen/ATen.h>

#include <memory>
#include <string>

#include "bindings/placement.h"
#include "bindings/plans.h"
#include "core/sha256.h"
#include "models/init.h"
#include "models/presets.h"
#include "models/quantized_blocks.h"
#include "models/shared_backbone.h"

namespace dinov3_seg {

struct InitSettings {
  std::string architecture;
  at::ScalarType dtype;
  Randomness random;

  std::string name() const {
    return architecture + " with random weights of seed " + std::to_string(random.seed);
  }
};
template <>
inline constexpr auto fields<InitSettings> = std::tuple{
    field("architecture", &InitSettings::architecture), field<NetworkDtype>("dtype", &InitSettings::dtype),
    field("seed", [](InitSettings& settings) -> uint64_t& { return settings.random.seed; }),
    field("device", [](InitSettings& settings) -> c10::Device& { return settings.random.device; })};

/// An object with the fields of two structs.
template <typename First, typename Second>
struct Js<std::pair<First, Second>> {
  static std::pair<First, Second> from(const Napi::Value& value, const char* what) {
    return {from_js<First>(value, what), from_js<Second>(value, what)};
  }
};

namespace {

/// The id of a random network; `backbone` is the id of the network whose backbone it shares.
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
  const NetworkShape shape = segmentation_shape(settings.architecture);
  return std::make_shared<SegmentationModel>(NetworkOrigin{settings.name(), random_id(settings), {}},
                                             init_network(shape, settings.dtype, settings.random), placement);
}

std::shared_ptr<DetectionModel> init_detector(const std::pair<InitSettings, DetectorPlacement>& options) {
  const auto& [settings, placement] = options;
  const NetworkShape shape = network_shape(detector_preset(settings.architecture));
  std::string name = settings.name();
  if (!placement.share_with)
    return std::make_shared<DetectionModel>(NetworkOrigin{name, random_id(settings), {}},
                                            init_network(shape, settings.dtype, settings.random), placement,
                                            0);
  const SegmentationModel& segmentor = *placement.share_with;
  const auto backbone = backbone_of(segmentor, shape.backbone, settings.dtype, settings.random.device, name);
  uint64_t bytes = 0;
  for (const NamedTensor& each : backbone) bytes += each.tensor.nbytes();
  name += " and the backbone of " + segmentor.path();
  const torch::jit::Module module = init_network(shape, settings.dtype, settings.random, backbone);
  share_weight_scales(segmentor.module(), module);
  return std::make_shared<DetectionModel>(
      NetworkOrigin{name, random_id(settings, segmentor.id()), segmentor.normalization()}, module,
      sharing(placement, segmentor), bytes);
}

/// `classes`: outputs of a segmentor's trained head. Default: its own.
using Plan = std::variant<decltype(plan_of(DetectorDims())), decltype(plan_of(BackboneNetworkDims())),
                          decltype(plan_of(SegmentorDims(), 0)), decltype(plan_of(EomtDims(), 0))>;
Plan plan_architecture(const std::string& name, std::optional<int64_t> classes) {
  if (is_detector_preset(name)) return plan_of(detector_preset(name));
  if (is_backbone_preset(name)) return plan_of(backbone_preset(name));
  if (is_eomt_preset(name)) {
    const EomtDims dims = eomt_preset(name);
    return plan_of(dims, classes.value_or(dims.classes));
  }
  const SegmentorDims dims = preset(name);
  return plan_of(dims, classes.value_or(dims.classes));
}

Plan write_random_model(const InitSettings& settings, const std::string& path) {
  write_random_network(network_shape(settings.architecture), settings.dtype, settings.random, path);
  return plan_architecture(settings.architecture, {});
}

const Methods init_methods{
    job<Lane::model, &init_model>("initModel", "options"),
    job<Lane::model, &init_detector>("initDetector", "options"),
    job<Lane::prepare, &write_random_model>("writeRandomModel", "options", "path"),
    call<&plan_architecture>("planArchitecture", "name", "classes"),
};

}  // namespace
}  // namespace dinov3_seg
