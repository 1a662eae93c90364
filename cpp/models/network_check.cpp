#include "models/network_check.h"

#include <ATen/ATen.h>
#include <caffe2/serialize/inline_container.h>
#include <caffe2/serialize/read_adapter_interface.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <memory>
#include <new>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/file_storage.h"
#include "core/mapped_file.h"
#include "core/pickle_reader.h"
#include "core/torch_globals.h"
#include "core/utf8.h"
#include "core/zip_reader.h"
#include "models/allowed_operators.h"
#include "models/code_check.h"
#include "models/network_archive.h"

namespace dinov3_seg {
namespace {

using Kind = PickleValue::Kind;
using caffe2::serialize::PyTorchStreamReader;

// The released networks have 60 KB of code and pickles of 60 KB.
constexpr std::uint64_t most_code_bytes = std::uint64_t{64} << 20;
constexpr std::size_t most_nested_values = 1000;
// libtorch parses names and types in pickles as expressions, one bracket or dot inside the other.
constexpr std::size_t most_name_bytes = 1000, most_type_bytes = 4000, most_type_brackets = 100;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

class MappedSource : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit MappedSource(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {}
  std::size_t size() const override { return file_->bytes().size(); }
  std::size_t read(std::uint64_t position, void* buffer, std::size_t bytes, const char*) const override {
    if (position >= size()) return 0;
    const auto part = file_->bytes().subspan(position, std::min<std::size_t>(bytes, size() - position));
    std::memcpy(buffer, part.data(), part.size());
    return part.size();
  }

 private:
  std::shared_ptr<const MappedFile> file_;
};

bool is_dotted_name(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '.';
  });
}

/// `Dict[str, List[__torch__.Name]]`
bool is_plain_type(std::string_view text) {
  if (text.size() > most_type_bytes) return false;
  std::size_t brackets = 0;
  for (const char c : text) {
    if (c == '[' && ++brackets > most_type_brackets) return false;
    if (c == ']' && brackets-- == 0) return false;
    if (c != '[' && c != ']' && c != ',' && c != ' ' && !is_dotted_name({&c, 1})) return false;
  }
  return brackets == 0;
}

/// What libtorch's unpickler makes of a network's pickles, beyond what a checkpoint has.
class NetworkGlobals : public TorchGlobals {
 public:
  NetworkGlobals(const ZipReader& zip, std::string folder, bool trust_code)
      : TorchGlobals(zip.file()->path(), /*torchscript=*/true, zip.file()->size()),
        zip_(zip),
        folder_(std::move(folder)),
        trust_code_(trust_code) {}

  bool allows(std::string_view module, std::string_view name) const override {
    if (module == "torch._utils" && name == "_rebuild_qtensor") return true;
    if (module == "torch" && (name.starts_with("per_tensor_") || name.starts_with("per_channel_")))
      return true;
    if (module == "__torch__" || module.starts_with("__torch__.")) {
      const std::string full = std::string(module) + "." + std::string(name);
      if (full.size() > most_name_bytes || !is_dotted_name(full)) return false;
      return trust_code_ || is_allowed_class(full);
    }
    return TorchGlobals::allows(module, name);
  }

  PickleValue* call(PickleTree& tree, const PickleValue& function, const PickleValue& arguments) override {
    if (function.global().is("torch.jit._pickle", "restore_type_tag")) {
      const PickleItems& items = arguments.items();
      if (items.size() != 2 || !items[1]->is(Kind::text) || !is_plain_type(items[1]->text()))
        fail("MODEL_FORMAT", zip_.file()->path(),
             ": the type of a container is no type, or one of more than ", most_type_bytes,
             " characters. Copy or download the file again");
    }
    if (!function.global().is("torch._utils", "_rebuild_qtensor"))
      return TorchGlobals::call(tree, function, arguments);
    // The first four arguments are those of any tensor.
    const PickleValue* same = tree.make(Kind::global, PickleGlobal{"torch._utils", "_rebuild_tensor_v2"});
    return TorchGlobals::call(tree, *same, arguments);
  }

