#include "models/streamed_archive.h"

#include <ATen/ATen.h>
#include <caffe2/serialize/inline_container.h>
#include <caffe2/serialize/read_adapter_interface.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/job_control.h"
#include "models/archive.h"

namespace dinov3_seg {
namespace {

using caffe2::serialize::PyTorchStreamReader;
using caffe2::serialize::PyTorchStreamWriter;

/// Sizes of the storages of a module's tensors, by where they begin.
using StorageSizes = std::unordered_map<const void*, std::size_t>;

StorageSizes storages_of(const torch::jit::Module& module) {
  StorageSizes sizes;
  const auto add = [&](const at::Tensor& tensor) {
    if (tensor.is_cpu() && tensor.storage().nbytes() > 0)
      sizes.emplace(tensor.storage().data(), tensor.storage().nbytes());
  };
  for (const at::Tensor& parameter : module.parameters()) add(parameter);
  for (const at::Tensor& buffer : module.buffers()) add(buffer);
  return sizes;
}

/// An archive as libtorch writes and reads it, with holes where the tensors' values belong.
class Skeleton : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit Skeleton(StorageSizes storages) : storages_(std::move(storages)) {}

  std::size_t append(const void* data, std::size_t size) {
    const auto found = storages_.find(data);
    const bool hole = found != storages_.end() && found->second == size;
    pieces_.push_back({size_, size, hole ? data : nullptr, {}});
    if (!hole) pieces_.back().bytes.assign(static_cast<const char*>(data), size);
    size_ += size;
    return size;
  }

  /// The memory of the tensor whose values belong at `offset`; null where something else is.
  const void* hole_at(std::uint64_t offset) const {
    const Piece& piece = piece_at(offset);
    return piece.offset == offset ? piece.hole : nullptr;
  }
  std::size_t bytes_of(const void* hole) const { return storages_.at(hole); }
  std::size_t holes() const {
    return static_cast<std::size_t>(std::count_if(pieces_.begin(), pieces_.end(),
                                                  [](const Piece& piece) { return piece.hole != nullptr; }));
  }
  std::size_t tensors() const { return storages_.size(); }

  std::size_t size() const override { return size_; }
  std::size_t read(std::uint64_t position, void* buffer, std::size_t size, const char*) const override {
    std::size_t done = 0;
    while (done < size && position < size_) {
      const Piece& piece = piece_at(position);
      const std::size_t begin = position - piece.offset;
      const std::size_t count = std::min(size - done, piece.size - begin);
      char* to = static_cast<char*>(buffer) + done;
      if (piece.hole)
        std::memset(to, 0, count);
      else
        std::memcpy(to, piece.bytes.data() + begin, count);
      done += count;
      position += count;
    }
    return done;
  }

 private:
  struct Piece {
    std::uint64_t offset;
    std::size_t size;
    const void* hole;
    std::string bytes;
  };

  /// The last piece that begins at or before `position`.
  const Piece& piece_at(std::uint64_t position) const {
    const auto after =
        std::upper_bound(pieces_.begin(), pieces_.end(), position,
                         [](std::uint64_t at, const Piece& piece) { return at < piece.offset; });
    return *std::prev(after);
  }

  StorageSizes storages_;
  std::vector<Piece> pieces_;
  std::uint64_t size_ = 0;
};

/// Everything but the tensors' values. Checksums would read those, so there are none.
std::shared_ptr<Skeleton> write_skeleton(const torch::jit::Module& module,
                                         const std::optional<Normalization>& normalization) {
  auto skeleton = std::make_shared<Skeleton>(storages_of(module));
  PyTorchStreamWriter writer([&](const void* data, std::size_t size) { return skeleton->append(data, size); },
                             /*compute_crc32=*/false);
  serialize_module(writer, module, normalization);
  writer.writeEndOfFile();
  if (skeleton->holes() != skeleton->tensors()) {
    fail("INTERNAL", "libtorch wrote ", skeleton->holes(), " tensors of ", skeleton->tensors(),
         " as a whole");
  }
  return skeleton;
}

void write_tensor(PyTorchStreamWriter& writer, const std::string& name, const DeferredTensors::Make& make,
                  std::size_t bytes) {
  const at::Tensor made = make().cpu();
  if (made.storage().nbytes() != bytes || made.storage_offset() != 0) {
    fail("INTERNAL", name, " takes ", bytes, " bytes, and values of ", made.storage().nbytes(), " were made");
  }
  writer.writeRecord(name, made.storage().data(), bytes);
}

void copy_record(PyTorchStreamReader& reader, const Skeleton& skeleton, PyTorchStreamWriter& writer,
                 const std::string& name) {
  const auto [content, size] = reader.getRecord(name);
  // Compressed records stay compressed: what lies in the archive is not what is read from it then.
  std::string stored(size, '\0');
  skeleton.read(reader.getRecordOffset(name), stored.data(), size, "");
  const bool compressed = std::memcmp(stored.data(), content.get(), size) != 0;
  writer.writeRecord(name, content.get(), size, compressed);
}

void write_records(PyTorchStreamWriter& writer, const std::shared_ptr<Skeleton>& skeleton,
                   const DeferredTensors& deferred) {
  PyTorchStreamReader reader(skeleton);
  writer.setMinVersion(reader.version());
  for (const std::string& name : reader.getAllRecords()) {
    if (name == caffe2::serialize::kSerializationIdRecordName) continue;  // of the end, by the checksums
    check_cancelled();
    const void* tensor = skeleton->hole_at(reader.getRecordOffset(name));
    if (!tensor)
      copy_record(reader, *skeleton, writer, name);
    else if (const auto* make = deferred.find(tensor))
      write_tensor(writer, name, *make, skeleton->bytes_of(tensor));
    else
      writer.writeRecord(name, tensor, skeleton->bytes_of(tensor));
  }
  writer.writeEndOfFile();
}

}  // namespace

void save_streamed(const torch::jit::Module& module, const DeferredTensors& deferred, const std::string& path,
                   const std::optional<Normalization>& normalization, const std::function<void()>& finish) {
  const auto skeleton = write_skeleton(module, normalization);
  write_archive(path, skeleton->size(), [&](PyTorchStreamWriter& writer) {
    write_records(writer, skeleton, deferred);
    finish();
  });
}

}  // namespace dinov3_seg
