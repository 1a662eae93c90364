// The handle of a network in training.
#pragma once

#include "bindings/handles.h"
#include "training/network_training.h"

namespace dinov3_seg {

template <>
struct HandleKind<NetworkTraining> {
  static constexpr napi_type_tag tag{0x6f1d0a5b9c5e4b2b, 0x9d2f3a7c81e64f0b};
  static constexpr const char* name = "training";
};

}  // namespace dinov3_seg
