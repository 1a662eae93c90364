// What a network computes from the size of its images alone (sine positions, centres of cells, rotary angles)
// is computed once for a size, and kept.
#pragma once

#include <ATen/core/ivalue.h>
#include <torch/csrc/jit/ir/ir.h>

#include <cstdint>
#include <string>
#include <vector>

namespace dinov3_seg {

/// Of one network and one size of images. Whoever records a CUDA graph that reads them holds them as long as
/// the graph. For one thread.
class SizeConstants {
 public:
  SizeConstants(int64_t height, int64_t width) : height_(height), width_(width) {}

  bool are_of(int64_t height, int64_t width) const { return height == height_ && width == width_; }

  /// The result of `function` for `arguments`; null where it is not kept.
  const c10::IValue* find(const std::string& function, const c10::IValue& arguments) const;
  void keep(std::string function, c10::IValue arguments, c10::IValue result);

 private:
  struct Entry {
    std::string function;
    c10::IValue arguments, result;
  };

  int64_t height_, width_;
  std::vector<Entry> entries_;
};

/// While it lives, graphs that this thread runs keep what depends on sizes there, and find it.
class SizeConstantsInUse {
 public:
  /// Null: none are kept.
  explicit SizeConstantsInUse(SizeConstants* constants);
  ~SizeConstantsInUse();
  SizeConstantsInUse(const SizeConstantsInUse&) = delete;
  SizeConstantsInUse& operator=(const SizeConstantsInUse&) = delete;

 private:
  SizeConstants* before_;
};

/// Calls of the networks' functions whose results follow from sizes are made only where the result is not
/// kept yet. To be called before they are inlined, at every level of calls; their bodies stay, as the other
/// branch.
void keep_size_constants(torch::jit::Graph& graph);

}  // namespace dinov3_seg
