#include "models/part_times.h"

#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>

#include <chrono>

#include "core/error.h"
#include "models/graph_passes.h"
#include "models/segmentor_plan.h"

namespace dinov3_seg {
namespace {

using Tensors = CudaGraphRunner::Tensors;
using torch::jit::Module;

Module child(const Module& module, const char* name) {
  if (!module.hasattr(name))
    fail("MODEL_FORMAT", "the network has no part ", name, ": use a network made by convert");
  return module.attr(name).toModule();
}

void wait(const c10::Device& device) {
  if (!device.is_cpu()) at::accelerator::synchronizeDevice(device.index());
}

c10::List<at::Tensor> list_of(const Tensors& tensors, size_t first) {
  c10::List<at::Tensor> list;
  for (size_t i = first; i < tensors.size(); ++i) list.push_back(tensors[i]);
  return list;
}

}  // namespace

std::vector<PartTime> part_times(const Module& module, const at::Tensor& images, CudaGraphRunner& runner,
                                 int64_t repeat) {
  std::vector<PartTime> times;
  const auto measure = [&](const char* name, const Tensors& inputs,
                           const std::function<Tensors(const Tensors&)>& function) {
    Tensors outputs;
    for (int warm = 0; warm < 3; ++warm) outputs = runner.run(name, inputs, function);
    wait(images.device());
    const auto start = std::chrono::steady_clock::now();
    for (int64_t i = 0; i < repeat; ++i) outputs = runner.run(name, inputs, function);
    wait(images.device());
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    times.push_back({name, took.count() / static_cast<double>(repeat)});
    runner.clear();
    return outputs;
  };
  if (module.find_method("decode_tokens") && module.find_method("tokens")) {  // EoMT
    for (const char* method : {"tokens", "decode_tokens"}) run_graph_passes(module, method);
    const Tensors tokens = measure("backbone", {images}, [&](const Tensors& in) {
      return Tensors{module.get_method("tokens")({in[0]}).toTensor()};
    });
    measure("mask_head", {images, tokens[0]}, [&](const Tensors& in) {
      const auto result = module.get_method("decode_tokens")({in[0], in[1]}).toTupleRef().elements().vec();
      return Tensors{result.at(0).toTensor(), result.at(1).toTensor()};
    });
    return times;
  }
  if (module.find_method("encode") && module.find_method("propose") && module.find_method("predict")) {
    const Module backbone = child(module, "backbone");
    run_graph_passes(backbone, "parts");
    for (const char* method : {"encode", "propose", "predict"}) run_graph_passes(module, method);
    const int64_t height = images.size(2), width = images.size(3);
    const auto both = [](const c10::IValue& result) {
      const auto& elements = result.toTupleRef().elements();
      return Tensors{elements.at(0).toTensor(), elements.at(1).toTensor()};
    };
    const Tensors parts = measure(
        "backbone", {images}, [&](const Tensors& in) { return both(backbone.get_method("parts")({in[0]})); });
    const Tensors encoded = measure("encoder", parts, [&](const Tensors& in) {
      return both(module.get_method("encode")({in[0], in[1]}));
    });
    const Tensors boxes = measure("proposals", {encoded[0]}, [&](const Tensors& in) {
      return Tensors{module.get_method("propose")({in[0], height, width}).toTensor()};
    });
    measure("decoder", {encoded[0], encoded[1], boxes[0]}, [&](const Tensors& in) {
      return both(module.get_method("predict")({in[0], in[1], in[2], height, width}));
    });
    return times;
  }
  const Module model = child(module, "segmentation_model");
  const Module adapter = child(model, "0");
  const Module backbone = child(adapter, "backbone");
  run_graph_passes(backbone, "forward");
  const Tensors tokens = measure("backbone", {images}, [&](const Tensors& in) {
    return backbone.get_method("forward")({in[0]}).toTensorVector();
  });
  if (!module.find_method("decode")) return times;

  const Module head = child(model, "1");
  const Module pixel_decoder = child(head, "pixel_decoder"), predictor = child(head, "predictor");
  for (const Module& part : {adapter, pixel_decoder, predictor}) run_graph_passes(part, "forward");
  Tensors taps{images};
  const int64_t patches = images.size(2) / patch_size * (images.size(3) / patch_size);
  for (const at::Tensor& layer : tokens) taps.push_back(layer.slice(1, layer.size(1) - patches));
  const Tensors maps = measure("adapter", taps, [&](const Tensors& in) {
    return adapter.get_method("forward")({in[0], list_of(in, 1)}).toTensorVector();
  });
  const Tensors decoded = measure("pixel_decoder", maps, [&](const Tensors& in) {
    const auto result = pixel_decoder.get_method("forward")({list_of(in, 0)}).toTupleRef().elements().vec();
    Tensors out{result.at(0).toTensor()};
    for (const at::Tensor& level : result.at(1).toTensorVector()) out.push_back(level);
    return out;
  });
  measure("predictor", decoded, [&](const Tensors& in) {
    const auto result =
        predictor.get_method("forward")({list_of(in, 1), in[0]}).toTupleRef().elements().vec();
    return Tensors{result.at(0).toTensor(), result.at(1).toTensor()};
  });
  return times;
}

}  // namespace dinov3_seg
