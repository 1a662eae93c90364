// Versions, and tensors in and out.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/CPUAllocator.h>
#include <torch/csrc/api/include/torch/version.h>

#include <cstring>
#include <utility>

#include "bindings/method.h"
#include "core/byte_reader.h"
#include "core/error.h"
#include "core/intraop_threads.h"
#include "core/page_allocator.h"
#include "ops/score_ops.h"

namespace dinov3_seg {

struct Items {
  int64_t first, count;
};
template <>
inline constexpr auto fields<Items> =
    std::tuple{field("first", &Items::first), field("count", &Items::count)};

namespace {

auto info_of_engine() {
  use_intraop_threads();
  return object_of(Item{"torch", TORCH_VERSION}, Item{"cudaBuilt", at::hasCUDA()},
                   Item{"cudaAvailable", cuda_devices() > 0}, Item{"cudaDevices", cuda_devices()},
                   Item{"nnpack", at::globalContext().userEnabledNNPACK()},
                   Item{"cudaKernels", has_fused_kernels(c10::DispatchKey::CUDA)},
                   Item{"threads", at::get_num_threads()});
}

void set_threads(double threads) {
  if (!(threads >= 1 && threads <= 1024)) fail("INVALID_ARGUMENT", "threads must be 1 to 1024");
  set_intraop_threads(static_cast<int>(threads));
}

at::ScalarType dtype_of(napi_typedarray_type type) {
  switch (type) {
    case napi_float64_array:
      return at::kDouble;
    case napi_float32_array:
      return at::kFloat;
    case napi_bigint64_array:
      return at::kLong;
    case napi_int32_array:
      return at::kInt;
    case napi_int16_array:
      return at::kShort;
    case napi_int8_array:
      return at::kChar;
    case napi_uint8_array:
    case napi_uint8_clamped_array:
      return at::kByte;
    default:
      fail("INVALID_ARGUMENT", "typed arrays of this kind have no tensor dtype");
  }
}

at::Tensor make_tensor(Napi::Value data, const std::vector<int64_t>& shape) {
  if (!data.IsTypedArray()) fail("INVALID_ARGUMENT", "data must be a typed array");
  const auto array = data.As<Napi::TypedArray>();
  for (const int64_t size : shape)
    if (size < 0) fail("INVALID_ARGUMENT", "shape must hold whole numbers from 0, got ", size);
  int64_t elements = 0;
  if (!checked_product(shape, elements))
    fail("SHAPE", "shape ", c10::IntArrayRef(shape), " has more elements than 64 bits count");
  if (elements != static_cast<int64_t>(array.ElementLength()))
    fail("SHAPE", "shape ", c10::IntArrayRef(shape), " has ", elements, " elements, data has ",
         array.ElementLength());
  at::Tensor tensor = at::empty(shape, dtype_of(array.TypedArrayType()));
  const auto* bytes = static_cast<const uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset();
  if (elements > 0) std::memcpy(tensor.mutable_data_ptr(), bytes, array.ByteLength());
  return tensor;
}

at::Tensor slice_tensor(const at::Tensor& tensor, const Items& items) {
  const auto [first, count] = items;
  if (tensor.dim() == 0 || first < 0 || count < 1 || count > tensor.size(0) - first)
    fail("SHAPE", "there are no items ", first, " to ", first + count - 1, " in a tensor of shape ",
         tensor.sizes());
  return tensor.narrow(0, first, count);
}

auto tensor_info(const at::Tensor& tensor) {
  return object_of(Item{"shape", tensor.sizes()}, Item{"dtype", tensor.scalar_type()},
                   Item{"device", tensor.device()});
}

/// Whether JavaScript may take this memory: allocated by libtorch, contiguous, and used by this tensor only.
bool is_sole_owner(const at::Tensor& tensor) {
  return tensor.device().is_cpu() && tensor.is_contiguous() && tensor.storage_offset() == 0 &&
         tensor.use_count() == 1 && tensor.storage().use_count() == 1 &&
         tensor.storage().data_ptr().get_deleter() == c10::GetCPUAllocator()->raw_deleter();
}

/// Values of a tensor on the CPU: a copy, since JavaScript can write to the array, unless `tensor` was the
/// only owner.
auto values_of(at::Tensor tensor, bool take) {
  const auto dtype = tensor.scalar_type();
  const bool widened = dtype == at::kBFloat16 || dtype == at::kHalf || dtype == at::kFloat8_e4m3fn;
  at::Tensor values = take && !widened && is_sole_owner(tensor)
                          ? std::move(tensor)
                          : copy_page_allocated(tensor, widened ? at::kFloat : dtype);
  auto shape = values.sizes().vec();
  return object_of(Item{"data", Values{std::move(values)}}, Item{"shape", std::move(shape)},
                   Item{"dtype", dtype});
}

auto tensor_data(const at::Tensor& tensor) { return values_of(tensor, false); }

/// Disposes of the handle.
auto take_data(Napi::Value handle) {
  auto held = unwrap<at::Tensor>(handle);
  dispose_handle<at::Tensor>(handle);
  return [held = std::move(held)]() mutable {
    // The handle no longer holds the tensor; a job that still uses it does.
    at::Tensor own = *held;
    held.reset();
    return values_of(std::move(own), true);
  };
}

template <typename... Kinds>
void dispose_one_of(const Napi::Value& handle) {
  if (!(dispose_handle<Kinds>(handle) || ...))
    fail("INVALID_ARGUMENT", "expected a tensor, model or head handle");
}

void dispose(Napi::Value handle) {
  dispose_one_of<at::Tensor, SegmentationModel, DetectionModel, TrainedHeads, ShardWriter, RecordStore,
                 HostCopies, FiniteWatch>(handle);
}

const Methods tensor_methods{
    call<&info_of_engine>("info"),
    call<&set_threads>("setThreads", "threads"),
    call<&make_tensor>("tensor", "data", "shape"),
    call<&slice_tensor>("slice", "tensor", "items"),
    call<&tensor_info>("tensorInfo", "tensor"),
    job<Lane::model, &tensor_data>("tensorData", "tensor"),
    job<Lane::model, &take_data>("takeData", "tensor"),
    call<&dispose>("dispose", "handle"),
};

}  // namespace
}  // namespace dinov3_seg
