// The network's operators alone, for tests and benches.
#include <ATen/ATen.h>

#include <functional>

#include "bindings/job_queue.h"
#include "bindings/values.h"
#include "core/error.h"
#include "ops/network_ops.h"
#include "ops/network_ops_reference.h"

namespace dinov3_seg {
namespace {

struct Call {
  bool plain = false;
  int64_t repeat = 1;
};

Call call_options(const Napi::Value& value) {
  const Napi::Object options = object_argument(value, "options");
  Call call;
  if (!options.Get("plain").IsUndefined()) call.plain = boolean_field(options, "plain");
  if (!options.Get("repeat").IsUndefined()) call.repeat = integer_field(options, "repeat");
  return call;
}

at::ScalarType float_dtype(const std::string& name) {
  if (name == "float32") return at::kFloat;
  if (name == "bfloat16") return at::kBFloat16;
  if (name == "float64") return at::kDouble;
  fail("INVALID_ARGUMENT", "unknown dtype '", name, "': expected float32, bfloat16 or float64");
}

std::optional<at::Tensor> optional_tensor(const Napi::Object& in, const char* name) {
  if (in.Get(name).IsUndefined()) return {};
  return tensor_field(in, name);
}

/// Runs `call(plain)` as often as asked and wraps the last result.
Napi::Value run_operator(const Napi::CallbackInfo& info, const Napi::Value& options,
                         std::function<at::Tensor(bool)> call) {
  return run_job(info, Lane::model, [call = std::move(call), how = call_options(options)]() -> ToJs {
    at::Tensor result;
    for (int64_t i = 0; i < how.repeat; ++i) result = call(how.plain);
    return [result](Napi::Env env) { return wrap_tensor(env, result); };
  });
}

/// toDtype(tensor, dtype): Promise<TensorHandle>
Napi::Value to_dtype(const Napi::CallbackInfo& info) {
  return run_job(
      info, Lane::model,
      [tensor = tensor_argument(info[0]), dtype = float_dtype(string_argument(info[1], "dtype"))]() -> ToJs {
        return [moved = tensor.to(dtype)](Napi::Env env) { return wrap_tensor(env, moved); };
      });
}

/// tensorColumns(tensor, first, count): TensorHandle, a view of columns of the last dimension.
Napi::Value tensor_columns(const Napi::CallbackInfo& info) {
  const at::Tensor tensor = tensor_argument(info[0]);
  const auto first = info[1].As<Napi::Number>().Int64Value(), count = info[2].As<Napi::Number>().Int64Value();
  if (tensor.dim() == 0 || first < 0 || count < 0 || first + count > tensor.size(-1))
    fail("SHAPE", "expected columns of ", tensor.sizes(), ", got ", first, " and ", count, " on");
  return wrap_tensor(info.Env(), tensor.slice(-1, first, first + count));
}

/// deformableAttend({value, sizes, reference, offsets, logits}, {plain?, repeat?}): Promise<TensorHandle>.
/// value B×S×(M·D), whose heads the offsets B×Q×M×L×P×2 count: rows of a wider tensor stay a view.
Napi::Value deformable_attend_of(const Napi::CallbackInfo& info) {
  const Napi::Object in = object_argument(info[0], "tensors");
  const at::Tensor offsets = tensor_field(in, "offsets"), flat = tensor_field(in, "value");
  if (flat.dim() != 3 || offsets.dim() != 6 || offsets.size(2) == 0 || flat.size(2) % offsets.size(2) != 0)
    fail("SHAPE", "expected value B×S×(M·D) and offsets B×Q×M×L×P×2, got ", flat.sizes(), " and ",
         offsets.sizes());
  const at::Tensor value = flat.unflatten(2, {offsets.size(2), -1});
  return run_operator(
      info, info[1],
      [value, sizes = shape_argument(in.Get("sizes")), offsets, reference = tensor_field(in, "reference"),
       logits = tensor_field(in, "logits")](bool plain) {
        return (plain ? deformable_attend_reference : deformable_attend)(value, sizes, reference, offsets,
                                                                         logits);
      });
}

/// rotateQkv(qkv, sin, cos, {plain?, repeat?}): Promise<TensorHandle>; qkv is changed.
Napi::Value rotate_qkv_of(const Napi::CallbackInfo& info) {
  return run_operator(info, info[3],
                      [qkv = tensor_argument(info[0]), sin = tensor_argument(info[1]),
                       cos = tensor_argument(info[2])](bool plain) mutable -> at::Tensor {
                        return (plain ? rotate_qkv_reference : rotate_qkv)(qkv, sin, cos);
                      });
}

/// addScaledNorm({x, y, gamma?, weight, bias}, {eps, dtype?, plain?, repeat?}): Promise<{sum, normed}>
Napi::Value add_scaled_norm_of(const Napi::CallbackInfo& info) {
  const Napi::Object in = object_argument(info[0], "tensors");
  const Napi::Object options = object_argument(info[1], "options");
  const std::optional<at::Tensor> gamma = optional_tensor(in, "gamma");
  std::optional<at::ScalarType> dtype;
  if (!options.Get("dtype").IsUndefined()) dtype = float_dtype(string_field(options, "dtype"));
  return run_job(info, Lane::model,
                 [x = tensor_field(in, "x"), y = tensor_field(in, "y"), gamma,
                  weight = tensor_field(in, "weight"), bias = tensor_field(in, "bias"),
                  eps = number_field(options, "eps"), dtype, how = call_options(options)]() -> ToJs {
                   std::tuple<at::Tensor, at::Tensor> result;
                   for (int64_t i = 0; i < how.repeat; ++i)
                     result = (how.plain ? add_scaled_norm_reference : add_scaled_norm)(x, y, gamma, weight,
                                                                                        bias, eps, dtype);
                   return [result](Napi::Env env) -> Napi::Value {
                     Napi::Object object = Napi::Object::New(env);
                     object.Set("sum", wrap_tensor(env, std::get<0>(result)));
                     object.Set("normed", wrap_tensor(env, std::get<1>(result)));
                     return object;
                   };
                 });
}

/// swiglu(gate, up, {plain?, repeat?}): Promise<TensorHandle>
Napi::Value swiglu_of(const Napi::CallbackInfo& info) {
  return run_operator(info, info[2],
                      [gate = tensor_argument(info[0]), up = tensor_argument(info[1])](bool plain) {
                        return (plain ? swiglu_reference : swiglu)(gate, up);
                      });
}

/// argmaxResized(scores, {height, width, plain?, repeat?}): Promise<TensorHandle>
Napi::Value argmax_resized_of(const Napi::CallbackInfo& info) {
  const Napi::Object options = object_argument(info[1], "options");
  return run_operator(info, options,
                      [scores = tensor_argument(info[0]), height = integer_field(options, "height"),
                       width = integer_field(options, "width")](bool plain) {
                        return (plain ? argmax_resized_reference : argmax_resized)(scores, height, width);
                      });
}

/// preparePixels(pixels, {height, width, mean, std, plain?, repeat?}): Promise<TensorHandle>
Napi::Value prepare_pixels_of(const Napi::CallbackInfo& info) {
  const Napi::Object options = object_argument(info[1], "options");
  const auto numbers = [&](const char* name) {
    std::vector<double> values;
    for (const Napi::Value& value : array_argument(options.Get(name), name))
      values.push_back(value.As<Napi::Number>().DoubleValue());
    return values;
  };
  return run_operator(
      info, options,
      [pixels = tensor_argument(info[0]), height = integer_field(options, "height"),
       width = integer_field(options, "width"), mean = numbers("mean"), std = numbers("std")](bool plain) {
        return (plain ? prepare_pixels_reference : prepare_pixels)(pixels, height, width, mean, std);
      });
}

/// addResized({x, y, scale?, shift?}, {plain?, repeat?}): Promise<TensorHandle>
Napi::Value add_resized_of(const Napi::CallbackInfo& info) {
  const Napi::Object in = object_argument(info[0], "tensors");
  return run_operator(
      info, info[1],
      [x = tensor_field(in, "x"), y = tensor_field(in, "y"), scale = optional_tensor(in, "scale"),
       shift = optional_tensor(in, "shift")](bool plain) {
        return (plain ? add_resized_reference : add_resized)(x, y, scale, shift);
      });
}

/// groupNormTokens({x, weight, bias}, {groups, eps, relu, plain?, repeat?}): Promise<TensorHandle>
Napi::Value group_norm_tokens_of(const Napi::CallbackInfo& info) {
  const Napi::Object in = object_argument(info[0], "tensors");
  const Napi::Object options = object_argument(info[1], "options");
  return run_operator(
      info, options,
      [x = tensor_field(in, "x"), weight = tensor_field(in, "weight"), bias = tensor_field(in, "bias"),
       groups = integer_field(options, "groups"), eps = number_field(options, "eps"),
       relu = boolean_field(options, "relu")](bool plain) {
        return (plain ? group_norm_tokens_reference : group_norm_tokens)(x, groups, weight, bias, eps, relu);
      });
}

/// depthwiseGelu({x, sizes, weight, bias}, {plain?, repeat?}): Promise<TensorHandle>
Napi::Value depthwise_gelu_of(const Napi::CallbackInfo& info) {
  const Napi::Object in = object_argument(info[0], "tensors");
  return run_operator(info, info[1],
                      [x = tensor_field(in, "x"), sizes = shape_argument(in.Get("sizes")),
                       weight = tensor_field(in, "weight"), bias = tensor_field(in, "bias")](bool plain) {
                        return (plain ? depthwise_gelu_reference : depthwise_gelu)(x, sizes, weight, bias);
                      });
}

}  // namespace

void export_network_ops(Napi::Env env, Napi::Object exports) {
  export_function<asynchronous<to_dtype>>(env, exports, "toDtype");
  export_function<synchronous<tensor_columns>>(env, exports, "tensorColumns");
  export_function<asynchronous<deformable_attend_of>>(env, exports, "deformableAttend");
  export_function<asynchronous<rotate_qkv_of>>(env, exports, "rotateQkv");
  export_function<asynchronous<add_scaled_norm_of>>(env, exports, "addScaledNorm");
  export_function<asynchronous<swiglu_of>>(env, exports, "swiglu");
  export_function<asynchronous<argmax_resized_of>>(env, exports, "argmaxResized");
  export_function<asynchronous<prepare_pixels_of>>(env, exports, "preparePixels");
  export_function<asynchronous<add_resized_of>>(env, exports, "addResized");
  export_function<asynchronous<group_norm_tokens_of>>(env, exports, "groupNormTokens");
  export_function<asynchronous<depthwise_gelu_of>>(env, exports, "depthwiseGelu");
}

}  // namespace dinov3_seg
