// The pickle machine without the zip archive around it, and the state dict in what it gives. The first byte says whether the
// pickle is of a TorchScript archive.
#include <ATen/ATen.h>

#include "core/pickle_reader.h"
#include "core/state_dict.h"
#include "core/torch_globals.h"
#include "touch_tensor.h"

using namespace dinov3_seg;

namespace {

constexpr std::size_t storage_bytes = 256;

class Globals : public TorchGlobals {
 public:
  explicit Globals(bool torchscript) : TorchGlobals(fuzz::input_path, torchscript, storage_bytes) {}

 private:
  c10::Storage load_storage(const std::string& key) override {
    if (key.size() != 1) fail("CHECKPOINT_TRUNCATED", "no storage of this key");
    auto& storage = storages_[key[0] & 3];
    if (!storage) storage = at::ones({storage_bytes}, at::kByte).storage();
    return storage;
  }

  c10::Storage storages_[4];
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  // A copy of its own size: the reader's text is a view of it.
  const std::vector<std::uint8_t> bytes(data + 1, data + size);
  const bool torchscript = (data[0] & 1) != 0;
  fuzz::read_or_refuse([&] {
    Globals globals(torchscript);
    const PickleTree pickle = read_pickle(bytes, globals, fuzz::input_path);
    const StateDict found = torchscript ? find_module_tensors(pickle, fuzz::input_path)
                                        : find_state_dict(pickle, fuzz::input_path);
    for (const auto& [name, tensor] : found.tensors) fuzz::touch(tensor);
  });
  return 0;
}
