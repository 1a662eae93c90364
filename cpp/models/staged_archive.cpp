#include "models/staged_archive.h"

#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>
#include <c10/core/Event.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <array>
#include <future>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/available_memory.h"
#include "core/error.h"
#include "core/job_control.h"
#include "core/mapped_file.h"
#include "core/zip_reader.h"
#include "models/file_source.h"
#include "models/streamable_matrices.h"

namespace dinov3_seg {
namespace {

constexpr std::size_t buffer_bytes = std::size_t{64} << 20;
// Below this a record is read when the archive is.
constexpr std::size_t least_staged = std::size_t{1} << 20;
// A thread copies from the page cache at a few GB/s, less than the link to a GPU takes.
constexpr std::size_t readers = 4;

struct Place {
  std::uint64_t offset;
  std::size_t size;
};

/// The file, with the values of large and of shared tensors left out: their memory stays untouched, and takes
/// none.
class SparseSource : public caffe2::serialize::ReadAdapterInterface {
 public:
  SparseSource(const CheckedFile& file, const SharedTensors& shared) : file_(file.source) {
    for (const ZipEntry& entry : file.zip.entries()) {
      const bool tensor = entry.method == 0 && entry.name.find("/data/") != std::string::npos;
      if (tensor && (entry.size >= least_staged || shared.contains(entry.offset)))
        apart_.emplace(entry.offset, entry.size);
    }
  }

  const FileSource& file() const { return *file_; }
  std::size_t size() const override { return file_->size(); }
  std::size_t read(std::uint64_t position, void* buffer, std::size_t bytes, const char* what) const override {
    const auto found = apart_.find(position);
    if (found == apart_.end() || found->second != bytes) return file_->read(position, buffer, bytes, what);
    left_out_.emplace(buffer, Place{position, bytes});
    return bytes;
  }

  /// Where the values of the tensors lie whose memory was left untouched, by that memory.
  const std::unordered_map<const void*, Place>& left_out() const { return left_out_; }

 private:
  std::shared_ptr<const FileSource> file_;
  std::unordered_map<std::uint64_t, std::size_t> apart_;
  mutable std::unordered_map<const void*, Place> left_out_;
};

/// Two buffers, one of which is filled while the device takes the other.
class DoubleBuffer {
 public:
  DoubleBuffer(const FileSource& file, c10::Device device) : file_(file), device_(device) {}

  void copy(const Place& place, const at::Tensor& to) {
    for (std::size_t done = 0; done < place.size;) {
      check_cancelled();
      const std::size_t count = std::min(buffer_bytes, place.size - done);
      Slot& slot = slots_[next_++ % slots_.size()];
      if (slot.taken) slot.taken->synchronize();
      if (!slot.buffer.defined()) slot.buffer = new_buffer();
      fill(static_cast<char*>(slot.buffer.mutable_data_ptr()), place.offset + done, count);
      const auto begin = static_cast<int64_t>(done), length = static_cast<int64_t>(count);
      to.narrow(0, begin, length).copy_(slot.buffer.narrow(0, 0, length), /*non_blocking=*/true);
      if (!device_.is_cpu()) {
        if (!slot.taken) slot.taken.emplace(device_.type());
        slot.taken->record(at::accelerator::getCurrentStream(device_.index()));
      }
      file_.report(count);
      done += count;
    }
  }

  /// Waits until the device has taken everything.
  void finish() {
    for (Slot& slot : slots_)
      if (slot.taken) slot.taken->synchronize();
  }

 private:
  struct Slot {
    at::Tensor buffer;
    std::optional<c10::Event> taken;
  };

  at::Tensor new_buffer() const {
    return at::empty({static_cast<int64_t>(buffer_bytes)},
                     at::TensorOptions().dtype(at::kByte).pinned_memory(!device_.is_cpu()));
  }

