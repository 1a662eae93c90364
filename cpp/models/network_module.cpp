#include "models/network_module.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <map>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/job_control.h"
#include "models/archive.h"
#include "models/graph_passes.h"
#include "models/quantized_blocks.h"
#include "ops/quantized_ops.h"

namespace dinov3_seg {

uint64_t storage_bytes(const std::vector<const NetworkModule*>& networks) {
  std::unordered_set<const c10::StorageImpl*> seen;
  uint64_t bytes = 0;
  const auto add = [&](const at::Tensor& tensor) {
    const c10::StorageImpl* storage = tensor.storage().unsafeGetStorageImpl();
    if (seen.insert(storage).second) bytes += storage->nbytes();
  };
  for (const NetworkModule* network : networks) {
    for (const auto& entry : network->parameters_by_name()) add(entry.value);
    for (const auto& entry : network->buffers_by_name()) add(entry.value);
    if (const auto& folded = network->modules().folded)
      for (const at::Tensor& parameter : folded->parameters()) add(parameter);
  }
  return bytes;
}

std::optional<int64_t> resident_until_cast(const ModelPlacement& placement) {
  const bool cast = placement.dtype != "stored" && placement.resident_blocks;
  if (cast || placement.precision == NetworkPrecision::fp8) return 0;
  return placement.resident_blocks;
}

at::ScalarType cast_target(const std::string& dtype) {
  if (dtype == "float32") return at::kFloat;
  if (dtype == "bfloat16") return at::kBFloat16;
  fail("INVALID_ARGUMENT", "unknown dtype '", dtype, "': expected stored, float32 or bfloat16");
}

NetworkOrigin origin_of(const std::string& path) {
  const ZipReader archive = network_archive(path);
  return {path, archive.content_id(), recorded_normalization(archive)};
}

namespace {

constexpr int64_t all_blocks = std::numeric_limits<int64_t>::max();

at::ScalarType most_frequent_dtype(const torch::jit::Module& module) {
  std::map<at::ScalarType, int64_t> elements;
  for (const at::Tensor& parameter : module.parameters())
    elements[is_quantized(parameter) ? at::kBFloat16 : parameter.scalar_type()] += parameter.numel();
  const auto most = std::max_element(elements.begin(), elements.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == elements.end() ? at::kFloat : most->first;
}

/// Brings the weights where they are to be, in the dtype that their precision has them in: that is settled
/// before any are streamed. Gives the placement a stream, where some are.
ModelPlacement place_weights(ModelPlacement placement, const torch::jit::Module& module) {
  const bool quantized = placement.precision == NetworkPrecision::fp8;
  if (quantized)
    quantize_blocks(module, placement.device, placement.resident_blocks);
  else if (placement.precision == NetworkPrecision::fast && most_frequent_dtype(module) == at::kBFloat16)
    cast_pixel_decoder(module);
  // What is quantised was left on the host (resident_until_cast), also where all is to be on the device.
  if (!placement.stream && (quantized || placement.resident_blocks))
    placement.stream =
        WeightStream::make(module, placement.device, placement.resident_blocks.value_or(all_blocks));
  return placement;
}

/// A recording would replay one pass's copies, whatever the buffers hold.
bool may_record(const ModelPlacement& placement) {
  return placement.graphs && placement.device.is_cuda() && !placement.stream && has_cuda_graphs();
}

}  // namespace

NetworkModule::NetworkModule(NetworkOrigin origin, torch::jit::Module module, const ModelPlacement& placement,
                             const std::vector<const char*>& required,
                             const std::vector<const char*>& methods, const char* expected)
    : origin_(std::move(origin)),
      // Of the values that the file has, and while they are there: casts round, and streams take them away.
      chains_(placement.precision == NetworkPrecision::reference ? std::nullopt : fold_chains(module)),
      placement_(place_weights(placement, module)),
      modules_{std::move(module), std::nullopt},
      runner_(may_record(placement_)) {
  torch::jit::Module& stored = modules_.stored;
  for (const char* method : required)
    if (!stored.find_method(method))
      fail("MODEL_FORMAT", path(), " has no method ", method, "(images): expected ", expected,
           " made by convert, or one with its methods");
  stored.eval();
  const bool mixed = dtype() == at::kBFloat16;
  const NetworkPrecision precision =
      decoder_precision(placement.precision, stored.find_method("decode").has_value());
  tf32_ = precision == NetworkPrecision::tf32 && mixed && device().is_cuda();
  for (at::Tensor parameter : stored.parameters()) {
    parameter.set_requires_grad(false);
    // conv_input (common.py) hands maps over in this layout then, as the products before leave them. In
    // float32 proper cuDNN takes many times longer on it.
    const bool dense = parameter.dim() == 4 && parameter.size(1) > 1;
    if (device().is_cuda() && dense && (tf32_ || parameter.scalar_type() == at::kBFloat16))
      parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
  }
  if (chains_) modules_.folded = folded_segmentor(stored, *chains_, device(), stream().get());
  chains_.reset();
  for (const char* method : methods) run_graph_passes(running(method), method);
}

NetworkModule::NetworkModule(const NetworkModule& first, NetworkModules modules,
                             const ModelPlacement& placement)
    : origin_(first.origin_),
      placement_(placement),
      modules_(std::move(modules)),
      tf32_(first.tf32_),
      runner_(may_record(placement_)) {}

void NetworkModule::say_running(const char* method, const at::Tensor& images) {
  say_doing(c10::str("Running the network (", method, ") on images ", images.sizes()));
}

c10::IValue NetworkModule::call(const char* method, const at::Tensor& images) {
  return in_run(method, images, [&](const at::Tensor& input) {
    const Tf32Guard mode = float32_mode();
    return module().get_method(method)({input});
  });
}

CudaGraphRunner::Tensors NetworkModule::run(const char* method, const at::Tensor& images) {
  const auto results = [&](const CudaGraphRunner::Tensors& inputs) {
    const Tf32Guard mode = float32_mode();
    const c10::IValue result = running(method).get_method(method)({inputs[0]});
    if (result.isTensor()) return CudaGraphRunner::Tensors{result.toTensor().to(at::kFloat)};
    CudaGraphRunner::Tensors tensors;
    for (const c10::IValue& item : result.toTupleRef().elements())
      tensors.push_back(item.toTensor().to(at::kFloat));
    return tensors;
  };
  return in_run(method, images,
                [&](const at::Tensor& input) { return runner_.run(method, {input}, results); });
}

at::ScalarType NetworkModule::dtype() const { return most_frequent_dtype(module()); }

int64_t NetworkModule::parameter_size(const std::string& key, int64_t dimension) const {
  for (const auto& [name, parameter] : parameters_by_name())
    if (name.ends_with(key) && parameter.dim() > dimension) return parameter.size(dimension);
  return 0;
}

int64_t NetworkModule::parameters() const {
  int64_t count = 0;
  for (const at::Tensor& parameter : module().parameters()) count += parameter.numel();
  return count;
}

int64_t NetworkModule::size_bytes() const {
  int64_t bytes = 0;
  for (const at::Tensor& parameter : module().parameters()) bytes += static_cast<int64_t>(parameter.nbytes());
  return bytes;
}

int64_t NetworkModule::folded_bytes() const {
  if (!modules_.folded) return 0;
  std::unordered_set<const c10::StorageImpl*> shared;
  for (const at::Tensor& parameter : module().parameters())
    shared.insert(parameter.storage().unsafeGetStorageImpl());
  int64_t bytes = 0;
  for (const at::Tensor& parameter : modules_.folded->parameters())
    if (!shared.contains(parameter.storage().unsafeGetStorageImpl()))
      bytes += static_cast<int64_t>(parameter.nbytes());
  return bytes;
}

}  // namespace dinov3_seg
