// A network's module as it is run: on its device, in eval mode, without gradients.
#pragma once

#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/device_launches.h"
#include "core/normalization.h"
#include "core/tf32.h"
#include "core/time_limit.h"
#include "models/cuda_graph_runner.h"
#include "models/float16_module.h"
#include "models/folded_chains.h"
#include "models/precision.h"
#include "models/size_constants.h"
#include "models/weight_stream.h"

namespace dinov3_seg {

/// Where and how a network runs.
struct ModelPlacement {
  c10::Device device = c10::kCPU;
  std::string dtype = "stored";  // or float32, bfloat16 (see models/builder.h for what is cast)
  NetworkPrecision precision = NetworkPrecision::reference;
  bool graphs = false;  // CUDA graphs, where the kernels for CUDA are there
  int replica = 0;      // number of the network on its device, from 0
  // Blocks whose weights stay on the device; those of the others, and of the decoder, are streamed
  // (weight_stream.h). Without a number all stay.
  std::optional<int64_t> resident_blocks;
  /// That of the network whose backbone this one shares.
  std::shared_ptr<WeightStream> stream = nullptr;
  bool trust_code = false;  // whether the file's code may use any operator
  double pass_seconds = 0;  // that one pass may take; 0: any time
};

/// A network's module as its file has it; the one that predicts where its chains are folded; and the one that
/// predicts first, with the decoder in float16.
struct NetworkModules {
  torch::jit::Module stored;
  std::optional<torch::jit::Module> folded, float16;

  /// Those beside the stored one.
  std::vector<const torch::jit::Module*> beside() const {
    std::vector<const torch::jit::Module*> all;
    for (const auto* each : {&folded, &float16})
      if (*each) all.push_back(&**each);
    return all;
  }
};

/// Where a network comes from.
struct NetworkOrigin {
  std::string path;  // its file; of one without a file, a name for messages
  std::string id;    // tells networks apart: SHA-256 over names, sizes and checksums of the file's records
  std::optional<Normalization> normalization;  // as recorded in the file
};
/// Of a TorchScript file, whose weights are not read. Throws what network_archive() throws, and MODEL_FORMAT
/// for a damaged record.
NetworkOrigin origin_of(const std::string& path);

class NetworkModule;
/// Bytes of the memory that networks hold for their weights; what they share, or tensors of one share, counts
/// once.
uint64_t storage_bytes(const std::vector<const NetworkModule*>& networks);

/// Blocks that are brought to the device before the network is cast or quantised: none where it is, since
/// they may fit only afterwards. Without a number all.
std::optional<int64_t> resident_until_cast(const ModelPlacement& placement);

/// The dtype that a placement asks for by name. Throws INVALID_ARGUMENT for others than float32 and bfloat16.
at::ScalarType cast_target(const std::string& dtype);

/// What all kinds of networks have in common. Not thread-safe: one job at a time.
class NetworkModule {
 public:
  const std::string& path() const { return origin_.path; }
  const std::string& id() const { return origin_.id; }
  /// Of the images that it takes.
  const Normalization& normalization() const {
    return origin_.normalization ? *origin_.normalization : lvd_normalization;
  }
  c10::Device device() const { return placement_.device; }
  /// Number of the replica on its device, from 0: a lane of the job queue each.
  int replica() const { return placement_.replica; }
  const ModelPlacement& placement() const { return placement_; }
  /// As the file has it: what is saved, and what `taps` runs.
  const torch::jit::Module& module() const { return modules_.stored; }
  const NetworkModules& modules() const { return modules_; }
  /// What runs a method.
  const torch::jit::Module& running(const std::string& method) const {
    return modules_.folded && is_folded_method(method) ? *modules_.folded : modules_.stored;
  }
  /// Dtype of most of the network's parameters; of quantised ones that of their products, bfloat16.
  at::ScalarType dtype() const;
  int64_t parameters() const;
  int64_t size_bytes() const;
  /// Of what the other modules hold beside the parameters.
  int64_t bytes_beside() const;
  /// What brings weights to the device; null where all are there. Networks that share a
  /// backbone share it.
  const std::shared_ptr<WeightStream>& stream() const { return placement_.stream; }
  /// What was seen in float16 so far; null where nothing computes in it.
  const std::shared_ptr<Float16Use>& float16_use() const { return float16_use_; }
  /// For tests: runs the decoder in float16 from now on, as a placement on CUDA with this precision does, on
  /// the CPU too.
  void use_float16();
  torch::jit::named_parameter_list parameters_by_name() const { return module().named_parameters(); }
  torch::jit::named_buffer_list buffers_by_name() const { return module().named_buffers(); }