  PickleValue* storage(PickleTree& tree, const PickleValue& id) override {
    const PickleValue* known = &id;
    if (const char* stand_in = stand_in_of(id)) {
      // Of tensors that checkpoints do not have, the size of an element is all that is looked at.
      PickleItems items = id.items();
      items[1] = tree.make(Kind::global, PickleGlobal{"torch", stand_in});
      known = tree.make_container(Kind::tuple, std::move(items));
    }
    PickleValue* result = TorchGlobals::storage(tree, *known);
    const auto& [storage, dtype] = result->storage();
    // libtorch takes the memory of as many elements as are stated, and reads none where there are none.
    const std::uint64_t bytes =
        static_cast<std::uint64_t>(id.items()[4]->integer()) * c10::elementSize(dtype);
    if (bytes != storage.nbytes())
      fail("MODEL_FORMAT", zip_.file()->path(), ": a storage of ", bytes, " bytes has a record of ",
           storage.nbytes(), " bytes. Copy or download the file again");
    return result;
  }

 protected:
  c10::Storage load_storage(const std::string& key) override {
    const auto known = storages_.find(key);
    if (known != storages_.end()) return known->second;
    const ZipEntry* entry = zip_.find(folder_ + key);
    if (entry == nullptr)
      fail("MODEL_FORMAT", zip_.file()->path(), ": the archive lacks ", printable(folder_ + key),
           ", the data of a tensor. Copy or download it again");
    return storages_.emplace(key, file_storage(zip_.file(), zip_.data(*entry))).first->second;
  }

 private:
  /// The storage of a known type whose elements have the same size; null for known types themselves.
  static const char* stand_in_of(const PickleValue& id) {
    if (!id.is(Kind::tuple) || id.items().size() < 5 || !id.items()[1]->is(Kind::global)) return nullptr;
    const PickleGlobal& type = id.items()[1]->global();
    for (const char* byte : {"QInt8Storage", "QUInt8Storage", "QUInt4x2Storage", "QUInt2x4Storage"})
      if (type.is("torch", byte)) return "ByteStorage";
    if (type.is("torch", "QInt32Storage")) return "IntStorage";
    if (type.is("torch", "ComplexFloatStorage")) return "DoubleStorage";
    return nullptr;
  }

  const ZipReader& zip_;
  std::string folder_;
  bool trust_code_;
  std::unordered_map<std::string, c10::Storage> storages_;
};

const PickleItems& items_of(const PickleValue& value) {
  static const PickleItems none;
  const auto* items = std::get_if<PickleItems>(&value.content);
  return items ? *items : none;
}

/// Values inside values inside values are freed one inside the other.
void check_depth(const std::string& path, const std::string& name, const PickleTree& tree) {
  struct Open {
    const PickleValue* value;
    std::size_t next, deepest;
  };
  std::unordered_map<const PickleValue*, std::size_t> depths;  // 0 while a value is open
  std::vector<Open> open;
  const auto enter = [&](const PickleValue* value) {
    depths.emplace(value, 0);
    open.push_back({value, 0, 0});
  };
  const auto refuse = [&] {
    fail("MODEL_FORMAT", path, ": ", name, " has values nested in each other more than ", most_nested_values,
         " deep, or in themselves. No network looks like that: do not use the file");
  };
  enter(tree.root);
  while (!open.empty()) {
    if (open.size() > most_nested_values) refuse();
    Open& now = open.back();
    if (now.next == items_of(*now.value).size()) {
      const std::size_t depth = now.deepest + 1;
      depths[now.value] = depth;
      open.pop_back();
      if (!open.empty()) open.back().deepest = std::max(open.back().deepest, depth);
      continue;
    }
    const PickleValue* item = items_of(*now.value)[now.next++];
    const auto known = depths.find(item);
    if (known == depths.end()) {
      enter(item);
    } else {
      if (known->second == 0 || open.size() + known->second > most_nested_values) refuse();
      now.deepest = std::max(now.deepest, known->second);
    }
  }
}

