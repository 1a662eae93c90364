// What __setstate__ of a network's classes would do: loading runs it before anything else can look at it.
#pragma once

#include <string>
#include <vector>

#include "models/code_parser.h"

namespace dinov3_seg {

/// Refuses a __setstate__ that, with the functions it calls, does more than packing the weights of a
/// quantised layer: loops, other operators, other objects than the one that is loaded. The values of a pickle
/// have the types of their classes' fields only after check_loaded_network() (network_check.h), and libtorch
/// reads fields by their place, so that code which reads another object's fields could read any memory.
/// Throws MODEL_CODE.
void check_set_states(const std::string& path, const std::vector<Definition>& definitions);

}  // namespace dinov3_seg
