#include "models/archive.h"

#include <ATen/ATen.h>
#include <caffe2/serialize/inline_container.h>
#include <caffe2/serialize/read_adapter_interface.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <torch/csrc/jit/serialization/export.h>
#include <torch/csrc/jit/serialization/import.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <set>
#include <system_error>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/job_control.h"
#include "core/memory_room.h"

namespace dinov3_seg {
namespace {

// Bytes between two looks at the job's flag.
constexpr std::size_t step_bytes = std::size_t{16} << 20;

constexpr const char* load_advice =
    "Convert or export it with --dtype bfloat16, which halves it, take another device, or end other "
    "processes "
    "that use this one";

/// The file as libtorch's reader asks for it.
class FileSource : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit FileSource(const std::string& path)
      : path_(path), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd_ < 0) fail_with(errno);
    struct stat info{};
    if (::fstat(fd_, &info) != 0) {
      const int error = errno;
      ::close(fd_);
      fail_with(error);
    }
    size_ = static_cast<std::size_t>(info.st_size);
  }
  ~FileSource() override { ::close(fd_); }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  std::size_t size() const override { return size_; }

  std::size_t read(uint64_t position, void* buffer, std::size_t bytes, const char*) const override {
    std::size_t done = 0;
    while (done < bytes) {
      check_cancelled();
      const ssize_t count = ::pread(fd_, static_cast<char*>(buffer) + done,
                                    std::min(bytes - done, step_bytes), static_cast<off_t>(position + done));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail_with(errno);
      if (count == 0) break;
      done += static_cast<std::size_t>(count);
      read_ = std::min(size_, read_ + static_cast<std::size_t>(count));
      report_progress(read_, size_);
    }
    return done;
  }

 private:
  [[noreturn]] void fail_with(int error) const {
    fail(error == ENOENT || error == EACCES || error == ENOTDIR ? "FILE_NOT_FOUND" : "IO", path_,
         " cannot be read: ", std::generic_category().message(error));
  }

  std::string path_;
  int fd_;
  std::size_t size_ = 0;
  mutable std::size_t read_ = 0;
};

/// Bytes of all tensors, those that share memory once.
std::uint64_t tensor_bytes(const torch::jit::Module& module) {
  std::set<const void*> seen;
  std::uint64_t bytes = 0;
  const auto add = [&](const at::Tensor& tensor) {
    if (seen.insert(tensor.storage().unsafeGetStorageImpl()).second) bytes += tensor.nbytes();
  };
  for (const at::Tensor& parameter : module.parameters()) add(parameter);
  for (const at::Tensor& buffer : module.buffers()) add(buffer);
  return bytes;
}

/// The writer's destructor writes the archive's end unless that was tried, and an error there would end the
/// process.
void give_up(caffe2::serialize::PyTorchStreamWriter& writer) {
  if (writer.finalized()) return;
  try {
    writer.writeEndOfFile();
  } catch (const std::exception&) {
    // Of a file that is thrown away.
  }
}

}  // namespace

torch::jit::Module load_archive(const std::string& path, c10::Device device) {
  try {
    const auto source = std::make_shared<FileSource>(path);
    say_doing("Loading " + path);
    require_memory(device, source->size(), "Loading " + path, load_advice);
    const torch::jit::Module module = torch::jit::load(source, device);
    report_progress(source->size(), source->size());
    return module;
  } catch (const c10::Error& error) {
    if (is_out_of_memory(error)) throw;
    fail("MODEL_FORMAT", path,
         " is not a TorchScript file that can be loaded (convert makes one from checkpoints): ",
         error.what_without_backtrace());
  }
}

void write_archive(const std::string& path, std::uint64_t expected_bytes,
                   const std::function<void(caffe2::serialize::PyTorchStreamWriter&)>& write) {
  AtomicFile file(path, expected_bytes);
  caffe2::serialize::PyTorchStreamWriter writer(file.writer());
  try {
    write(writer);
  } catch (...) {
    give_up(writer);
    throw;
  }
  file.commit();
}

void save_archive(const torch::jit::Module& module, const std::string& path) {
  write_archive(path, tensor_bytes(module), [&](caffe2::serialize::PyTorchStreamWriter& writer) {
    torch::jit::ScriptModuleSerializer(writer).serialize(module, {}, /*bytecode_format=*/false,
                                                         /*save_mobile_debug_info=*/false);
    writer.writeEndOfFile();
  });
}

}  // namespace dinov3_seg
