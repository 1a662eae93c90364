// Quantising on CUDA devices, as network_ops.cpp.
#include "ops/quantized_ops.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <tuple>

#include "ops/cuda/launch.h"
#include "ops/cuda/operators.h"
#include "ops/cuda/tensor_arguments.h"
#include "ops/quantized_checks.h"

namespace dinov3_seg {
namespace {

/// Of x, or of silu(x)·up.
std::tuple<at::Tensor, at::Tensor> quantized(const at::Tensor& given_x, const at::Tensor* given_up) {
  const c10::DeviceGuard guard(given_x.device());
  const at::Tensor x = with_row_stride(given_x);
  const at::Tensor values = at::empty(given_x.sizes(), given_x.options().dtype(at::kFloat8_e4m3fn));
  const at::Tensor scales = at::empty(scales_shape(given_x.sizes()), given_x.options().dtype(at::kFloat));
  cuda::QuantizeArguments in{};
  in.columns = x.size(-1);
  in.rows = x.numel() / in.columns;
  in.kind = kind_of(x.scalar_type());
  in.x = x.const_data_ptr();
  in.row = row_stride(x).value();
  in.vectors = is_aligned(x) && is_whole(x, {in.row}) && in.columns % 8 == 0 && is_aligned(values);
  at::Tensor up;
  if (given_up) {
    up = with_row_stride(*given_up);
    in.up = up.const_data_ptr();
    in.up_row = row_stride(up).value();
    in.vectors = in.vectors && is_aligned(up) && is_whole(up, {in.up_row});
  }
  in.values = values.mutable_data_ptr();
  in.scales = scales.mutable_data_ptr<float>();
  check_grid(in.rows);
  launch(kernels().quantize_rows, in);
  return {values, scales};
}

std::tuple<at::Tensor, at::Tensor> quantize_rows_cuda(const at::Tensor& x) {
  check_quantized_rows(x);
  return quantized(x, nullptr);
}

std::tuple<at::Tensor, at::Tensor> swiglu_quantized_cuda(const at::Tensor& gate, const at::Tensor& up) {
  check_swiglu(gate, up);
  check_quantized_rows(gate);
  return quantized(gate, &up);
}

}  // namespace

void implement_quantized_operators(torch::Library& library) {
  library.impl("quantize_rows", quantize_rows_cuda);
  library.impl("swiglu_quantized", swiglu_quantized_cuda);
}

}  // namespace dinov3_seg
