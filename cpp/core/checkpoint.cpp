#include "checkpoint.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "dtype_names.h"
#include "error.h"
#include "foreign_file.h"
#include "mapped_file.h"
#include "safetensors.h"
#include "state_dict.h"
#include "torch_archive.h"
#include "utf8.h"
#include "zip_reader.h"

namespace dinov3_seg {
namespace {

using namespace std::string_view_literals;

std::string_view text_at(std::span<const std::uint8_t> bytes, std::size_t offset, std::size_t size) {
  if (offset >= bytes.size()) return {};
  const auto part = bytes.subspan(offset, std::min(size, bytes.size() - offset));
  return {reinterpret_cast<const char*>(part.data()), part.size()};
}

/// torch.save before 1.6: a pickle of the number 0x1950a86a20f9469cfc6c comes first; before 0.1.10 a tar
/// archive.
bool is_legacy(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view magic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."sv;
  const bool pickled = text_at(bytes, 0, 1) == "\x80"sv && text_at(bytes, 2, magic.size()) == magic;
  if (pickled) return true;
  constexpr std::array<std::string_view, 4> members = {"sys_info", "pickle", "storages", "tensors"};
  const std::string_view first = text_at(bytes, 0, 100);
  const std::string_view name = first.substr(0, first.find('\0'));
  return text_at(bytes, 257, 5) == "ustar" &&
         (std::find(members.begin(), members.end(), name) != members.end() || name == "./");
}

[[noreturn]] void fail_unknown(const MappedFile& file) {
  const auto bytes = file.bytes();
  const std::string foreign = describe_foreign_file(bytes);
  if (!foreign.empty())
    fail(bytes.empty() ? "CHECKPOINT_TRUNCATED" : "CHECKPOINT_FORMAT", file.path(), " ", foreign);
  if (bytes.size() < 9) {
    fail("CHECKPOINT_TRUNCATED", file.path(), " has ", bytes.size(),
         " bytes, too few for any checkpoint. Copy or download it again");
  }
  constexpr auto expected =
      "; expected a file of torch.save (.pth, .pt), of torch.jit.save, or a .safetensors file";
  if (text_at(bytes, 0, 1) == "\x80"sv) {
    fail("CHECKPOINT_FORMAT", file.path(), " is a plain pickle", expected, ". Save it with torch.save");
  }
  fail("CHECKPOINT_FORMAT", file.path(), " is not a checkpoint (it begins with '",
       printable(text_at(bytes, 0, 40)), "')", expected);
}

Checkpoint read_any(const std::string& path) {
  const auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  if (ZipReader::looks_like_zip(bytes)) {
    const TorchArchive archive = read_torch_archive(file);
    StateDict found = archive.torchscript ? find_module_tensors(archive.pickle, path)
                                          : find_state_dict(archive.pickle, path);
    return {archive.torchscript ? "torchscript" : "pth", std::move(found.tensors), std::move(found.metadata),
            std::move(found.container), std::move(found.ignored)};
  }
  if (is_legacy(bytes)) {
    fail("CHECKPOINT_LEGACY", path,
         " was written by torch.save before PyTorch 1.6 (not a zip archive). Load it and "
         "save it again with torch.save in PyTorch ≥ 1.6");
  }
  if (!looks_like_safetensors(bytes)) fail_unknown(*file);
  Safetensors content = read_safetensors(file);
  return {"safetensors", std::move(content.tensors), std::move(content.metadata), {}, {}};
}

}  // namespace

Checkpoint read_checkpoint(const std::string& path) {
  Checkpoint checkpoint = read_any(path);
  std::unordered_set<std::string_view> names;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    // A NUL would end the name early wherever C strings are used, and joined keys can meet.
    if (name.find('\0') != std::string::npos || !names.insert(name).second) {
      fail("CHECKPOINT_FORMAT", path, ": '", printable(name),
           "' names two tensors, or holds a NUL character");
    }
  }
  return checkpoint;
}

CheckpointSummary summarise(Checkpoint checkpoint, const std::string& path) {
  CheckpointSummary summary;
  summary.rows.reserve(checkpoint.tensors.size());
  for (auto& [name, tensor] : checkpoint.tensors) {
    const auto bytes = static_cast<std::int64_t>(tensor.nbytes());
    summary.parameters += tensor.numel();
    summary.total_bytes += bytes;
    summary.rows.push_back({std::move(name), tensor.sizes().vec(), dtype_name(tensor.scalar_type()), bytes});
    tensor.reset();  // a file may list very many
  }
  summary.format = std::move(checkpoint.format);
  if (summary.format == "torchscript") summary.normalization = recorded_normalization(path);
  summary.metadata = std::move(checkpoint.metadata);
  return summary;
}

CheckpointSummary inspect_checkpoint(const std::string& path) {
  return summarise(read_checkpoint(path), path);
}

}  // namespace dinov3_seg
