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
#include "models/await_weights.h"
#include "models/graph_passes.h"
#include "models/network_outputs.h"
#include "models/product_inputs.h"
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
    for (const auto* running : network->modules().beside())
      for (const at::Tensor& parameter : running->parameters()) add(parameter);
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
    cast_decoder(module,
                 [](const std::string&, const at::Tensor& weight) { return weight.to(at::kBFloat16); });
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
      modules_{std::move(module), std::nullopt, std::nullopt},
      runner_(may_record(placement_)) {
  torch::jit::Module& stored = modules_.stored;
  for (const char* method : required)
    if (!stored.find_method(method))
      fail("MODEL_FORMAT", path(), " has no method ", method, "(images): expected ", expected,
           " made by convert, or one with its methods");
  stored.eval();
  const bool mixed = dtype() == at::kBFloat16;
  const NetworkPrecision precision = decoder_precision(placement.precision);
  const bool float16 = precision == NetworkPrecision::float16;
  tf32_ = (precision == NetworkPrecision::tf32 || float16) && mixed && device().is_cuda();
  for (at::Tensor parameter : stored.parameters()) {
    parameter.set_requires_grad(false);
    // conv_input (common.py) hands maps over in this layout then, as the products before leave them. In
    // float32 proper cuDNN takes many times longer on it.
    const bool dense = parameter.dim() == 4 && parameter.size(1) > 1;
    if (device().is_cuda() && dense && (tf32_ || parameter.scalar_type() == at::kBFloat16))
      parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
  }
  if (chains_) modules_.folded = folded_network(stored, *chains_, device(), stream().get());
  for (const char* method : methods) run_graph_passes(running(method), method);
  if (float16 && tf32_) use_float16(std::move(chains_));
  guard_functions(stored);
  chains_.reset();
  if (stream() && stream() != placement.stream) expect_matrices();
}

NetworkModule::NetworkModule(const NetworkModule& first, NetworkModules modules,
                             const ModelPlacement& placement)
    : origin_(first.origin_),
      placement_(placement),
      modules_(std::move(modules)),
      tf32_(first.tf32_),
      float16_use_(first.float16_use_),
      runner_(may_record(placement_)) {}

void NetworkModule::use_float16() {
  std::optional<FoldedChains> chains;
  if (modules_.folded) {
    const StoredWeights values(module(), stream().get());
    chains = fold_chains(module());
  }
  use_float16(std::move(chains));
}

void NetworkModule::use_float16(std::optional<FoldedChains> chains) {
  if (chains && modules_.folded) share_products(*chains, *modules_.folded);
  modules_.float16 = float16_module(module(), chains, device(), stream().get(), path());
  if (!modules_.float16) return;
  float16_use_ = std::make_shared<Float16Use>();
  // A detector's `forward` is what decodes. Without chains the code is that of the stored module.
  const bool has_decode = module().find_method("decode").has_value();
  if (chains)
    for (const char* method :
         has_decode ? std::vector{"decode", "decode_with_features", "decode_with_layer_features"}
                    : std::vector{"forward"})
      run_graph_passes(*modules_.float16, method);
  if (stream() && modules_.float16->find_method("decode")) expect_matrices();
}

void NetworkModule::expect_matrices() {
  for (const char* method : {"decode", "features"}) {
    const bool in_float16 = modules_.float16 && is_folded_method(method);
    const torch::jit::Module& module = in_float16 ? *modules_.float16 : running(method);
    if (module.find_method(method)) return stream()->expect(awaited_matrices(module, method));
  }
}

void NetworkModule::say_running(const char* method, const at::Tensor& images) {
  say_doing(c10::str("Running the network (", method, ") on images ", images.sizes()));
}

c10::IValue NetworkModule::call(const char* method, const at::Tensor& images) {
  return in_run(method, images, [&](const at::Tensor& input) {
    const Tf32Guard mode(device(), tf32_);
    return module().get_method(method)({input});
  });
}

CudaGraphRunner::Tensors NetworkModule::run(const char* method, const at::Tensor& images, bool decodes) {
  using Tensors = CudaGraphRunner::Tensors;
  const auto results = [&](const torch::jit::Module& module, const at::Tensor& input) {
    return network_outputs(path(), method, module.get_method(method)({input}), input);
  };
  const std::string first = std::string(method) + " in float16";
  const auto in_float16 = [&](const Tensors& inputs) {
    const Tf32Guard mode(device(), false);
    const Float16Range range(device());
    Tensors tensors = results(*modules_.float16, inputs[0]);
    // What the last products gave goes into none: infinite there, it is no number in these sums.
    for (const at::Tensor& output : {tensors.at(0), tensors.at(1)}) {
      const at::Tensor sum = output.sum();
      range.largest().add_(sum - sum);
    }
    tensors.push_back(range.largest());
    return tensors;
  };
  const auto in_float32 = [&](const Tensors& inputs) {
    // Beside float16, TF32 is for a pass that is run again: the backbone alone has no products in float32.
    const Tf32Guard mode(device(), tf32_ && (decodes || !modules_.float16));
    return results(running(method), inputs[0]);
  };
  if (decodes && modules_.float16) {
    Tensors tensors = in_run(first.c_str(), images, [&](const at::Tensor& input) {
      return runner_.run(first, {input}, in_float16, constants_);
    });
    // Waits for the pass: what it gave must not be used before its range is known.
    const float largest = tensors.back().item<float>();
    tensors.pop_back();
    if (float16_use_->holds(largest, path())) return tensors;
  }
  return in_run(method, images, [&](const at::Tensor& input) {
    return runner_.run(method, {input}, in_float32, constants_);
  });
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

int64_t NetworkModule::bytes_beside() const {
  std::unordered_set<const c10::StorageImpl*> seen;
  for (const at::Tensor& parameter : module().parameters())
    seen.insert(parameter.storage().unsafeGetStorageImpl());
  int64_t bytes = 0;
  for (const auto* running : modules_.beside())
    for (const at::Tensor& parameter : running->parameters())
      if (seen.insert(parameter.storage().unsafeGetStorageImpl()).second)
        bytes += static_cast<int64_t>(parameter.nbytes());
  return bytes;
}

}  // namespace dinov3_seg
