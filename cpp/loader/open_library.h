#pragma once

#include <string>

namespace dinov3_seg {

/// Opens a library for good. Throws std::runtime_error with what dlopen says.
void* open_library(const std::string& path);

/// The address of a function of a library. Throws std::runtime_error where there is none.
void* find_function(void* library, const std::string& path, const char* name);

}  // namespace dinov3_seg
