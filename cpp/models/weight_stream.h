// Weights that stay in the host's memory and come to the device a matrix at a time.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/mapped_file.h"
#include "models/streamable_matrices.h"

namespace dinov3_seg {

/// Matrices of a network's layers, of which the device holds those that are needed next. The network's
/// attributes are views into one buffer, a ring: each matrix has its place in it behind the one before, and
/// some share a place. await(), which graphs call before a matrix is used (await_weights.h), sees to it that
/// its values are there: they are copied on a stream of its own, as far ahead of the computation as places
/// are free. A pass that ends early or in an error leaves it in order. For one thread at a time.
class WeightStream {
 public:
  /// Takes matrices of the network's layers where `resident` of the backbone's blocks stay on the device
  /// (streamed_matrices()), and brings the other ones there where they are not. Those that it takes must be
  /// on the CPU, where they stay: on a GPU's host in pinned memory as far as there is some to spare, else
  /// where they are (a mapped file). Null where nothing is streamed. Throws MODEL_FORMAT for a network
  /// without such layers, OUT_OF_MEMORY, ABORTED.
  static std::shared_ptr<WeightStream> make(const torch::jit::Module& module, c10::Device device,
                                            std::int64_t resident);
  /// For a copy of the module on this or another device: a ring of its own, and the same host memory. The
  /// copy's attributes become views into it.
  std::shared_ptr<WeightStream> replicate(const torch::jit::Module& copy, c10::Device device) const;

  ~WeightStream();
  WeightStream(const WeightStream&) = delete;
  WeightStream& operator=(const WeightStream&) = delete;

  /// What the device's current stream does from now on finds the matrix's values in it, until the next call.
  /// Begins to copy those that are needed next. Also to be called for matrices that are not streamed: what
  /// was used before is done with, and copies run while they compute.
  void await(const at::Tensor& matrix);

  /// What a pass uses, in its order; others are not streamed ones. The first pass then copies these ahead,
  /// and bytes() counts them. Without it all are expected, in the order of their places.
  void expect(const std::vector<at::Tensor>& matrices);

  /// The tensor's true values: the host's for a matrix that is streamed, else the tensor itself.
  at::Tensor stored(const at::Tensor& tensor) const;

  /// Of the backbone, those whose matrices are streamed.
  std::int64_t blocks() const;
  /// Of the streamed matrices that a pass is expected to use: what it copies.
  std::uint64_t bytes() const;
  /// Of them, those in pinned memory.
  std::uint64_t pinned_bytes() const;

  /// The calling thread's job reads the weights: damage to a file that they are mapped from is its error.
  void use_in_job() const;

 private:
  struct Matrix {
    at::Tensor host, view;
    LayerPlace place;
    bool pinned = false;
    bool expected = true;
    std::size_t begin = 0, end = 0;        // in the ring
    std::vector<std::size_t> overlapping;  // that share some of its place
    bool held = false;                     // its values are in the ring, or on their way
    bool ahead = false;                    // and have not been used
    std::size_t next = 0;                  // the one that was used after it the last time, or is expected
    std::shared_ptr<c10::Event> copied;    // recorded where the values are there
    std::shared_ptr<c10::Event> computed;  // recorded where what uses them was computed
  };

  explicit WeightStream(c10::Device device);
  void take(const at::Tensor& host, const LayerPlace& place, bool pinned);
  void pin();
  void find_files();
  void make_ring();
  void bind(const torch::jit::Module& module);
  void copy(std::size_t index);
  void release();
  void prefetch();
  bool may_copy_ahead(const Matrix& matrix) const;
  c10::Stream current_stream() const;

  c10::Device device_;
  std::int64_t resident_ = 0;  // blocks of the backbone
  std::vector<Matrix> matrices_;
  std::vector<std::shared_ptr<const MappedFile>> files_;  // that matrices are mapped from
  at::Tensor ring_;
  std::unordered_map<const c10::TensorImpl*, std::size_t> by_view_;
  std::optional<c10::Stream> copying_;
  std::optional<std::size_t> last_;  // awaited
  std::optional<std::size_t> in_use_;
};

/// While it lives, graphs that this thread runs await the matrices of a stream, or none.
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
