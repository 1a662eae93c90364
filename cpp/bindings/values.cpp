#include "bindings/values.h"

#include <cmath>
#include <cstring>
#include <memory>

#include "core/device.h"
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

at::Tensor tensor_argument(const Napi::Value& value) { return *unwrap<at::Tensor>(value); }

Napi::Object object_argument(const Napi::Value& value, const char* what) {
  if (!value.IsObject()) fail("INVALID_ARGUMENT", what, " must be an object");
  return value.As<Napi::Object>();
}

std::string string_argument(const Napi::Value& value, const char* what) {
  if (!value.IsString()) fail("INVALID_ARGUMENT", what, " must be a string");
  return value.As<Napi::String>().Utf8Value();
}

std::string string_field(const Napi::Object& object, const char* name) {
  return string_argument(object.Get(name), name);
}

double number_field(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsNumber()) fail("INVALID_ARGUMENT", name, " must be a number");
  return value.As<Napi::Number>().DoubleValue();
}

int64_t integer_field(const Napi::Object& object, const char* name) {
  const double value = number_field(object, name);
  if (std::floor(value) != value || std::abs(value) > 9007199254740991.0)
    fail("INVALID_ARGUMENT", name, " must be a whole number, got ", value);
  return static_cast<int64_t>(value);
}

bool boolean_field(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsBoolean()) fail("INVALID_ARGUMENT", name, " must be true or false");
  return value.As<Napi::Boolean>().Value();
}

at::Tensor tensor_field(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!is_handle<at::Tensor>(value)) fail("INVALID_ARGUMENT", name, " must be a tensor handle");
  return tensor_argument(value);
}

std::map<std::string, std::string> string_map(const Napi::Object& object) {
  std::map<std::string, std::string> map;
  const Napi::Array names = object.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).As<Napi::String>().Utf8Value();
    map[name] = string_argument(object.Get(name), name.c_str());
  }
  return map;
}

StepOptions step_options(const Napi::Value& value) {
  const Napi::Object object = object_argument(value, "options");
  return {number_field(object, "learningRate"), number_field(object, "weightDecay"),
          number_field(object, "beta1"),        number_field(object, "beta2"),
          number_field(object, "epsilon"),      number_field(object, "maxNorm")};
}

std::vector<Napi::Value> array_argument(const Napi::Value& value, const char* what) {
  if (!value.IsArray()) fail("INVALID_ARGUMENT", what, " must be an array");
  const Napi::Array array = value.As<Napi::Array>();
  std::vector<Napi::Value> items;
  for (uint32_t i = 0; i < array.Length(); ++i) items.push_back(array.Get(i));
  return items;
}

/// What keeps an array's memory until V8 drops the array.
struct ArrayMemory {
  c10::DataPtr values;
  at::Tensor owner;  // where others use the memory too
  int64_t bytes;
};

// Below this a copy is cheaper than what V8 keeps of an array whose memory is elsewhere.
constexpr size_t least_external_bytes = 16 << 10;

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
  if (bytes < least_external_bytes) return copied_buffer(env, tensor.const_data_ptr(), bytes);
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

ModelPlacement placement_of(const Napi::Object& options) {
  return {parse_device(string_field(options, "device")), string_field(options, "dtype"),
          parse_network_precision(string_field(options, "precision")), boolean_field(options, "cudaGraphs")};
}

at::ScalarType network_dtype_field(const Napi::Object& options) {
  const std::string dtype = string_field(options, "dtype");
  if (dtype != "float32" && dtype != "bfloat16")
    fail("INVALID_ARGUMENT", "unknown dtype '", dtype, "': expected float32 or bfloat16");
  return dtype == "float32" ? at::kFloat : at::kBFloat16;
}

Napi::Object loss_object(Napi::Env env, const LossResult& result) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("loss", result.loss);
  object.Set("pixels", static_cast<double>(result.pixels));
  return object;
}

Napi::Array shape_array(Napi::Env env, c10::IntArrayRef sizes) {
  Napi::Array shape = Napi::Array::New(env, sizes.size());
  for (size_t i = 0; i < sizes.size(); ++i)
    shape.Set(static_cast<uint32_t>(i), static_cast<double>(sizes[i]));
  return shape;
}

std::vector<int64_t> shape_argument(const Napi::Value& value) {
  if (!value.IsArray()) fail("INVALID_ARGUMENT", "shape must be an array");
  const Napi::Array array = value.As<Napi::Array>();
  std::vector<int64_t> shape;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value size = array.Get(i);
    const double number = size.IsNumber() ? size.As<Napi::Number>().DoubleValue() : -1;
    if (number < 0 || std::floor(number) != number)
      fail("INVALID_ARGUMENT", "shape holds sizes that are not whole numbers");
    shape.push_back(static_cast<int64_t>(number));
  }
  return shape;
}

}  // namespace dinov3_seg
