#include "safetensors.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>
#include <unordered_set>
#include <utility>

#include "atomic_file.h"
#include "byte_reader.h"
#include "dtype_names.h"
#include "error.h"
#include "file_storage.h"
#include "safetensors_header.h"
#include "utf8.h"

namespace dinov3_seg {
namespace {

constexpr std::uint64_t prefix_size = 8;              // the header's length
constexpr std::uint64_t max_header_size = 100 << 20;  // the limit of the reference implementation

/// Bytes of a tensor of this shape; false if they do not fit 63 bits. `shape` with 1 for 0 must fit as well,
/// since libtorch computes strides that way.
bool tensor_bytes(const std::vector<std::int64_t>& shape, std::int64_t element_size, std::int64_t& bytes) {
  std::int64_t padded = element_size;
  bool empty = false;
  for (const auto size : shape) {
    empty = empty || size == 0;
    if (!checked_multiply(padded, std::max<std::int64_t>(size, 1), padded)) return false;
  }
  bytes = empty ? 0 : padded;
  return true;
}

/// Every byte of the data belongs to one tensor: no holes, no overlaps, nothing after the end.
void check_places(const SafetensorsHeader& header, std::uint64_t data_size, const std::string& where) {
  std::vector<const SafetensorsEntry*> order;
  for (const auto& entry : header.entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(),
            [](const auto* a, const auto* b) { return a->data_offsets < b->data_offsets; });
  std::int64_t position = 0;
  for (const auto* entry : order) {
    const auto [begin, end] = entry->data_offsets;
    if (static_cast<std::uint64_t>(end) > data_size) {
      fail("CHECKPOINT_TRUNCATED", where, ": '", printable(entry->name), "' ends at byte ", end,
           " of the data, but the data has ", data_size, " bytes. Copy or download the file again");
    }
    if (begin != position || end < begin) {
      fail("CHECKPOINT_FORMAT", where, ": '", printable(entry->name), "' lies at bytes ", begin, " to ", end,
           " of the data; expected it to begin at ", position, ", without holes or overlaps");
    }
    position = end;
  }
  if (static_cast<std::uint64_t>(position) != data_size) {
    fail("CHECKPOINT_FORMAT", where, ": the tensors take ", position, " bytes, but the file has ", data_size,
         " bytes of data");
  }
}

at::Tensor view_entry(const std::shared_ptr<const MappedFile>& file, std::span<const std::uint8_t> data,
                      const SafetensorsEntry& entry) {
  const DtypeNames* row = find_dtype(&DtypeNames::safetensors, std::string_view(entry.dtype));
  if (row == nullptr) {
    fail("CHECKPOINT_FORMAT", file->path(), ": '", printable(entry.name), "' has dtype ",
         printable(entry.dtype), "; expected F64, F32, F16, BF16, I64, I32, I16, I8, U8 or BOOL");
  }
  const auto [begin, end] = entry.data_offsets;
  std::int64_t expected = 0;
  const bool fits =
      tensor_bytes(entry.shape, static_cast<std::int64_t>(c10::elementSize(row->dtype)), expected);
  if (!fits || expected != end - begin) {
    fail("CHECKPOINT_FORMAT", file->path(), ": '", printable(entry.name), "' of shape ",
         at::IntArrayRef(entry.shape), " and dtype ", printable(entry.dtype), " does not match its ",
         end - begin, " bytes of data");
  }
  const auto bytes = data.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(expected));
  if (row->dtype == at::ScalarType::Bool &&
      std::any_of(bytes.begin(), bytes.end(), [](auto b) { return b > 1; })) {
    fail("CHECKPOINT_FORMAT", file->path(), ": '", printable(entry.name),
         "' is bool but contains bytes other than 0 and 1");
  }
  at::Tensor tensor = at::empty({0}, at::TensorOptions().dtype(row->dtype));
  std::vector<std::int64_t> strides(entry.shape.size());
  std::int64_t stride = 1;
  for (std::size_t i = strides.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= std::max<std::int64_t>(entry.shape[i], 1);
  }
  return tensor.set_(file_storage(file, bytes), 0, entry.shape, strides);
}

/// The table of the file to be written, with places given out in order of falling element size, and that
/// order.
std::pair<SafetensorsHeader, std::vector<std::size_t>> plan_file(const std::vector<NamedTensor>& tensors) {
  SafetensorsHeader header;
  std::unordered_set<std::string_view> names;
  for (const auto& [name, tensor] : tensors) {
    if (name == "__metadata__" || !is_utf8(name) || !names.insert(name).second) {
      fail("INVALID_ARGUMENT", "'", printable(name),
           "' cannot name a tensor of a .safetensors file: names are UTF-8, "
           "occur once, and are not __metadata__");
    }
    const DtypeNames* row = tensor.defined() ? find_dtype(&DtypeNames::dtype, tensor.scalar_type()) : nullptr;
    if (row == nullptr || tensor.layout() != at::kStrided) {
      fail("INVALID_ARGUMENT", "'", printable(name),
           "' cannot be written to a .safetensors file: expected a dense "
           "tensor of float64, float32, float16, bfloat16, int64, int32, int16, int8, uint8 or bool");
    }
    header.entries.push_back({name, std::string(row->safetensors), tensor.sizes().vec(), {}});
  }
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return tensors[a].tensor.element_size() > tensors[b].tensor.element_size();
  });
  std::int64_t position = 0;
  for (const auto i : order) {
    const auto size = static_cast<std::int64_t>(tensors[i].tensor.nbytes());
    header.entries[i].data_offsets = {position, position + size};
    position += size;
  }
  return {std::move(header), std::move(order)};
}

}  // namespace

