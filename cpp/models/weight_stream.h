// Weights that stay in the host's memory and come to the device a block at a time.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <torch/csrc/jit/api/module.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "models/block_matrices.h"

namespace dinov3_seg {

/// The matrices of some of a backbone's blocks, of which the device holds two blocks at a time. The network's
/// attributes are views into two buffers (block i of the streamed ones into buffer i % 2); await(), which
/// graphs call before a block is used (await_weights.h), sees to it that they hold the block's values: copied
/// on a stream of its own, one block ahead of the computation. A pass that ends early or in an error leaves
/// it in order. For one thread at a time.
class WeightStream {
 public:
  /// Takes the network's blocks but for `resident` of them, which it brings to the device where they are not
  /// there. The matrices of the others must be on the CPU, where they stay: on a GPU's host in pinned memory
  /// as far as there is some to spare, else where they are (a mapped file). Null where nothing is streamed.
  /// Throws MODEL_FORMAT for a network without such blocks, OUT_OF_MEMORY, ABORTED.
  static std::shared_ptr<WeightStream> make(const torch::jit::Module& module, c10::Device device,
                                            std::int64_t resident);
  /// For a copy of the module on this or another device: buffers of its own, and the same host memory. Its
  /// attributes become views into them.
  std::shared_ptr<WeightStream> replicate(const torch::jit::Module& copy, c10::Device device) const;

  ~WeightStream();
  WeightStream(const WeightStream&) = delete;
  WeightStream& operator=(const WeightStream&) = delete;

  /// What the device's current stream does from now on finds the block's values in its matrices, until the
  /// next call. Begins to copy the block that is needed next. Also to be called for blocks that are resident,
  /// and with -1 after the last one: copies run while they, and the rest of the network, compute.
  void await(std::int64_t block);

  /// The tensor's true values: the host's for a matrix that is streamed, else the tensor itself.
  at::Tensor stored(const at::Tensor& tensor) const;

  std::int64_t blocks() const { return static_cast<std::int64_t>(blocks_.size()); }
  /// Of all streamed blocks: what a pass copies.
  std::uint64_t bytes() const;
  /// Of them, those in pinned memory.
  std::uint64_t pinned_bytes() const;

 private:
  struct Matrix {
    at::Tensor host, view;
  };
  struct Block {
    std::vector<Matrix> matrices;
    bool pinned = false;
  };
  struct Slot {
    at::Tensor bytes;
    std::int64_t holds = -1;           // place of a block in blocks_
    std::optional<c10::Event> copied;  // recorded where the values are there
    std::optional<c10::Event> free;    // recorded where the last block in it was computed
  };

  explicit WeightStream(c10::Device device);
  void take(const std::vector<BlockMatrix>& matrices);
  void make_slots();
  void bind(const std::vector<std::vector<BlockMatrix>>& matrices);
  void pin();
  void copy(std::int64_t place);
  void release();
  void prefetch();
  Slot& slot_of(std::int64_t place) { return slots_.at(static_cast<std::size_t>(place) % slots_.size()); }

  c10::Device device_;
  std::vector<Block> blocks_;  // the streamed ones
  std::array<Slot, 2> slots_;
  std::vector<std::int64_t> numbers_;                      // of blocks_, in the network
  std::unordered_map<std::int64_t, std::int64_t> places_;  // in blocks_, by number
  std::optional<c10::Stream> copying_;
  std::int64_t last_ = -1;  // awaited
  Slot* in_use_ = nullptr;
};

/// While it lives, graphs that this thread runs await the blocks of a stream, or none.
class StreamInUse {
 public:
  explicit StreamInUse(WeightStream* stream);
  ~StreamInUse();
  StreamInUse(const StreamInUse&) = delete;
  StreamInUse& operator=(const StreamInUse&) = delete;

  /// Of the thread; null where there is none.
  static WeightStream* current();

 private:
  WeightStream* before_;
};

/// While it lives a network's attributes are its true values, all of them on the CPU, so that it can be
/// saved. Does nothing without a stream.
class StoredWeights {
 public:
  StoredWeights(const torch::jit::Module& module, const WeightStream* stream);
  ~StoredWeights();
  StoredWeights(const StoredWeights&) = delete;
  StoredWeights& operator=(const StoredWeights&) = delete;

 private:
  struct Replaced {
    // Not held: a file says of what is held more than once where it first was.
    c10::ivalue::Object* owner;
    std::size_t slot;
    c10::IValue value;
  };
  std::vector<Replaced> replaced_;
};

}  // namespace dinov3_seg
