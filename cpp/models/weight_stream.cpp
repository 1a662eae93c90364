#include "models/weight_stream.h"

#include <ATen/ATen.h>
#include <ATen/core/CachingHostAllocator.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <unordered_set>

#include "core/error.h"
#include "core/job_control.h"
#include "core/job_inputs.h"
#include "models/pinned_arena.h"

namespace dinov3_seg {
namespace {

thread_local WeightStream* in_use = nullptr;

/// Brings the matrices that are not streamed to the device.
void bring_others(const std::vector<StreamableMatrix>& matrices,
                  const std::vector<StreamableMatrix>& streamed, c10::Device device) {
  std::unordered_set<const c10::TensorImpl*> stay;
  for (const StreamableMatrix& matrix : streamed) stay.insert(matrix.tensor().unsafeGetTensorImpl());
  for (const StreamableMatrix& matrix : matrices) {
    if (stay.contains(matrix.tensor().unsafeGetTensorImpl())) continue;
    check_cancelled();
    torch::jit::Module owner = matrix.owner;
    owner.setattr(matrix.name, matrix.tensor().to(device));
  }
}

/// Has the pages of a mapped file read ahead of their use.
void read_ahead(const at::Tensor& tensor) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr());
  const std::uintptr_t first = begin / page * page;
  // Advice: what it cannot do, the use of the pages does.
  ::madvise(reinterpret_cast<void*>(first), begin + tensor.nbytes() - first, MADV_WILLNEED);
}

}  // namespace

WeightStream::WeightStream(c10::Device device) : device_(device) {
  if (device_.is_cpu()) return;
  const c10::impl::VirtualGuardImpl guard(device_.type());
  copying_ = guard.getStreamFromGlobalPool(device_);
}

std::shared_ptr<WeightStream> WeightStream::make(const torch::jit::Module& module, c10::Device device,
                                                 std::int64_t resident) {
  const auto matrices = streamable_matrices(module);
  if (matrices.empty())
    fail("MODEL_FORMAT",
         "the network has no blocks whose weights can be streamed: use a network made by convert, or load it "
         "with weights resident");
  const auto streamed = streamed_matrices(matrices, resident);
  bring_others(matrices, streamed, device);
  if (streamed.empty()) return nullptr;
  const std::shared_ptr<WeightStream> stream(new WeightStream(device));
  stream->resident_ = resident;
  for (const StreamableMatrix& each : streamed) {
    const at::Tensor host = each.tensor();
    if (!host.is_cpu()) fail("INTERNAL", "a matrix that is to be streamed is on ", host.device().str());
    stream->take(host.contiguous(), each.place, /*pinned=*/false);
  }
  stream->pin();
  stream->find_files();
  stream->make_ring();
  stream->bind(module);
  return stream;
}

std::shared_ptr<WeightStream> WeightStream::replicate(const torch::jit::Module& copy,
                                                      c10::Device device) const {
  std::shared_ptr<WeightStream> stream(new WeightStream(device));
  stream->resident_ = resident_;
  for (const Matrix& each : matrices_) stream->take(each.host, each.place, each.pinned);
  stream->find_files();
  stream->make_ring();
  for (std::size_t i = 0; i < matrices_.size(); ++i) {
    stream->matrices_[i].expected = matrices_[i].expected;
    stream->matrices_[i].next = matrices_[i].next;
  }
  stream->bind(copy);
  return stream;
}

void WeightStream::take(const at::Tensor& host, const LayerPlace& place, bool pinned) {
  Matrix& matrix = matrices_.emplace_back();
  matrix.host = host;
  matrix.place = place;
  matrix.pinned = pinned;
}

/// Moves the matrices into pinned memory, as many as there is room for.
void WeightStream::pin() {
  if (device_.is_cpu()) return;
  std::size_t bytes = 0;
  for (const Matrix& matrix : matrices_) bytes += matrix.host.nbytes();
  PinnedArena arena(bytes);
  for (std::size_t i = 0; i < matrices_.size(); ++i) {
    check_cancelled();
    if (i + 1 < matrices_.size()) read_ahead(matrices_[i + 1].host);
    const at::Tensor there = arena.empty_like(matrices_[i].host);
    if (!there.defined()) return;
    matrices_[i].host = there.copy_(matrices_[i].host);
    matrices_[i].pinned = true;
  }
}

