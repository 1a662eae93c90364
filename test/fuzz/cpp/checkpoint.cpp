// Whole checkpoint files, told by their content: .pth, TorchScript and .safetensors.
#include "core/checkpoint.h"
#include "touch_tensor.h"

using namespace dinov3_seg;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::set_input({data, size});
  fuzz::read_or_refuse([] {
    for (const auto& [name, tensor] : read_checkpoint(fuzz::input_path).tensors) fuzz::touch(tensor);
    const CheckpointSummary summary = inspect_checkpoint(fuzz::input_path);
    if (summary.parameters < 0 || summary.total_bytes < 0) fuzz::finding("a negative number of elements");
  });
  return 0;
}
