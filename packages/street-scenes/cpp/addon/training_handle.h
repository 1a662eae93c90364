// The handle of a network in training, and what its bindings have in common.
#pragma once

#include <napi.h>

#include <initializer_list>
#include <utility>
#include <vector>

#include "bindings/handles.h"
#include "training/network_training.h"

namespace dinov3_seg {

template <>
struct HandleKind<NetworkTraining> {
  static constexpr napi_type_tag tag{0x6f1d0a5b9c5e4b2b, 0x9d2f3a7c81e64f0b};
  static constexpr const char* name = "training";
};

/// {scenes, views}
TrainingBatch training_batch_argument(const Napi::Value& value);
/// The classes of each view, an array of arrays.
std::vector<std::vector<int64_t>> class_lists(const Napi::Value& value);
Napi::Array class_lists_array(Napi::Env env, const std::vector<std::vector<int64_t>>& lists);
Napi::Object tensor_object(Napi::Env env, std::initializer_list<std::pair<const char*, at::Tensor>> tensors);

// Each file's exports.
void export_training(Napi::Env env, Napi::Object exports);
void export_detector_training(Napi::Env env, Napi::Object exports);

}  // namespace dinov3_seg
