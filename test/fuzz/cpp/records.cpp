// A cache's records: their layout and places as an index may state them, and the bytes of their file.
#include <fuzzer/FuzzedDataProvider.h>

#include <ATen/ATen.h>

#include <array>
#include <vector>

#include "cache/record_store.h"
#include "core/xxh64.h"
#include "touch_tensor.h"

using namespace dinov3_seg;

namespace {

constexpr std::array names = {"queries", "masks", "features", "feature_ranges", "labels", "others"};
constexpr std::array dtypes = {at::kFloat, at::kBFloat16, at::kByte, at::kDouble};
const std::string cache_id(32, 'c');

std::int64_t number(FuzzedDataProvider& input) {
  return input.ConsumeBool() ? input.ConsumeIntegralInRange<std::int64_t>(0, 9)
                             : input.ConsumeIntegral<std::int64_t>();
}

/// At a multiple of 64, as all records are: near the beginning, or anywhere.
std::int64_t place(FuzzedDataProvider& input) {
  if (input.ConsumeBool()) return 64 * input.ConsumeIntegralInRange<std::int64_t>(0, 9);
  return input.ConsumeIntegral<std::int64_t>() & ~std::int64_t{63};
}

std::vector<RecordPart> parts(FuzzedDataProvider& input) {
  std::vector<RecordPart> result;
  for (auto left = input.ConsumeIntegralInRange<int>(0, 5); left > 0; --left) {
    RecordPart part{input.PickValueInArray(names), {}, input.PickValueInArray(dtypes), 0, 0};
    for (auto sizes = input.ConsumeIntegralInRange<int>(1, 4); sizes > 0; --sizes)
      part.shape.push_back(number(input));
    result.push_back(std::move(part));
  }
  return result;
}

void read_records(RecordStore& store) {
  std::vector<bool> damaged(static_cast<std::size_t>(store.size()));
  for (const auto& [record, reason] : store.verify()) damaged[static_cast<std::size_t>(record)] = true;
  std::vector<std::int64_t> whole;
  for (std::int64_t record = 0; record < store.size(); ++record)
    if (!damaged[static_cast<std::size_t>(record)]) whole.push_back(record);
  if (whole.empty()) return;
  for (const auto& records : {whole, std::vector{whole[0]}}) {
    const auto host = store.assemble(records);
    for (const at::Tensor& part : host.parts) fuzz::touch(part);
    fuzz::touch(store.batch(host).labels);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  fuzz::read_or_refuse([&] {
    RecordLayout layout(parts(input));
    std::vector<RecordPlace> places;
    for (auto left = input.ConsumeIntegralInRange<int>(0, 3); left > 0; --left)
      places.push_back({input.ConsumeIntegralInRange<std::int64_t>(-1, 2), place(input), 0});
    const bool has_header = input.ConsumeBool(), has_checksums = input.ConsumeBool();
    auto file = input.ConsumeRemainingBytes<std::uint8_t>();
    if (has_header) {
      const std::string header = shard_header(cache_id);
      file.insert(file.begin(), header.begin(), header.end());
    }
    const auto bytes = static_cast<std::int64_t>(file.size()), record = layout.size_bytes();
    for (RecordPlace& place : places)
      if (has_checksums && record <= bytes && place.offset >= 0 && place.offset <= bytes - record)
        place.checksum = xxh64(file.data() + place.offset, static_cast<std::size_t>(record));
    fuzz::set_input(file);
    const auto store = std::make_shared<RecordStore>(
        std::move(layout), cache_id, std::vector{fuzz::input_path, std::string("missing")}, std::move(places),
        c10::Device(c10::kCPU));
    read_records(*store);
  });
  return 0;
}
