// Operators by name, through the dispatcher.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>

namespace dinov3_seg {

/// A registered operator; throws c10::Error where there is none of this name, or of another signature.
template <typename Function>
c10::TypedOperatorHandle<Function> find_operator(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Function>();
}

}  // namespace dinov3_seg
