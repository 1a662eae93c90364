// Points inside a running TorchScript method where its job can be stopped.
#pragma once

#include <torch/csrc/jit/api/module.h>

namespace dinov3_seg {

/// Puts a look at the job's flag (check_cancelled) before every operator of the method `name`, the methods
/// and functions that it calls included. Only what is run changes: a module that is saved afterwards is
/// written as it was. Must be called before the method is first run; nothing happens without such a method.
void add_stop_points(const torch::jit::Module& module, const char* name);

}  // namespace dinov3_seg
