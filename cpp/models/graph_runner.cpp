#include "models/graph_runner.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <memory>

namespace dinov3_seg {
namespace {

using Tensors = GraphRunner::Tensors;

bool same_form(const at::Tensor& a, const at::Tensor& b) {
  return a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type() && a.device() == b.device();
}

Tensors copies_of(const Tensors& tensors) {
  Tensors copies;
  for (const at::Tensor& tensor : tensors) copies.push_back(tensor.clone(at::MemoryFormat::Contiguous));
  return copies;
}

}  // namespace

GraphRunner::Recording* GraphRunner::find(const std::string& name, const Tensors& inputs) {
  const auto found = std::find_if(recordings_.begin(), recordings_.end(), [&](const Recording& each) {
    return each.name == name &&
           std::equal(inputs.begin(), inputs.end(), each.inputs.begin(), each.inputs.end(), same_form);
  });
  if (found == recordings_.end()) return nullptr;
  recordings_.splice(recordings_.begin(), recordings_, found);
  return &recordings_.front();
}

Tensors GraphRunner::run(const std::string& name, const Tensors& inputs,
                         const std::function<Tensors(const Tensors&)>& function) {
  if (!enabled_) return function(inputs);
  Recording* recording = find(name, inputs);
  if (!recording) {
    // An ordinary pass first: libraries set themselves up in it, which cannot be recorded.
    Tensors outputs = function(inputs);
    Tensors forms;
    for (const at::Tensor& input : inputs)
      forms.push_back(at::empty({}, input.options()).expand(input.sizes()));
    recordings_.push_front({name, forms, {}, nullptr});
    if (recordings_.size() > most) recordings_.pop_back();
    return outputs;
  }
  if (!recording->graph) {
    Recording made{name, copies_of(inputs), {}, nullptr};
    made.graph = std::make_unique<DeviceGraph>(inputs.front().device());
    try {
      made.outputs = function(made.inputs);
    } catch (...) {
      try {
        made.graph->end();
      } catch (const std::exception&) {
        // It was cut off by the first error, which tells why.
      }
      throw;
    }
    made.graph->end();
    *recording = std::move(made);
  } else {
    for (size_t i = 0; i < inputs.size(); ++i) recording->inputs[i].copy_(inputs[i]);
  }
  recording->graph->replay();
  return copies_of(recording->outputs);
}

}  // namespace dinov3_seg
