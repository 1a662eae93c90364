// Finding the tensors among what a pickle holds.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "named_tensor.h"
#include "pickle_value.h"

namespace dinov3_seg {

struct StateDict {
  std::vector<NamedTensor> tensors;
  std::map<std::string, std::string> metadata;
};

/// The state dict of a torch.save file, by these rules:
/// - tensors of more than one element at the top: the top-level dict itself;
/// - otherwise the one of `model`, `state_dict` and `model_state_dict` that holds tensors;
/// - otherwise one-element tensors at the top: the top-level dict.
/// Numbers, strings, booleans and one-element tensors beside the chosen dict become metadata.
/// Containers of tensors beside tensors are an error. Throws CHECKPOINT_FORMAT, naming the file by `where`.
StateDict find_state_dict(const PickleTree& pickle, const std::string& where);

/// Parameters, buffers and other tensor attributes of a TorchScript module, under their dotted names.
StateDict find_module_tensors(const PickleTree& pickle, const std::string& where);

}  // namespace dinov3_seg
