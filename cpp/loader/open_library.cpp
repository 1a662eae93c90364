#include "loader/open_library.h"

#include <dlfcn.h>

#include <stdexcept>

namespace dinov3_seg {

void* open_library(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw std::runtime_error(dlerror());
  return library;
}

void* find_function(void* library, const std::string& path, const char* name) {
  void* function = dlsym(library, name);
  if (function == nullptr) throw std::runtime_error(path + " does not export " + name);
  return function;
}

}  // namespace dinov3_seg