void WeightStream::find_files() {
  for (const Matrix& matrix : matrices_) {
    const auto file = MappedFile::holding(matrix.host.const_data_ptr());
    if (file && std::ranges::find(files_, file) == files_.end()) files_.push_back(file);
  }
}

void WeightStream::use_in_job() const {
  for (const auto& file : files_) add_job_input(file);
}

/// Gives each matrix its place: behind the one before, or at the ring's begin where that place ends beyond
/// it.
void WeightStream::make_ring() {
  std::vector<StreamedSize> sizes;
  for (const Matrix& matrix : matrices_) sizes.push_back({matrix.place, matrix.host.nbytes()});
  const std::size_t bytes = ring_bytes(sizes);
  std::size_t end = 0;
  for (std::size_t i = 0; i < matrices_.size(); ++i) {
    Matrix& matrix = matrices_[i];
    const std::size_t size = aligned_bytes(matrix.host.nbytes());
    matrix.begin = end + size <= bytes ? end : 0;
    matrix.end = end = matrix.begin + size;
    matrix.next = (i + 1) % matrices_.size();
    for (std::size_t other = 0; other < i; ++other) {
      if (matrices_[other].end <= matrix.begin || matrix.end <= matrices_[other].begin) continue;
      matrix.overlapping.push_back(other);
      matrices_[other].overlapping.push_back(i);
    }
  }
  const auto options = at::TensorOptions().dtype(at::kByte).device(device_);
  ring_ = at::empty({static_cast<int64_t>(bytes)}, options);
  if (!copying_) return;
  for (Matrix& matrix : matrices_) {
    matrix.copied = std::make_shared<c10::Event>(device_.type());
    matrix.computed = std::make_shared<c10::Event>(device_.type());
  }
  // The memory may be that of tensors which the current stream still works on.
  c10::Event free(device_.type());
  free.record(current_stream());
  free.block(*copying_);
}

/// Puts views into the ring in the place of the matrices.
void WeightStream::bind(const torch::jit::Module& module) {
  const auto attributes = streamed_matrices(streamable_matrices(module), resident_);
  for (std::size_t i = 0; i < matrices_.size(); ++i) {
    Matrix& matrix = matrices_[i];
    const auto begin = static_cast<int64_t>(matrix.begin / matrix.host.element_size());
    matrix.view = at::empty({0}, matrix.host.options().device(device_).requires_grad(false));
    matrix.view.set_(ring_.storage(), begin, matrix.host.sizes(), matrix.host.strides());
    by_view_.emplace(matrix.view.unsafeGetTensorImpl(), i);
    torch::jit::Module owner = attributes.at(i).owner;
    owner.setattr(attributes[i].name, matrix.view);
  }
}

WeightStream::~WeightStream() {
  if (!copying_) return;
  try {
    copying_->synchronize();
    matrices_.clear();
    // libtorch would keep the pinned pages for later.
    at::getHostAllocator(device_.type())->empty_cache();
  } catch (const std::exception&) {
    // The device is gone, and its memory with it.
  }
}

c10::Stream WeightStream::current_stream() const {
  return c10::impl::VirtualGuardImpl(device_.type()).getStream(device_);
}

void WeightStream::await(const at::Tensor& tensor) {
  const auto found = by_view_.find(tensor.unsafeGetTensorImpl());
  if (found != by_view_.end() && in_use_ == found->second) return;
  release();
  if (found != by_view_.end()) {
    const std::size_t index = found->second;
    Matrix& matrix = matrices_[index];
    if (!matrix.held) {
      // The pass takes another way than the one before: what was copied for that is in the way.
      for (Matrix& each : matrices_) each.ahead = false;
      copy(index);
    }
    if (copying_) matrix.copied->block(current_stream());
    matrix.ahead = false;
    if (last_) matrices_[*last_].next = index;
    last_ = in_use_ = index;
  }
  prefetch();
}

/// Notes that the matrix that was used last is done with when the current stream has computed what it has.
void WeightStream::release() {
  if (in_use_ && copying_) matrices_[*in_use_].computed->record(current_stream());
  in_use_.reset();
}

