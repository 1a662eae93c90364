#include "bindings/values.h"

#include <cstring>
#include <memory>

#include "core/error.h"

namespace dinov3_seg {
namespace {

napi_typedarray_type array_type(at::ScalarType dtype) {
  switch (dtype) {
    case at::kDouble:
      return napi_float64_array;
    case at::kFloat:
      return napi_float32_array;
    case at::kLong:
      return napi_bigint64_array;
    case at::kInt:
      return napi_int32_array;
    case at::kShort:
      return napi_int16_array;
    case at::kChar:
      return napi_int8_array;
    default:
      return napi_uint8_array;
  }
}

}  // namespace

Napi::Value wrap_tensor(Napi::Env env, const at::Tensor& tensor) {
  return wrap(env, std::make_shared<at::Tensor>(tensor), static_cast<int64_t>(tensor.nbytes()));
}

Napi::Object object_argument(const Napi::Value& value, const char* what) {
  if (!value.IsObject()) fail("INVALID_ARGUMENT", what, " must be an object");
  return value.As<Napi::Object>();
}

/// Keeps an array's memory until V8 frees the array.
struct ArrayMemory {
  c10::DataPtr values;
  at::Tensor owner;  // if others use the memory too
  int64_t bytes;
};

// Below this, a copy is cheaper than the bookkeeping of V8 for external memory.
constexpr size_t min_external_bytes = 16 << 10;

/// A finaliser of Node.js, whose C frames take no exception.
void free_array_memory(napi_env env, void*, void* hint) noexcept {
  const std::unique_ptr<ArrayMemory> memory(static_cast<ArrayMemory*>(hint));
  int64_t all = 0;
  napi_adjust_external_memory(env, -memory->bytes, &all);
}

Napi::ArrayBuffer copied_buffer(Napi::Env env, const void* data, size_t bytes) {
  auto buffer = Napi::ArrayBuffer::New(env, bytes);
  if (bytes > 0) std::memcpy(buffer.Data(), data, bytes);
  return buffer;
}

/// The tensor's memory without a copy. A tensor that nothing else holds gives it up: its own small blocks are
/// not to stay between the temporaries of a lane's later jobs until V8 collects its garbage. Runtimes that
/// take no memory of others (Electron) get a copy.
Napi::ArrayBuffer external_buffer(Napi::Env env, const at::Tensor& tensor) {
  const size_t bytes = tensor.nbytes();
  if (bytes < min_external_bytes) return copied_buffer(env, tensor.const_data_ptr(), bytes);
  void* data = tensor.mutable_data_ptr();
  auto memory = std::make_unique<ArrayMemory>(c10::DataPtr(), at::Tensor(), static_cast<int64_t>(bytes));
  if (tensor.use_count() == 1 && tensor.storage().use_count() == 1)
    memory->values = tensor.storage().set_data_ptr({});
  else
    memory->owner = tensor;
  napi_value buffer = nullptr;
  const napi_status status =
      napi_create_external_arraybuffer(env, data, bytes, free_array_memory, memory.get(), &buffer);
  if (status == napi_no_external_buffers_allowed) return copied_buffer(env, data, bytes);
  if (status != napi_ok) throw Napi::Error::New(env);
  Napi::MemoryManagement::AdjustExternalMemory(env, memory.release()->bytes);
  return Napi::ArrayBuffer(env, buffer);
}

Napi::Value typed_array(Napi::Env env, const at::Tensor& tensor) {
  const auto buffer = external_buffer(env, tensor);
  napi_value array = nullptr;
  const napi_status status = napi_create_typedarray(env, array_type(tensor.scalar_type()),
                                                    static_cast<size_t>(tensor.numel()), buffer, 0, &array);
  if (status != napi_ok) throw Napi::Error::New(env);
  return Napi::Value(env, array);
}

}  // namespace dinov3_seg
