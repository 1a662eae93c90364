#include "torch_globals.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "byte_reader.h"
#include "dtype_names.h"
#include "error.h"
#include "utf8.h"

namespace dinov3_seg {
namespace {

using Kind = PickleValue::Kind;

// Known and harmless, but of tensors that are not read here.
constexpr std::array<std::string_view, 8> other_storages = {
    "ComplexDoubleStorage", "ComplexFloatStorage", "QUInt8Storage",   "QInt8Storage",
    "QInt32Storage",        "QUInt4x2Storage",     "QUInt2x4Storage", "UntypedStorage"};
constexpr std::array<std::string_view, 13> other_dtypes = {
    "uint16",        "uint32",         "uint64", "complex32", "complex64", "complex128", "float8_e5m2",
    "float8_e4m3fn", "float8_e8m0fnu", "quint8", "qint8",     "qint32",    "quint4x2"};
constexpr std::array<std::string_view, 5> jit_tags = {"restore_type_tag", "build_intlist", "build_tensorlist",
                                                      "build_doublelist", "build_boollist"};

template <typename Names>
bool contains(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Whether the module holds the classes of a TorchScript archive.
bool is_module_class(std::string_view module) {
  return module == "__torch__" || module.starts_with("__torch__.");
}

const DtypeNames& dtype_row(at::ScalarType dtype) { return *find_dtype(&DtypeNames::dtype, dtype); }

// torch.save numbers them.
constexpr std::size_t max_storage_name = 256;
// What libtorch allocates for a tensor without its sizes and strides, about.
constexpr std::uint64_t tensor_object_bytes = 320;

}  // namespace

/// What a tensor is made from: element counts, not bytes.
struct TorchGlobals::View {
  const c10::Storage& storage;
  at::ScalarType dtype;
  std::int64_t offset;
  std::vector<std::int64_t> sizes;
  std::vector<std::int64_t> strides;
};

bool TorchGlobals::allows(std::string_view module, std::string_view name) const {
  if (module == "collections") return name == "OrderedDict";
  if (module == "torch._utils") {
    return name == "_rebuild_tensor" || name == "_rebuild_tensor_v2" || name == "_rebuild_tensor_v3" ||
           name == "_rebuild_parameter";
  }
  if (module == "torch.storage") return name == "UntypedStorage";
  if (module == "torch") {
    return name == "Size" || name == "device" || find_dtype(&DtypeNames::storage, name) != nullptr ||
           find_dtype(&DtypeNames::name, name) != nullptr || contains(other_storages, name) ||
           contains(other_dtypes, name);
  }
  if (!torchscript_) return false;
  return is_module_class(module) || (module == "torch.jit._pickle" && contains(jit_tags, name));
}

PickleValue* TorchGlobals::call(PickleTree& tree, const PickleValue& function, const PickleValue& arguments) {
  const PickleGlobal& global = function.global();
  const PickleItems& items = arguments.items();
  if (global.is("collections", "OrderedDict") && items.empty()) return tree.make_container(Kind::dict);
  if (global.module == "torch._utils" && global.name.starts_with("_rebuild_tensor"))
    return rebuild(tree, global, items);
  if (global.is("torch._utils", "_rebuild_parameter") && !items.empty() && items[0]->is(Kind::tensor))
    return items[0];
  // Values without a tensor in them: the argument itself shows them well enough.
  if ((global.is("torch", "Size") || global.is("torch", "device")) && !items.empty()) return items[0];
  if (global.module == "torch.jit._pickle" && !items.empty()) return items[0];
  if (is_module_class(global.module) && items.empty()) return tree.make_container(Kind::object);
  fail("CHECKPOINT_FORMAT", where_, ": the pickle calls ", full_name(global),
       " with arguments that torch.save does not write");
}

PickleValue* TorchGlobals::storage(PickleTree& tree, const PickleValue& id) {
  const auto is_well_formed = [&] {
    if (!id.is(Kind::tuple)) return false;
    const PickleItems& items = id.items();
    return items.size() >= 5 && items[0]->is(Kind::text) && items[0]->text() == "storage" &&
           items[1]->is(Kind::global) && items[2]->is(Kind::text) &&
           items[2]->text().size() <= max_storage_name && items[4]->is(Kind::integer);
  };
  if (!is_well_formed())
    fail("CHECKPOINT_FORMAT", where_, ": the pickle refers to data in a way that torch.save does not");
  const PickleItems& items = id.items();
  const PickleGlobal& global = items[1]->global();
  const std::string_view type = global.name;
  const std::string key(items[2]->text());
  const std::int64_t elements = items[4]->integer();
  PickleStorage result;
  std::int64_t element_size = 1;
  if (type != "UntypedStorage") {
    // A class of the same name in the file's own code would be another thing to libtorch.
    const DtypeNames* row = global.module == "torch" ? find_dtype(&DtypeNames::storage, type) : nullptr;
    if (row == nullptr) {
      fail("CHECKPOINT_FORMAT", where_, ": storage '", printable(key), "' is a ", full_name(global),
           ", which is not supported. Convert its tensors to float32 in PyTorch and save again");
    }
    result.dtype = row->dtype;
    element_size = static_cast<std::int64_t>(c10::elementSize(row->dtype));
  }
  result.storage = load_storage(key);
  std::int64_t expected = 0;
  const auto held = static_cast<std::int64_t>(result.storage.nbytes());
  if (elements < 0 || !checked_multiply(elements, element_size, expected) || expected > held) {
    fail("CHECKPOINT_TRUNCATED", where_, ": storage '", printable(key), "' should contain ", elements,
         " elements of ", element_size, " bytes, but the archive has only ", held, " bytes");
  }
  return tree.make(Kind::storage, std::move(result));
}

/// _rebuild_tensor(storage, offset, size, stride); _v2 adds requires_grad, hooks, metadata; _v3 has
/// requires_grad, hooks and a dtype after the stride, for storages without one.
PickleValue* TorchGlobals::rebuild(PickleTree& tree, const PickleGlobal& function, const PickleItems& items) {
  const auto malformed = [&](const char* what) {
    fail("CHECKPOINT_FORMAT", where_, ": a call of ", full_name(function), " has ", what);
  };
  if (items.size() < 4 || !items[0]->is(Kind::storage) || !items[1]->is(Kind::integer)) {
    malformed("no storage, offset, size and stride");
  }
  View view{items[0]->storage().storage, items[0]->storage().dtype, items[1]->integer(), {}, {}};
  const auto integers = [&](const PickleValue& value, std::vector<std::int64_t>& result) {
    if (!value.is(Kind::tuple) && !value.is(Kind::list)) malformed("a shape that is not a tuple");
    if (value.items().size() > max_dimensions) malformed("more than 64 dimensions");
    for (const PickleValue* item : value.items()) {
      if (!item->is(Kind::integer) || item->integer() < 0)
        malformed("a size or stride that is not a whole number ≥ 0");
      result.push_back(item->integer());
    }
  };
  integers(*items[2], view.sizes);
  integers(*items[3], view.strides);
  if (view.sizes.size() != view.strides.size()) malformed("different numbers of strides and sizes");
  if (function.name == "_rebuild_tensor_v3") {
    if (items.size() < 7 || !items[6]->is(Kind::global)) malformed("no dtype");
    const PickleGlobal& dtype = items[6]->global();
    const DtypeNames* row = dtype.module == "torch" ? find_dtype(&DtypeNames::name, dtype.name) : nullptr;
    if (row == nullptr) {
      fail("CHECKPOINT_FORMAT", where_, ": a tensor is of ", full_name(items[6]->global()),
           ", which is not supported. Convert it to float32 in PyTorch and save again");
    }
    view.dtype = row->dtype;
  }
  check_bounds(view);
  if (view.dtype == at::ScalarType::Bool) check_booleans(view.storage);
  at::Tensor tensor = at::empty({0}, at::TensorOptions().dtype(view.dtype));
  tensor.set_(view.storage, view.offset, view.sizes, view.strides);
  tree.made_bytes += tensor_object_bytes + 2 * sizeof(std::int64_t) * view.sizes.size();
  return tree.make(Kind::tensor, std::move(tensor));
}

/// The last element that sizes and strides reach must lie within the storage.
void TorchGlobals::check_bounds(View& view) {
  const auto element_size = static_cast<std::int64_t>(c10::elementSize(view.dtype));
  const auto held = static_cast<std::int64_t>(view.storage.nbytes()) / element_size;
  const auto outside = [&] {
    fail("CHECKPOINT_TRUNCATED", where_, ": a ", dtype_row(view.dtype).name, " tensor of shape ",
         at::IntArrayRef(view.sizes), ", strides ", at::IntArrayRef(view.strides), " at element ",
         view.offset, " reaches past its storage of ", held, " elements");
  };
  std::int64_t count = 1;
  std::int64_t last = view.offset;
  bool empty = false;
  for (std::size_t i = 0; i < view.sizes.size(); ++i) {
    std::int64_t reach = 0;
    // Zero sizes are left out of the product, so that the strides libtorch computes cannot overflow either.
    if (!checked_multiply(count, std::max<std::int64_t>(view.sizes[i], 1), count)) outside();
    if (view.sizes[i] == 0) {
      empty = true;
    } else if (!checked_multiply(view.sizes[i] - 1, view.strides[i], reach) ||
               !checked_add(last, reach, last)) {
      outside();
    }
  }
  std::int64_t bytes = 0;
  if (!checked_multiply(count, element_size, bytes) || view.offset < 0) outside();
  if (empty) {
    view.offset = 0;
    std::fill(view.strides.begin(), view.strides.end(), 1);
    return;
  }
  if (last >= held) outside();
  if (count <= held) return;
  if (static_cast<std::uint64_t>(bytes) > repeat_budget_bytes_) {
    fail("CHECKPOINT_FORMAT", where_, ": a tensor of shape ", at::IntArrayRef(view.sizes), " repeats the ",
         held,
         " elements of its storage until it is larger than the file. Save it with .contiguous() in PyTorch");
  }
  repeat_budget_bytes_ -= static_cast<std::uint64_t>(bytes);
}

/// A bool that is neither 0 nor 1 makes C++ misbehave.
void TorchGlobals::check_booleans(const c10::Storage& storage) {
  // Not by the data's address: an empty storage has that of the next one.
  if (!checked_booleans_.insert(storage.unsafeGetStorageImpl()).second) return;
  const auto* bytes = static_cast<const std::uint8_t*>(storage.data());
  for (std::size_t i = 0; i < storage.nbytes(); ++i) {
    if (bytes[i] > 1) fail("CHECKPOINT_FORMAT", where_, ": a bool tensor contains the byte ", int{bytes[i]});
  }
}

}  // namespace dinov3_seg