bool looks_like_safetensors(std::span<const std::uint8_t> bytes) {
  if (bytes.size() <= prefix_size || bytes[prefix_size] != '{') return false;
  return ByteReader(bytes).value<std::uint64_t>() <= max_header_size;
}

Safetensors read_safetensors(std::shared_ptr<const MappedFile> file) {
  const std::string& path = file->path();
  if (!looks_like_safetensors(file->bytes())) fail("CHECKPOINT_FORMAT", path, " is not a .safetensors file");
  ByteReader reader(file->bytes());
  const auto header_size = reader.value<std::uint64_t>();
  if (header_size > reader.left()) {
    fail("CHECKPOINT_TRUNCATED", path, " ends within its header: ", header_size, " bytes were expected, ",
         reader.left(), " were found. Copy or download the file again");
  }
  SafetensorsHeader header = parse_safetensors_header(reader.text(header_size), path);
  const auto data = reader.take(reader.left());
  check_places(header, data.size(), path);
  Safetensors result;
  result.tensors.reserve(header.entries.size());
  for (; !header.entries.empty(); header.entries.pop_front()) {  // a file may list very many
    SafetensorsEntry& entry = header.entries.front();
    at::Tensor tensor = view_entry(file, data, entry);
    result.tensors.push_back({std::move(entry.name), std::move(tensor)});
  }
  result.metadata = std::move(header.metadata);
  return result;
}

void write_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  auto [header, order] = plan_file(tensors);
  header.metadata = metadata;
  for (const auto& [key, value] : metadata) {
    if (!is_utf8(key) || !is_utf8(value)) {
      fail("INVALID_ARGUMENT", "metadata '", printable(key), "' is not UTF-8 text");
    }
  }
  std::string json = format_safetensors_header(header);
  json.resize((json.size() + 7) / 8 * 8, ' ');
  const std::uint64_t header_size = json.size();
  const std::uint64_t data_size =
      order.empty() ? 0 : static_cast<std::uint64_t>(header.entries[order.back()].data_offsets[1]);

  AtomicFile file(path, prefix_size + header_size + data_size);
  file.write(&header_size, sizeof header_size);
  file.write(json.data(), json.size());
  for (const auto i : order) {
    const at::Tensor tensor = tensors[i].tensor.detach().to(at::kCPU).resolve_neg().contiguous();
    file.write(tensor.const_data_ptr(), tensor.nbytes());
  }
  file.commit();
}

}  // namespace dinov3_seg
