// The JSON table of a .safetensors file. What was read is written and read again.
#include "core/safetensors_header.h"
#include "fuzz_target.h"

using namespace dinov3_seg;

namespace {

bool same(const SafetensorsEntry& a, const SafetensorsEntry& b) {
  return a.name == b.name && a.dtype == b.dtype && a.shape == b.shape && a.data_offsets == b.data_offsets;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string json(reinterpret_cast<const char*>(data), size);
  fuzz::read_or_refuse([&] {
    const SafetensorsHeader header = parse_safetensors_header(json, fuzz::input_path);
    const SafetensorsHeader again =
        parse_safetensors_header(format_safetensors_header(header), fuzz::input_path);
    bool equal = again.metadata == header.metadata && again.entries.size() == header.entries.size();
    for (std::size_t i = 0; equal && i < header.entries.size(); ++i)
      equal = same(header.entries[i], again.entries[i]);
    if (!equal) fuzz::finding("a table that is another one once written");
  });
  return 0;
}
