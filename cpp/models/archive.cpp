#include "models/archive.h"

#include <ATen/ATen.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/serialization/export.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <memory>
#include <new>
#include <set>

#include "core/atomic_file.h"
#include "core/available_memory.h"
#include "core/error.h"
#include "core/job_control.h"
#include "core/memory_limit.h"
#include "models/file_source.h"
#include "models/network_check.h"
#include "models/staged_archive.h"

namespace dinov3_seg {
namespace {

constexpr const char* load_advice =
    "Convert or export it with --dtype bfloat16, which halves it, use another device, or end other "
    "processes "
    "on this one";

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

torch::jit::Module load_archive(const std::string& path, c10::Device device, const SharedTensors& shared,
                                std::optional<std::int64_t> resident_blocks, bool streams, bool trust_code) {
  try {
    say_doing("Loading " + path);
    check_network_file(path, trust_code);
    const auto source = std::make_shared<FileSource>(path);
    const std::uint64_t all = source->size();
    // Who has blocks streamed has found out what fits.
    if (streams)
      use_expandable_segments();
    else if (!resident_blocks)
      require_memory(device, all - std::min(all, bytes_of(shared)), "Loading " + path, load_advice);
    if (!device.is_cpu() || !shared.empty() || resident_blocks) {
      if (const auto staged = load_staged(path, device, shared, resident_blocks)) {
        check_loaded_network(path, *staged, trust_code);
        return *staged;
      }
    }
    if (!shared.empty() || resident_blocks)
      fail(
          "MODEL_FORMAT", path,
          " contains tensors in its code or in containers, or classes that create their own state: it can "
          "only be loaded without sharing, streaming and precision fp8. Convert it again, or load it without "
          "them");
    // Without the files for debugging, which are pickles that nobody has looked at.
    const torch::jit::Module module = torch::jit::load(source, device, /*load_debug_files=*/false);
    check_loaded_network(path, module, trust_code);
    report_progress(source->size(), source->size());
    return module;
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    if (is_out_of_memory(error)) throw;
    fail_to_load(path, error);
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

void serialize_module(caffe2::serialize::PyTorchStreamWriter& writer, const torch::jit::Module& module,
                      const std::optional<Normalization>& normalization) {
  torch::jit::ExtraFilesMap extra;
  // libtorch puts these under extra/.
  constexpr std::string_view name = network_record_name;
  if (normalization) extra.emplace(name.substr(name.find('/') + 1), network_record(*normalization));
  torch::jit::ScriptModuleSerializer(writer).serialize(module, extra, /*bytecode_format=*/false,
                                                       /*save_mobile_debug_info=*/false);
}

void save_archive(const torch::jit::Module& module, const std::string& path,
                  const std::optional<Normalization>& normalization) {
  write_archive(path, tensor_bytes(module), [&](caffe2::serialize::PyTorchStreamWriter& writer) {
    serialize_module(writer, module, normalization);
    writer.writeEndOfFile();
  });
}

}  // namespace dinov3_seg
