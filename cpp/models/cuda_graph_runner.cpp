#include "models/cuda_graph_runner.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <memory>

#include "core/available_memory.h"

namespace dinov3_seg {
namespace {

using Tensors = CudaGraphRunner::Tensors;

bool same_form(const at::Tensor& a, const at::Tensor& b) {
  return a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type() && a.device() == b.device();
}

Tensors copies_of(const Tensors& tensors) {
  Tensors copies;
  for (const at::Tensor& tensor : tensors) copies.push_back(tensor.clone(at::MemoryFormat::Contiguous));
  return copies;
}

}  // namespace

CudaGraphRunner::Recording* CudaGraphRunner::find(const std::string& name, const Tensors& inputs) {
  const auto found = std::find_if(recordings_.begin(), recordings_.end(), [&](const Recording& each) {
    return each.name == name &&
           std::equal(inputs.begin(), inputs.end(), each.inputs.begin(), each.inputs.end(), same_form);
  });
  if (found == recordings_.end()) return nullptr;
  recordings_.splice(recordings_.begin(), recordings_, found);
  return &recordings_.front();
}

/// Puts what was seen, with the form of its inputs alone, before the others.
void CudaGraphRunner::remember(const std::string& name, const Tensors& inputs, bool refused) {
  Tensors forms;
  for (const at::Tensor& input : inputs)
    forms.push_back(at::empty({}, input.options()).expand(input.sizes()));
  recordings_.push_front({name, forms, {}, nullptr, refused, nullptr});
  if (recordings_.size() > most) recordings_.pop_back();
}

Tensors CudaGraphRunner::run(const std::string& name, const Tensors& inputs,
                             const std::function<Tensors(const Tensors&)>& function,
                             const std::shared_ptr<const void>& held) {
  bool refused = false;
  try {
    return attempt(name, inputs, function, held);
  } catch (const std::exception& error) {
    // On the CPU nothing is held that could go.
    const bool may_help = enabled_ || !inputs.front().device().is_cpu();
    if (!may_help || !is_out_of_memory(error)) throw;
    // Seen before: it was to be recorded, or was, and now is not again.
    refused = enabled_ && find(name, inputs) != nullptr;
  }
  clear();
  release_cached_memory();
  Tensors outputs = function(inputs);
  if (refused) remember(name, inputs, true);
  return outputs;
}

Tensors CudaGraphRunner::attempt(const std::string& name, const Tensors& inputs,
                                 const std::function<Tensors(const Tensors&)>& function,
                                 const std::shared_ptr<const void>& held) {
  if (!enabled_) return function(inputs);
  Recording* recording = find(name, inputs);
  if (!recording) {
    // An ordinary pass first: libraries set themselves up in it, which cannot be recorded.
    Tensors outputs = function(inputs);
    remember(name, inputs, false);
    return outputs;
  }
  if (recording->refused) return function(inputs);
  if (!recording->graph) {
    Recording made{name, copies_of(inputs), {}, nullptr, false, held};
    made.graph = std::make_unique<CudaGraph>(inputs.front().device());
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
