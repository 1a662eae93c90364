// Operators for tests and benches alone: what the engine's results are compared with, and random checkpoints.
// operator_binding.cpp calls them by their names.
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/library.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "core/error.h"
#include "core/hungarian.h"
#include "core/safetensors.h"
#include "core/tf32.h"
#include "models/detection_model.h"
#include "models/init.h"
#include "models/segmentation_model.h"

namespace dinov3_seg {
namespace {

/// d_weight K×C and d_bias K of the mean cross entropy under one class_embed of weight K×C and bias K, by
/// libtorch's autograd instead of the formulas of ClassEmbedHeads::accumulate(). Queries B×Q×C, masks
/// B×Q×h×w, labels B×H×W; `dtype` of the linear layer.
std::tuple<at::Tensor, at::Tensor> class_embed_gradients(const at::Tensor& weight, const at::Tensor& bias,
                                                         const at::Tensor& queries, const at::Tensor& masks,
                                                         const at::Tensor& labels, at::ScalarType dtype) {
  const c10::AutoGradMode enabled(true);
  const at::Tensor w = weight.detach().clone().requires_grad_();
  const at::Tensor b = bias.detach().clone().requires_grad_();
  // clone(): inference tensors cannot be saved for backward.
  const at::Tensor logits = at::linear(queries.clone().to(dtype), w.to(dtype), b.to(dtype)).to(at::kFloat);
  const at::Tensor shares = masks.clone().to(at::kFloat).sigmoid();
  const at::Tensor scores = at::einsum("bqk,bqhw->bkhw", {at::softmax(logits, -1), shares});
  const at::Tensor resized = at::upsample_bilinear2d(scores, {labels.size(1), labels.size(2)}, false);
  at::cross_entropy_loss(resized, labels.to(resized.device(), at::kLong), {}, at::Reduction::Mean, 255)
      .backward();
  return {w.grad(), b.grad()};
}

/// int32: the column of each row of costs rows×columns, −1 for rows left over.
at::Tensor least_cost_assignment(const at::Tensor& costs) {
  if (costs.dim() != 2) fail("SHAPE", "expected costs rows×columns, got ", costs.sizes());
  const at::Tensor values = costs.to(at::kDouble).contiguous();
  const c10::ArrayRef<double> all(values.const_data_ptr<double>(), static_cast<size_t>(values.numel()));
  return at::tensor(assign_least_cost(all, costs.size(0), costs.size(1))).to(at::kInt);
}

/// Weights of one key of a checkpoint as a random network has them; `operators`: drawn as on a GPU, on any
/// device.
at::Tensor random_values(std::string architecture, int64_t seed, at::ScalarType dtype, at::Device device,
                         std::string key, bool operators) {
  const auto path = operators ? RandomPath::operators : RandomPath::by_device;
  const Randomness random{static_cast<uint64_t>(seed), device};
  const NetworkShape shape = network_shape(architecture);
  for (const auto& keys : {shape.backbone, shape.head})
    for (const KeyShape& each : keys)
      if (each.name == key) return apply_dtype(each, draw_tensor(each, random, path), dtype);
  fail("INVALID_ARGUMENT", architecture, " has no key ", key);
}

/// Writes random checkpoints: two .safetensors files.
void init_files(std::string architecture, int64_t seed, std::string backbone, std::string head) {
  const auto checkpoint = init_checkpoint(network_shape(architecture), static_cast<uint64_t>(seed));
  const std::map<std::string, std::string> metadata{{"origin", "random weights, synthetic"},
                                                    {"architecture", architecture},
                                                    {"seed", std::to_string(seed)}};
  write_safetensors(backbone, checkpoint.backbone, metadata);
  write_safetensors(head, checkpoint.head, metadata);
}

int64_t count_in(const torch::jit::Block& block, const std::string& name) {
  int64_t count = 0;
  for (const torch::jit::Node* node : block.nodes()) {
    count += node->kind().toQualString() == name ? 1 : 0;
    for (const torch::jit::Block* inner : node->blocks()) count += count_in(*inner, name);
  }
  return count;
}

/// How often an operator stands in what a method of a network (or, `detector`, of one) runs on the CPU.
int64_t count_operator(std::string path, std::string precision, std::string method, std::string name,
                       bool detector) {
  ModelPlacement placement;
  placement.precision = parse_network_precision(precision);
  const auto count = [&](const NetworkModule& model) {
    const torch::jit::GraphOptimizerEnabledGuard plain_interpreter(false);
    auto& function = torch::jit::toGraphFunction(model.running(method).get_method(method).function());
    return count_in(*function.optimized_graph()->block(), name);
  };
  return detector ? count(DetectionModel(path, placement)) : count(SegmentationModel(path, placement));
}

/// Threads that all want TF32, each inside until all are, then threads of which half want it. How often one
/// of these saw the other half's switch.
int64_t tf32_turns(int64_t threads, int64_t turns) {
  std::atomic<int64_t> inside = 0, wrong = 0;
  const c10::Device cuda(c10::kCUDA, 0);
  const auto meet = [&](int64_t) {
    const Tf32Guard mode(cuda, true);
    for (++inside; inside < threads;) std::this_thread::yield();
  };
  const auto take_turns = [&](int64_t n) {
    const bool allow = n % 2 == 0;
    for (int64_t i = 0; i < turns; ++i) {
      const Tf32Guard mode(cuda, allow);
      const Tf32Guard nested(cuda, !allow);
      for (int look = 0; look < 20; ++look) {
        if (at::globalContext().allowTF32CuBLAS() != allow) ++wrong;
        std::this_thread::yield();
      }
    }
  };
  const auto run = [&](const std::function<void(int64_t)>& work) {
    std::vector<std::thread> all;
    for (int64_t n = 0; n < threads; ++n) all.emplace_back(work, n);
    for (std::thread& thread : all) thread.join();
  };
  run(meet);
  run(take_turns);
  const Tf32Guard back(cuda, false);
  return wrong;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(dinov3_seg_reference, library) {
  library.def(
      "class_embed_gradients(Tensor weight, Tensor bias, Tensor queries, Tensor masks, Tensor labels, "
      "ScalarType dtype) -> (Tensor, Tensor)",
      class_embed_gradients);
  library.def("count_operator(str path, str precision, str method, str name, bool detector) -> int",
              count_operator);
  library.def("tf32_turns(int threads, int turns) -> int", tf32_turns);
  library.def("least_cost_assignment(Tensor costs) -> Tensor", least_cost_assignment);
  library.def(
      "random_tensor(str architecture, int seed, ScalarType dtype, Device device, str key, bool operators) "
      "-> Tensor",
      random_values);
  library.def("init_checkpoint(str architecture, int seed, str backbone, str head) -> ()", init_files);
}

}  // namespace dinov3_seg