 protected:
  /// Takes a network that is on the placement's device in its dtype already. Throws MODEL_FORMAT where one of
  /// the methods `required` is missing; `expected` says what it should have been. `methods`: all that may be
  /// run.
  NetworkModule(NetworkOrigin origin, torch::jit::Module module, const ModelPlacement& placement,
                const std::vector<const char*>& required, const std::vector<const char*>& methods,
                const char* expected);

  /// A network that a copy of its module makes (replica.h), on another device or beside it.
  NetworkModule(const NetworkModule& first, NetworkModules modules, const ModelPlacement& placement);

  const NetworkOrigin& origin() const { return origin_; }
  CudaGraphRunner& runner() { return runner_; }

  /// A size of the one parameter whose name is or ends in `key`; 0 where there is none.
  int64_t parameter_size(const std::string& key, int64_t dimension) const;

  /// While kernels of the module that predicts first are launched.
  Tf32Guard float32_mode() const { return {device(), tf32_ && !modules_.float16}; }

  /// `function` of the images on the device in float32, in the mode that networks run in.
  template <typename Function>
  auto in_run(const char* method, const at::Tensor& images, Function function) {
    return within_seconds(placement_.pass_seconds, path(),
                          [&] { return run_now(method, images, std::move(function)); });
  }
  template <typename Function>
  auto run_now(const char* method, const at::Tensor& images, Function function) {
    say_running(method, images);
    const c10::InferenceMode inference;
    // The optimising executor specialises and compiles for every new shape, seconds a time, and gains nothing
    // here.
    const torch::jit::GraphOptimizerEnabledGuard plain_interpreter(false);
    const StreamInUse streaming(stream().get());
    if (images.dim() == 4 && !(constants_ && constants_->are_of(images.size(2), images.size(3))))
      constants_ = std::make_shared<SizeConstants>(images.size(2), images.size(3));
    const SizeConstantsInUse known(constants_.get());
    const auto pass = [&] { return function(images.to(device(), at::kFloat)); };
    if (device().is_cpu() || !is_first(method)) return pass();
    std::optional<decltype(pass())> result;
    while_devices_idle([&] { result = pass(); });
    return std::move(*result);
  }
  c10::IValue call(const char* method, const at::Tensor& images);
  /// The float32 results of a method that gives a tensor, or a tuple of them. `decodes`: whether it runs the
  /// decoder.
  CudaGraphRunner::Tensors run(const char* method, const at::Tensor& images, bool decodes);

 private:
  /// `chains`: those that are folded in the network.
  void use_float16(std::optional<FoldedChains> chains);
  static void say_running(const char* method, const at::Tensor& images);
  /// Tells the stream what a pass of the method that predicts uses.
  void expect_matrices();
  /// Whether the method has not run yet; from now on it has.
  bool is_first(const char* method) { return methods_run_.insert(method).second; }

  NetworkOrigin origin_;
  std::optional<FoldedChains> chains_;  // until the network is made
  ModelPlacement placement_;
  NetworkModules modules_;
  bool tf32_ = false;
  std::shared_ptr<Float16Use> float16_use_;  // of all replicas
  /// Of the size of the last pass.
  std::shared_ptr<SizeConstants> constants_;
  CudaGraphRunner runner_;
  std::set<std::string> methods_run_;
};

}  // namespace dinov3_seg
