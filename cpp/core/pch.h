// Precompiled for the engine: parsing libtorch takes 15 s a file otherwise.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include "core/portable_symbols.h"