  void fill(char* buffer, std::uint64_t offset, std::size_t size) const {
    const std::size_t part = (size + readers - 1) / readers;
    std::vector<std::future<void>> others;
    for (std::size_t begin = part; begin < size; begin += part) {
      others.push_back(std::async(std::launch::async, [this, buffer, offset, begin, size, part] {
        file_.read_all(offset + begin, buffer + begin, std::min(part, size - begin));
      }));
    }
    file_.read_all(offset, buffer, std::min(part, size));
    for (auto& other : others) other.get();
  }

  const FileSource& file_;
  c10::Device device_;
  std::array<Slot, 2> slots_;
  std::size_t next_ = 0;
};

/// Copies the tensors of a module to the device; tensors that share memory share it there too.
class ModuleUploader {
 public:
  ModuleUploader(const SparseSource& source, c10::Device device, const SharedTensors& shared)
      : source_(source), device_(device), shared_(shared), buffers_(source.file(), device) {}

  /// Leaves the matrices that are streamed where `resident` blocks stay where they are, as views of the file
  /// where they were left out.
  void keep_on_host(const torch::jit::Module& module, std::int64_t resident,
                    const std::shared_ptr<const MappedFile>& file) {
    for (const StreamableMatrix& matrix : streamed_matrices(streamable_matrices(module), resident)) {
      const at::Tensor tensor = matrix.tensor();
      torch::jit::Module owner = matrix.owner;
      const auto left_out = source_.left_out().find(tensor.storage().data());
      if (left_out != source_.left_out().end())
        owner.setattr(matrix.name, view_of(file, left_out->second, tensor));
      on_host_.insert(owner.attr(matrix.name).toTensor().storage().unsafeGetStorageImpl());
    }
  }

  void upload(const torch::jit::Module& module) {
    for (const torch::jit::Module& each : module.modules()) {
      const auto object = each._ivalue();
      for (std::size_t slot = 0; slot < object->slots().size(); ++slot) {
        const c10::IValue& value = object->getSlot(slot);
        if (value.isTensor() && value.toTensor().defined()) object->setSlot(slot, uploaded(value.toTensor()));
      }
    }
    buffers_.finish();
    if (used_.size() != shared_.size())
      fail("INTERNAL", "a network took ", used_.size(), " of ", shared_.size(), " tensors that it shares");
  }

 private:
  /// The tensor that stands for this one; undefined where there is none.
  at::Tensor shared_for(const at::Tensor& tensor) {
    const auto left_out = source_.left_out().find(tensor.storage().data());
    if (left_out == source_.left_out().end()) return {};
    const auto found = shared_.find(left_out->second.offset);
    if (found == shared_.end()) return {};
    if (found->second.sizes() != tensor.sizes() || !tensor.is_contiguous())
      fail("INTERNAL", "a tensor of shape ", found->second.sizes(), " for one of ", tensor.sizes());
    used_.insert(found->first);
    return found->second;
  }

  static at::Tensor view_of(const std::shared_ptr<const MappedFile>& file, const Place& place,
                            const at::Tensor& like) {
    // Written to by nobody: the mapping is private, and weights stay as they are.
    auto* data = const_cast<std::uint8_t*>(file->bytes().subspan(place.offset, place.size).data());
    const auto options = at::TensorOptions().dtype(like.dtype());
    return at::from_blob(data, like.sizes(), like.strides(), [file](void*) {}, options);
  }

  at::Tensor uploaded(const at::Tensor& tensor) {
    if (on_host_.contains(tensor.storage().unsafeGetStorageImpl())) return tensor;
    if (const at::Tensor shared = shared_for(tensor); shared.defined()) return shared;
    const c10::Storage storage = on_device(tensor.storage());
    at::Tensor result = at::empty({0}, tensor.options().device(device_).requires_grad(false));
    result.set_(storage, tensor.storage_offset(), tensor.sizes(), tensor.strides());
    return result.set_requires_grad(tensor.requires_grad());
  }

