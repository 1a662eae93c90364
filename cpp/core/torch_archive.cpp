#include "torch_archive.h"

#include <cstdint>
#include <cstring>
#include <string>
#include <unordered_map>
#include <utility>

#include "error.h"
#include "file_storage.h"
#include "torch_globals.h"
#include "utf8.h"
#include "zip_reader.h"

namespace dinov3_seg {
namespace {

class ArchiveGlobals : public TorchGlobals {
 public:
  ArchiveGlobals(const ZipReader& zip, std::string root, bool torchscript)
      : TorchGlobals(zip.file()->path(), torchscript, zip.file()->size()),
        zip_(zip),
        root_(std::move(root)) {}

 private:
  c10::Storage load_storage(const std::string& key) override {
    const auto known = storages_.find(key);
    if (known != storages_.end()) return known->second;
    const ZipEntry* entry = zip_.find(root_ + "data/" + key);
    if (entry == nullptr) {
      fail("CHECKPOINT_TRUNCATED", zip_.file()->path(), ": the archive lacks ", printable(root_), "data/",
           printable(key), ", the data of a tensor. Copy or download it again");
    }
    return storages_.emplace(key, file_storage(zip_.file(), zip_.data(*entry))).first->second;
  }

  const ZipReader& zip_;
  std::string root_;
  std::unordered_map<std::string, c10::Storage> storages_;
};

/// The folder of the archive, with its slash: named after the file when it was saved.
std::string root_of(const ZipReader& zip) {
  for (const auto& entry : zip.entries()) {
    const auto slash = entry.name.find('/');
    if (slash != std::string::npos && std::string_view(entry.name).substr(slash + 1) == "data.pkl") {
      return entry.name.substr(0, slash + 1);
    }
  }
  fail("CHECKPOINT_FORMAT", zip.file()->path(),
       " is a zip archive without data.pkl; expected a file written by torch.save or torch.jit.save");
}

}  // namespace

TorchArchive read_torch_archive(std::shared_ptr<const MappedFile> file) {
  const ZipReader zip(std::move(file));
  const std::string& path = zip.file()->path();
  const std::string root = root_of(zip);
  if (const ZipEntry* order = zip.find(root + "byteorder")) {
    const auto bytes = zip.data(*order);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (text != "little") {
      fail("CHECKPOINT_FORMAT", path, ": byte order '", printable(text, 20),
           "'; expected 'little'. Load and save it with PyTorch on this machine");
    }
  }
  TorchArchive archive;
  archive.torchscript = zip.find(root + "constants.pkl") != nullptr;
  ArchiveGlobals globals(zip, root, archive.torchscript);
  archive.pickle = read_pickle(zip.checked_data(*zip.find(root + "data.pkl")), globals, path);
  return archive;
}

}  // namespace dinov3_seg
