#include "models/weight_stream.h"

#include <ATen/ATen.h>
#include <ATen/core/CachingHostAllocator.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "core/error.h"
#include "core/job_control.h"
#include "models/pinned_arena.h"

namespace dinov3_seg {
namespace {

// As libtorch's allocators align what they give: products choose their kernels by this, too.
constexpr std::size_t alignment = 512;

std::size_t aligned(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

thread_local WeightStream* in_use = nullptr;

/// Brings the matrices of blocks with other numbers to the device.
void bring_others(const std::vector<std::vector<BlockMatrix>>& matrices,
                  const std::vector<std::int64_t>& numbers, c10::Device device) {
  for (std::size_t number = 0; number < matrices.size(); ++number) {
    if (std::ranges::binary_search(numbers, static_cast<std::int64_t>(number))) continue;
    for (const BlockMatrix& matrix : matrices[number]) {
      check_cancelled();
      torch::jit::Module owner = matrix.owner;
      owner.setattr(matrix.name, matrix.tensor().to(device));
    }
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
  const auto matrices = block_matrices(module);
  if (matrices.empty())
    fail("MODEL_FORMAT",
         "the network has no blocks whose weights can be streamed: use a network made by convert, or load it "
         "with weights resident");
  const auto numbers = streamed_blocks(static_cast<std::int64_t>(matrices.size()), resident);
  bring_others(matrices, numbers, device);
  if (numbers.empty()) return nullptr;
  const std::shared_ptr<WeightStream> stream(new WeightStream(device));
  for (const std::int64_t number : numbers) stream->take(matrices.at(static_cast<std::size_t>(number)));
  stream->numbers_ = numbers;
  stream->pin();
  stream->make_slots();
  stream->bind(matrices);
  return stream;
}

std::shared_ptr<WeightStream> WeightStream::replicate(const torch::jit::Module& copy,
                                                      c10::Device device) const {
  std::shared_ptr<WeightStream> stream(new WeightStream(device));
  stream->blocks_ = blocks_;
  stream->numbers_ = numbers_;
  stream->make_slots();
  stream->bind(block_matrices(copy));
  return stream;
}

void WeightStream::take(const std::vector<BlockMatrix>& matrices) {
  Block& block = blocks_.emplace_back();
  for (const BlockMatrix& matrix : matrices) {
    const at::Tensor host = matrix.tensor();
    if (!host.is_cpu()) fail("INTERNAL", "a matrix that is to be streamed is on ", host.device().str());
    block.matrices.push_back({host.contiguous(), {}});
  }
}

/// Moves the blocks into pinned memory, as many as there is room for.
void WeightStream::pin() {
  if (device_.is_cpu()) return;
  std::vector<std::size_t> sizes;
  for (const Block& block : blocks_)
    for (const Matrix& matrix : block.matrices) sizes.push_back(matrix.host.nbytes());
  PinnedArena arena(std::accumulate(sizes.begin(), sizes.end(), std::size_t{0}));
  for (Block& block : blocks_) {
    if (&block != &blocks_.back())
      for (const Matrix& matrix : (&block + 1)->matrices) read_ahead(matrix.host);
    std::vector<at::Tensor> pinned;
    for (const Matrix& matrix : block.matrices) {
      check_cancelled();
      at::Tensor there = arena.empty_like(matrix.host);
      if (!there.defined()) return;
      pinned.push_back(there.copy_(matrix.host));
    }
    for (std::size_t i = 0; i < pinned.size(); ++i) block.matrices[i].host = pinned[i];
    block.pinned = true;
  }
}

void WeightStream::make_slots() {
  std::size_t bytes = 0;
  for (const Block& block : blocks_) {
    std::size_t of_block = 0;
    for (const Matrix& matrix : block.matrices) of_block += aligned(matrix.host.nbytes());
    bytes = std::max(bytes, of_block);
  }
  const auto options = at::TensorOptions().dtype(at::kByte).device(device_);
  for (Slot& slot : slots_) {
    slot.bytes = at::empty({static_cast<int64_t>(bytes)}, options);
    if (!copying_) continue;
    slot.copied.emplace(device_.type());
    slot.free.emplace(device_.type());
    // The memory may be that of tensors which the current stream still works on.
    slot.free->record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
  }
}

/// Puts views into the buffers in the place of the matrices.
void WeightStream::bind(const std::vector<std::vector<BlockMatrix>>& matrices) {
  for (std::size_t place = 0; place < numbers_.size(); ++place) {
    places_.emplace(numbers_[place], static_cast<std::int64_t>(place));
    const auto& attributes = matrices.at(static_cast<std::size_t>(numbers_[place]));
    const at::Tensor& bytes = slot_of(static_cast<std::int64_t>(place)).bytes;
    std::size_t offset = 0;
    for (std::size_t i = 0; i < attributes.size(); ++i) {
      Matrix& matrix = blocks_[place].matrices[i];
      const auto begin = static_cast<int64_t>(offset / matrix.host.element_size());
      matrix.view = at::empty({0}, matrix.host.options().device(device_).requires_grad(false));
      matrix.view.set_(bytes.storage(), begin, matrix.host.sizes(), matrix.host.strides());
      torch::jit::Module owner = attributes[i].owner;
      owner.setattr(attributes[i].name, matrix.view);
      offset += aligned(matrix.host.nbytes());
    }
  }
}

WeightStream::~WeightStream() {
  if (!copying_) return;
  try {
    copying_->synchronize();
    blocks_.clear();
    // libtorch would keep the pinned pages for later.
    at::getHostAllocator(device_.type())->empty_cache();
  } catch (const std::exception&) {
    // The device is gone, and its memory with it.
  }
}

void WeightStream::await(std::int64_t block) {
  release();
  if (const auto found = places_.find(block); found != places_.end()) {
    Slot& slot = slot_of(found->second);
    if (slot.holds != found->second) copy(found->second);
    if (copying_) slot.copied->block(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
    last_ = found->second;
    in_use_ = &slot;
  }
  prefetch();
}

/// Notes that the block that was used last is computed when the current stream is done with what it has.
void WeightStream::release() {
  if (in_use_ && copying_)
    in_use_->free->record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
  in_use_ = nullptr;
}

/// Begins to copy the next blocks whose buffers are free. The first follows the last: of the next pass.
void WeightStream::prefetch() {
  if (last_ < 0) return;
  for (std::int64_t ahead = 1; ahead <= 2; ++ahead) {
    const std::int64_t place = (last_ + ahead) % blocks();
    Slot& slot = slot_of(place);
    if (&slot == in_use_) return;
    if (slot.holds == place) continue;
    // A copy of other memory holds the thread up: it is made when it is needed, while the block before it
    // computes.
    if (copying_ && !blocks_[static_cast<std::size_t>(place)].pinned) return;
    copy(place);
  }
}

void WeightStream::copy(std::int64_t place) {
  Slot& slot = slot_of(place);
  slot.holds = -1;
  const auto copy_all = [&] {
    for (const Matrix& matrix : blocks_[static_cast<std::size_t>(place)].matrices)
      matrix.view.copy_(matrix.host, /*non_blocking=*/true);
  };
  if (copying_) {
    const c10::StreamGuard on(*copying_);
    slot.free->block(*copying_);
    copy_all();
    slot.copied->record(*copying_);
  } else {
    copy_all();
  }
  slot.holds = place;
  const Block& next = blocks_[static_cast<std::size_t>((place + 1) % blocks())];
  if (!next.pinned)
    for (const Matrix& matrix : next.matrices) read_ahead(matrix.host);
}

at::Tensor WeightStream::stored(const at::Tensor& tensor) const {
  for (const Block& block : blocks_)
    for (const Matrix& matrix : block.matrices)
      if (matrix.view.is_same(tensor)) return matrix.host;
  return tensor;
}

std::uint64_t WeightStream::bytes() const {
  std::uint64_t bytes = 0;
  for (const Block& block : blocks_)
    for (const Matrix& matrix : block.matrices) bytes += matrix.host.nbytes();
  return bytes;
}

std::uint64_t WeightStream::pinned_bytes() const {
  std::uint64_t bytes = 0;
  for (const Block& block : blocks_)
    for (const Matrix& matrix : block.matrices) bytes += block.pinned ? matrix.host.nbytes() : 0;
  return bytes;
}

StreamInUse::StreamInUse(WeightStream* stream) : before_(in_use) { in_use = stream; }

StreamInUse::~StreamInUse() { in_use = before_; }

WeightStream* StreamInUse::current() { return in_use; }

StoredWeights::StoredWeights(const torch::jit::Module& module, const WeightStream* stream) {
  if (!stream) return;
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