void check_record(const ZipReader& zip, const std::string& root, const std::string& name, bool trust_code) {
  const std::string& path = zip.file()->path();
  const std::string record = name + ".pkl";
  NetworkGlobals globals(zip, root + name + "/", trust_code);
  try {
    const PickleTree tree = read_pickle(zip.checked_data(*zip.find(root + record)), globals, path);
    check_depth(path, record, tree);
  } catch (const Error& error) {
    const std::string code = error.code();
    if (code == "ABORTED" || code == "MODEL_FORMAT") throw;
    // What this says of checkpoints and state dicts does not help with a network.
    std::string_view message(error.what());
    if (message.starts_with(path + ": ")) message.remove_prefix(path.size() + 2);
    fail("MODEL_FORMAT", path, ": ", record,
         " is damaged, or was not written by torch.jit.save: ", message.substr(0, message.find(". ")),
         ". Copy or download the file again");
  }
}

/// The folder of the archive, with its slash. Throws where libtorch's reader sees another archive than
/// ZipReader does.
std::string check_directory(const ZipReader& zip, PyTorchStreamReader& reader) {
  const std::string& path = zip.file()->path();
  const auto other = [&](const std::string& what) {
    fail("MODEL_FORMAT", path, ": ", what,
         ", so it was not written by torch.jit.save. Save it again with "
         "PyTorch, or convert it again");
  };
  const auto& entries = zip.entries();
  if (entries.empty()) other("the archive is empty");
  const std::string root = entries.front().name.substr(0, entries.front().name.find('/') + 1);
  const std::vector<std::string> records = reader.getAllRecords();
  if (records.size() != entries.size())
    other(c10::str("its table of contents has ", entries.size(), " entries or ", records.size(),
                   ", depending on how it is read"));
  std::unordered_set<std::string> names;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const ZipEntry& entry = entries[i];
    if (entry.name != root + records[i])
      other("entry '" + printable(entry.name) + "' lies outside the folder '" + printable(root) + "'");
    if (!names.insert(lower(entry.name)).second)
      other("it contains two entries named '" + printable(entry.name) + "', apart from upper and lower case");
    if (reader.getRecordSize(records[i]) != entry.size || reader.getRecordOffset(records[i]) != entry.offset)
      other("entry '" + printable(entry.name) + "' is read from two places");
    if (entry.method != 0 && entry.size > most_code_bytes)
      other(c10::str("entry '", printable(entry.name), "' unpacks to ", entry.size, " bytes"));
  }
  return root;
}

std::vector<CodeFile> code_of(const ZipReader& zip, const std::string& root, PyTorchStreamReader& reader) {
  std::vector<CodeFile> files;
  std::uint64_t bytes = 0;
  for (const ZipEntry& entry : zip.entries()) {
    const std::string name = entry.name.substr(root.size());
    if (!lower(name).starts_with("code/") || !lower(name).ends_with(".py")) continue;
    bytes += entry.size;
    if (bytes > most_code_bytes)
      fail("MODEL_FORMAT", zip.file()->path(), ": its code has more than ", most_code_bytes >> 20,
           " MiB, far more than a network's. Copy or download the file again");
    const auto [data, size] = reader.getRecord(name);
    files.push_back({name, std::string(static_cast<const char*>(data.get()), size)});
  }
  return files;
}

void check_archive(const std::string& path, const ZipReader& zip, bool trust_code) {
  PyTorchStreamReader reader(std::make_shared<MappedSource>(zip.file()));
  const std::string root = check_directory(zip, reader);
  if (reader.hasRecord("model.json"))
    fail(
        "MODEL_FORMAT", path,
        " is a TorchScript file of PyTorch before 1.2, which is not read. Load and save it with a newer one");
  // What else is no TorchScript file, libtorch names.
  const bool complete = reader.hasRecord("data.pkl") && reader.hasRecord("constants.pkl");
  if (!complete) return;
  for (const char* record : {"data.pkl", "constants.pkl"}) {
    // libtorch's reader finds CONSTANTS.PKL too.
    if (!zip.find(root + record))
      fail("MODEL_FORMAT", path, ": the name of its entry ", record,
           " is written with capital letters, so it was not written by torch.jit.save: do not use the file");
  }
  if (!trust_code) check_code(path, code_of(zip, root, reader));
  for (const char* name : {"constants", "data"}) check_record(zip, root, name, trust_code);
}

}  // namespace

void check_network_file(const std::string& path, bool trust_code) {
  const ZipReader zip = network_archive(path);
  try {
    check_archive(path, zip, trust_code);
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    fail_to_load(path, error);
  }
}

}  // namespace dinov3_seg
