// The table of kernels of cuda_kernels.so. Compiled with the CUDA runtime and without libtorch.
#include "ops/cuda/kernel_library.h"

#include <cuda_runtime_api.h>

#include <algorithm>

#include "ops/cuda/kernel_table.h"

namespace dinov3_seg::cuda {
namespace {

/// A function that launches kernels, with the error that a launch left.
template <auto function>
struct Launched;
template <typename... Arguments, void (*function)(Arguments...)>
struct Launched<function> {
  static int run(Arguments... arguments) {
    function(arguments...);
    return cudaGetLastError();
  }
};
template <auto function>
constexpr auto launched = Launched<function>::run;

void clear(void* to, size_t bytes, cudaStream_t stream) {
  // The error stays for cudaGetLastError.
  static_cast<void>(cudaMemsetAsync(to, 0, bytes, stream));
}

constexpr KernelTable table = {
    .clear = launched<clear>,
    .replace_fills = replace_fills,
    .fits_cells = fits_cells,
    .cell_blocks = cell_blocks,
    .pixel_blocks = pixel_blocks,
    .score_gradient = launched<score_gradient>,
    .score_losses = launched<score_losses>,
    .spread_gradient = launched<spread_gradient>,
    .sum_partials = launched<sum_partials>,
    .score_counts = launched<score_counts>,
    .norm_blocks = norm_blocks,
    .adamw_step = launched<adamw_step>,
    .deformable_blocks = deformable_blocks,
    .deformable_attend = launched<deformable_attend>,
    .rotate_qkv = launched<rotate_qkv>,
    .add_scaled_norm = launched<add_scaled_norm>,
    .swiglu_blocks = swiglu_blocks,
    .swiglu = launched<swiglu>,
    .quantize_rows = launched<quantize_rows>,
    .argmax_blocks = argmax_blocks,
    .argmax_resized = launched<argmax_resized>,
    .masks_blocks = masks_blocks,
    .masks_bytes = masks_bytes,
    .argmax_masks = launched<argmax_masks>,
    .count_blocks = count_blocks,
    .count_classes = launched<count_classes>,
    .pixels_blocks = pixels_blocks,
    .prepare_pixels = launched<prepare_pixels>,
    .perspective_view = launched<perspective_view>,
    .add_resized_blocks = add_resized_blocks,
    .add_resized = launched<add_resized>,
    .group_norm_chunks = group_norm_chunks,
    .group_norm_blocks = group_norm_blocks,
    .group_norm_tokens = launched<group_norm_tokens>,
    .depthwise_blocks = depthwise_blocks,
    .depthwise_gelu = launched<depthwise_gelu>,
    .upscaled_blocks = upscaled_blocks,
    .upscaled_norm = launched<upscaled_norm>,
    .box_bias_blocks = box_bias_blocks,
    .box_bias = launched<box_bias>,
    .float16_blocks = float16_blocks,
    .to_float16 = launched<to_float16>,
};

int driver() {
  int version = 0;
  return cudaDriverGetVersion(&version) == cudaSuccess ? version : 0;
}

/// A failed call leaves its error behind, which a later launch would be blamed for.
int failed(cudaError_t error) {
  static_cast<void>(cudaGetLastError());
  return -error;
}

int devices(KernelDevice* to, int most) {
  int count = 0;
  if (const cudaError_t error = cudaGetDeviceCount(&count)) return failed(error);
  for (int device = 0; device < std::min(count, most); ++device) {
    // Attributes are the driver's to tell: no context is created.
    if (const cudaError_t error =
            cudaDeviceGetAttribute(&to[device].major, cudaDevAttrComputeCapabilityMajor, device))
      return failed(error);
    if (const cudaError_t error =
            cudaDeviceGetAttribute(&to[device].minor, cudaDevAttrComputeCapabilityMinor, device))
      return failed(error);
  }
  return count;
}

const char* error_text(int code) { return cudaGetErrorString(static_cast<cudaError_t>(code)); }

constexpr KernelLibrary library = {.interface = KERNEL_INTERFACE,
                                   .runtime = CUDART_VERSION,
                                   .architectures = KERNEL_ARCHITECTURES,
                                   .ptx = KERNEL_PTX,
                                   .driver = driver,
                                   .devices = devices,
                                   .error_text = error_text,
                                   .table = &table};

}  // namespace
}  // namespace dinov3_seg::cuda

extern "C" __attribute__((visibility("default"))) const dinov3_seg::cuda::KernelLibrary*
dinov3_seg_cuda_kernels() {
  return &dinov3_seg::cuda::library;
}