  c10::Storage on_device(const c10::Storage& storage) {
    const auto key = storage.unsafeGetStorageImpl();
    if (const auto known = storages_.find(key); known != storages_.end()) return known->second.there;
    const auto bytes = static_cast<int64_t>(storage.nbytes());
    const auto options = at::TensorOptions().dtype(at::kByte);
    const at::Tensor there = at::empty({bytes}, options.device(device_));
    const auto left_out = source_.left_out().find(storage.data());
    if (left_out != source_.left_out().end())
      buffers_.copy(left_out->second, there);
    else
      there.copy_(at::empty({0}, options).set_(storage, 0, {bytes}));
    // The first is held so that no other storage comes to lie at its address.
    return storages_.emplace(key, Pair{storage, there.storage()}).first->second.there;
  }

  struct Pair {
    c10::Storage here, there;
  };

  const SparseSource& source_;
  c10::Device device_;
  const SharedTensors& shared_;
  std::unordered_set<std::uint64_t> used_;
  std::unordered_set<const c10::StorageImpl*> on_host_;
  DoubleBuffer buffers_;
  std::unordered_map<const c10::StorageImpl*, Pair> storages_;
};

bool has_tensors_in_code(const ZipReader& zip) {
  const auto& entries = zip.entries();
  return std::any_of(entries.begin(), entries.end(), [](const ZipEntry& entry) {
    return entry.name.find("/constants/") != std::string::npos;
  });
}

/// Whether a value is made of numbers, texts and containers alone.
bool is_plain(const c10::IValue& value) {
  const auto all_plain = [](const auto& items) {
    return std::all_of(items.begin(), items.end(), [](const c10::IValue& item) { return is_plain(item); });
  };
  if (value.isTuple()) return all_plain(value.toTupleRef().elements().vec());
  if (value.isList()) return all_plain(value.toList().vec());
  if (value.isGenericDict()) {
    for (const auto& entry : value.toGenericDict())
      if (!is_plain(entry.key()) || !is_plain(entry.value())) return false;
    return true;
  }
  return value.isNone() || value.isScalar() || value.isString() || value.isDevice();
}

/// Whether everything that was left out is a tensor of a module, and no class has seen it before.
bool can_be_filled(const torch::jit::Module& module, const SparseSource& source) {
  std::unordered_map<const void*, Place> left = source.left_out();
  for (const torch::jit::Module& each : module.modules()) {
    if (each.find_method("__setstate__")) return false;
    for (const c10::IValue& value : each._ivalue()->slots()) {
      if (value.isTensor()) {
        const at::Tensor& tensor = value.toTensor();
        if (!tensor.defined()) continue;
        if (tensor.layout() != at::kStrided || tensor.is_quantized()) return false;
        left.erase(tensor.storage().data());
      } else if (!value.isModule() && !is_plain(value)) {
        return false;
      }
    }
  }
  return left.empty();
}

}  // namespace

std::optional<torch::jit::Module> load_staged(const CheckedFile& file, c10::Device device,
                                              const SharedTensors& shared,
                                              std::optional<std::int64_t> resident_blocks) {
  if (has_tensors_in_code(file.zip)) return std::nullopt;
  const auto source = std::make_shared<SparseSource>(file, shared);
  std::optional<torch::jit::Module> module;
  try {
    module = torch::jit::load(source, c10::Device(c10::kCPU), /*load_debug_files=*/false);
  } catch (const c10::Error& error) {
    if (is_out_of_memory(error)) throw;
    return std::nullopt;  // torch::jit::load is to say what is wrong, of the file as it is
  }
  if (!can_be_filled(*module, *source)) return std::nullopt;
  ModuleUploader uploader(*source, device, shared);
  if (resident_blocks && shared.empty()) uploader.keep_on_host(*module, *resident_blocks, file.zip.file());
  uploader.upload(*module);
  report_progress(source->size(), source->size());
  return module;
}

}  // namespace dinov3_seg
