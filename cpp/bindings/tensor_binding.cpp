// Versions, devices, and tensors in and out.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/CPUAllocator.h>
#include <torch/csrc/api/include/torch/version.h>

#include <cstring>
#include <utility>

#include "bindings/job_queue.h"
#include "bindings/values.h"
#include "core/device.h"
#include "core/dtype_names.h"
#include "core/error.h"
#include "core/intraop_threads.h"
#include "core/page_allocator.h"
#include "ops/score_ops.h"

namespace dinov3_seg {
namespace {

/// info(): EngineInfo
Napi::Value info_of_engine(const Napi::CallbackInfo& info) {
  use_intraop_threads();
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("torch", TORCH_VERSION);
  result.Set("cudaBuilt", at::hasCUDA());
  result.Set("cudaAvailable", list_devices().size() > 1);
  result.Set("nnpack", at::globalContext().userEnabledNNPACK());
  result.Set("cudaKernels", has_fused_kernels(c10::DispatchKey::CUDA));
  result.Set("threads", at::get_num_threads());
  return result;
}

/// setThreads(threads)
Napi::Value set_threads(const Napi::CallbackInfo& info) {
  const double threads = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : 0;
  if (threads < 1 || threads > 1024) fail("INVALID_ARGUMENT", "threads must be 1 to 1024");
  set_intraop_threads(static_cast<int>(threads));
  return info.Env().Undefined();
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

/// tensor(data: TensorArray, shape: number[]): TensorHandle
Napi::Value make_tensor(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray()) fail("INVALID_ARGUMENT", "data must be a typed array");
  const Napi::TypedArray array = info[0].As<Napi::TypedArray>();
  const auto shape = shape_argument(info[1]);
  int64_t elements = 1;
  for (const int64_t size : shape) elements *= size;
  if (elements != static_cast<int64_t>(array.ElementLength()))
    fail("SHAPE", "shape ", c10::IntArrayRef(shape), " has ", elements, " elements, data has ",
         array.ElementLength());
  at::Tensor tensor = at::empty(shape, dtype_of(array.TypedArrayType()));
  const auto* bytes = static_cast<const uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset();
  if (elements > 0) std::memcpy(tensor.mutable_data_ptr(), bytes, array.ByteLength());
  return wrap_tensor(info.Env(), tensor);
}

/// slice(tensor, {first, count}): TensorHandle
Napi::Value slice_tensor(const Napi::CallbackInfo& info) {
  const at::Tensor tensor = tensor_argument(info[0]);
  const Napi::Object items = object_argument(info[1], "items");
  const int64_t first = integer_field(items, "first"), count = integer_field(items, "count");
  if (tensor.dim() == 0 || first < 0 || count < 1 || count > tensor.size(0) - first)
    fail("SHAPE", "there are no items ", first, " to ", first + count - 1, " in a tensor of shape ",
         tensor.sizes());
  return wrap_tensor(info.Env(), tensor.narrow(0, first, count));
}

/// tensorInfo(tensor): {shape, dtype, device}
Napi::Value tensor_info(const Napi::CallbackInfo& info) {
  const at::Tensor tensor = tensor_argument(info[0]);
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("shape", shape_array(info.Env(), tensor.sizes()));
  result.Set("dtype", dtype_name(tensor.scalar_type()));
  result.Set("device", tensor.device().str());
  return result;
}

/// Whether nothing else sees this memory and JavaScript may write to it: allocated by libtorch, in one piece,
/// and of this tensor alone.
bool is_sole_owner(const at::Tensor& tensor) {
  return tensor.device().is_cpu() && tensor.is_contiguous() && tensor.storage_offset() == 0 &&
         tensor.use_count() == 1 && tensor.storage().use_count() == 1 &&
         tensor.storage().data_ptr().get_deleter() == c10::GetCPUAllocator()->raw_deleter();
}

/// Values of a tensor on the CPU; a copy, since the array can be written to, unless `tensor` was its only
/// owner.
ToJs values_of(at::Tensor tensor, bool take) {
  const auto dtype = tensor.scalar_type();
  const bool widened = dtype == at::kBFloat16 || dtype == at::kHalf;
  const at::Tensor values = take && !widened && is_sole_owner(tensor)
                                ? tensor
                                : copy_page_allocated(tensor, widened ? at::kFloat : dtype);
  return [values, dtype](Napi::Env env) -> Napi::Value {
    Napi::Object result = Napi::Object::New(env);
    result.Set("data", typed_array(env, values));
    result.Set("shape", shape_array(env, values.sizes()));
    result.Set("dtype", dtype_name(dtype));
    return result;
  };
}

/// tensorData(tensor): Promise<{data, shape, dtype}>
Napi::Value tensor_data(const Napi::CallbackInfo& info) {
  return run_job(info, Lane::model, [tensor = tensor_argument(info[0])] { return values_of(tensor, false); });
}

/// takeData(tensor): Promise<{data, shape, dtype}>. Disposes of the handle.
Napi::Value take_data(const Napi::CallbackInfo& info) {
  auto held = unwrap<at::Tensor>(info[0]);
  dispose_handle<at::Tensor>(info[0]);
  return run_job(info, Lane::model, [held = std::move(held)]() mutable {
    // The handle's share is gone; a job that still uses the tensor has one of its own.
    at::Tensor own = *held;
    held.reset();
    return values_of(std::move(own), true);
  });
}

/// dispose(handle)
Napi::Value dispose(const Napi::CallbackInfo& info) {
  const Napi::Value handle = info[0];
  if (!dispose_handle<at::Tensor>(handle) && !dispose_handle<SegmentationModel>(handle) &&
      !dispose_handle<DetectionModel>(handle) && !dispose_handle<ClassEmbed>(handle) &&
      !dispose_handle<TrainedHeads>(handle) && !dispose_handle<LinearProbe>(handle) &&
      !dispose_handle<ShardWriter>(handle) && !dispose_handle<RecordStore>(handle))
    fail("INVALID_ARGUMENT", "expected a tensor, model or head handle");
  return info.Env().Undefined();
}

}  // namespace

void export_tensors(Napi::Env env, Napi::Object exports) {
  export_function<synchronous<info_of_engine>>(env, exports, "info");
  export_function<synchronous<set_threads>>(env, exports, "setThreads");
  export_function<synchronous<make_tensor>>(env, exports, "tensor");
  export_function<synchronous<slice_tensor>>(env, exports, "slice");
  export_function<synchronous<tensor_info>>(env, exports, "tensorInfo");
  export_function<asynchronous<tensor_data>>(env, exports, "tensorData");
  export_function<asynchronous<take_data>>(env, exports, "takeData");
  export_function<synchronous<dispose>>(env, exports, "dispose");
}

}  // namespace dinov3_seg
