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
  std::string container;  ///< the keys that lead to the tensors ("model"); empty: the top-level dict
  std::vector<std::string> ignored;  ///< other top-level keys with tensors below them
};

/// The state dict of a torch.save file, by these rules:
/// - tensors of more than one element at the top: the top-level dict itself;
/// - otherwise the one of `model`, `state_dict`, `model_state_dict`, `teacher` and `student` that holds
///   tensors, by the same rules; a teacher is preferred to a student;
/// - otherwise one-element tensors at the top: the top-level dict.
/// Numbers, strings, booleans and one-element tensors beside the chosen dict become metadata.
/// Containers of tensors beside tensors are an error. Throws CHECKPOINT_FORMAT, naming the file by `where`.
StateDict find_state_dict(const PickleTree& pickle, const std::string& where);

/// Parameters, buffers and other tensor attributes of a TorchScript module, under their dotted names.
StateDict find_module_tensors(const PickleTree& pickle, const std::string& where);

}  // namespace dinov3_seg