/// Begins to copy the next matrices whose places are free. After the last one follow those of the next pass.
void WeightStream::prefetch() {
  if (!last_) return;
  std::size_t index = *last_;
  for (std::size_t count = 1; count < matrices_.size(); ++count) {
    index = matrices_[index].next;
    Matrix& matrix = matrices_[index];
    if (index == in_use_ || (!matrix.held && !may_copy_ahead(matrix))) return;
    if (!matrix.held) copy(index);
    matrix.ahead = true;
  }
}

bool WeightStream::may_copy_ahead(const Matrix& matrix) const {
  // A copy of other memory holds the thread up: it is made when it is needed, while the matrix before it
  // computes.
  if (copying_ && !matrix.pinned) return false;
  return std::ranges::none_of(matrix.overlapping,
                              [&](std::size_t other) { return other == in_use_ || matrices_[other].ahead; });
}

void WeightStream::copy(std::size_t index) {
  Matrix& matrix = matrices_[index];
  std::optional<c10::StreamGuard> on;
  if (copying_) on.emplace(*copying_);
  for (const std::size_t other : matrix.overlapping) {
    if (copying_ && matrices_[other].held) matrices_[other].computed->block(*copying_);
    matrices_[other].held = matrices_[other].ahead = false;
  }
  matrix.view.copy_(matrix.host, /*non_blocking=*/true);
  if (copying_) matrix.copied->record(*copying_);
  matrix.held = true;
  const Matrix& next = matrices_[matrix.next];
  if (!next.pinned) read_ahead(next.host);
}

void WeightStream::expect(const std::vector<at::Tensor>& matrices) {
  std::vector<std::size_t> used;
  for (const at::Tensor& each : matrices) {
    const auto found = by_view_.find(each.unsafeGetTensorImpl());
    // One after the other, it is the same use.
    if (found != by_view_.end() && (used.empty() || used.back() != found->second))
      used.push_back(found->second);
  }
  if (used.empty()) return;
  for (Matrix& matrix : matrices_) matrix.expected = false;
  for (std::size_t i = 0; i < used.size(); ++i) {
    matrices_[used[i]].expected = true;
    matrices_[used[i]].next = used[(i + 1) % used.size()];
  }
}

at::Tensor WeightStream::stored(const at::Tensor& tensor) const {
  const auto found = by_view_.find(tensor.unsafeGetTensorImpl());
  return found == by_view_.end() ? tensor : matrices_[found->second].host;
}

std::int64_t WeightStream::blocks() const {
  std::set<std::int64_t> blocks;
  for (const Matrix& matrix : matrices_)
    if (matrix.place.in_backbone()) blocks.insert(matrix.place.layer);
  return static_cast<std::int64_t>(blocks.size());
}

std::uint64_t WeightStream::bytes() const {
  std::uint64_t bytes = 0;
  for (const Matrix& matrix : matrices_) bytes += matrix.expected ? matrix.host.nbytes() : 0;
  return bytes;
}

std::uint64_t WeightStream::pinned_bytes() const {
  std::uint64_t bytes = 0;
  for (const Matrix& matrix : matrices_) bytes += matrix.expected && matrix.pinned ? matrix.host.nbytes() : 0;
  return bytes;
}

StreamInUse::StreamInUse(WeightStream* stream) : before_(in_use) {
  in_use = stream;
  if (stream) stream->use_in_job();
}

StreamInUse::~StreamInUse() { in_use = before_; }

WeightStream* StreamInUse::current() { return in_use; }

StoredWeights::StoredWeights(const torch::jit::Module& module, const WeightStream* stream) {
  if (!stream) return;
  stream->use_in_job();
  for (const torch::jit::Module& each : module.modules()) {
    const auto object = each._ivalue();
    for (std::size_t slot = 0; slot < object->slots().size(); ++slot) {
      const c10::IValue& held = object->getSlot(slot);
      if (!held.isTensor() || !held.toTensor().defined()) continue;
      const at::Tensor tensor = held.toTensor();
      const at::Tensor stored = stream->stored(tensor);
      if (stored.is_same(tensor) && tensor.is_cpu()) continue;
      replaced_.push_back({object.get(), slot, tensor});
      // Nobody else's, as those of a network that was loaded whole: the file is the same then.
      object->setSlot(slot, stored.is_same(tensor) ? tensor.cpu() : stored.alias());
    }
  }
}

StoredWeights::~StoredWeights() {
  for (const Replaced& each : replaced_) each.owner->setSlot(each.slot, each.value);
}

}  // namespace dinov3_seg
