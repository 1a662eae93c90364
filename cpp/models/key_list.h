// Collects the keys of a network, layer by layer.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "models/key_shapes.h"

namespace dinov3_seg {

enum class Bias { none, yes };

/// Collects keys under a prefix, one method for each kind of layer.
class KeyList {
 public:
  /// What add…() below are to mark as computed in bfloat16 by the reference: linears and convolutions, unless
  /// they run with autocast off.
  explicit KeyList(std::vector<KeyShape>& keys, std::string prefix = "", bool autocast = true)
      : keys_(keys), prefix_(std::move(prefix)), autocast_(autocast) {}

  KeyList under(const std::string& name) const { return KeyList(keys_, prefix_ + name + ".", autocast_); }
  KeyList under(int64_t index) const { return under(std::to_string(index)); }

  void parameter(const std::string& name, std::vector<int64_t> shape) const {
    add(name, std::move(shape), false);
  }
  void buffer(const std::string& name, std::vector<int64_t> shape, at::ScalarType dtype = at::kFloat) const {
    keys_.push_back({prefix_ + name, std::move(shape), dtype, true, false});
  }
  void linear(const std::string& name, int64_t out, int64_t in, Bias bias = Bias::yes) const {
    add(name + ".weight", {out, in}, autocast_);
    if (bias == Bias::yes) add(name + ".bias", {out}, autocast_);
  }
  void conv(const std::string& name, int64_t out, int64_t in, int64_t kernel, Bias bias = Bias::yes) const {
    add(name + ".weight", {out, in, kernel, kernel}, autocast_);
    if (bias == Bias::yes) add(name + ".bias", {out}, autocast_);
  }
  void norm(const std::string& name, int64_t width) const {
    add(name + ".weight", {width}, false);
    add(name + ".bias", {width}, false);
  }
  void batch_norm(const std::string& name, int64_t width) const {
    norm(name, width);
    buffer(name + ".running_mean", {width});
    buffer(name + ".running_var", {width});
    buffer(name + ".num_batches_tracked", {}, at::kLong);
  }
  void attention(const std::string& name, int64_t width) const {
    const KeyList inner = under(name);
    inner.add("in_proj_weight", {3 * width, width}, autocast_);
    inner.add("in_proj_bias", {3 * width}, autocast_);
    inner.linear("out_proj", width, width);
  }

 private:
  void add(const std::string& name, std::vector<int64_t> shape, bool bfloat16) const {
    keys_.push_back({prefix_ + name, std::move(shape), at::kFloat, false, bfloat16});
  }

  std::vector<KeyShape>& keys_;
  std::string prefix_;
  bool autocast_;
};

}  // namespace dinov3_seg
