// The kernels as C functions. KERNEL_INTERFACE, a number made of this header and those that it includes,
// says which table it is (interface.cmake).
#pragma once

#include "ops/cuda/graph_fills.h"
#include "ops/cuda/kernel_library.h"
#include "ops/cuda/kernels.h"
#include "ops/cuda/network_kernels.h"

namespace dinov3_seg::cuda {

/// What the functions of the two headers do. Those that launch give 0 or CUDA's error code: a caller knows
/// another runtime, which does not hear of this one's errors.
struct KernelTable {
  template <typename... Arguments>
  using Launch = int (*)(Arguments..., cudaStream_t);
  template <typename Arguments>
  using Count = int64_t (*)(const Arguments&);

  /// cudaMemsetAsync with zeros.
  Launch<void*, size_t> clear;
  int (*replace_fills)(cudaGraph_t);

  bool (*fits_cells)(const ScoreArguments&);
  Count<ScoreArguments> cell_blocks, pixel_blocks;
  Launch<const ScoreArguments&, HeadRange, bool, float*, double*> score_gradient, score_losses;
  Launch<const ScoreArguments&, HeadRange, bool, const float*, float*> spread_gradient;
  Launch<const double*, int64_t, int64_t, double*> sum_partials;
  Launch<const ScoreArguments&, int64_t*> score_counts;
  Count<AdamwArguments> norm_blocks;
  Launch<const AdamwArguments&, double*, float*> adamw_step;

  Count<DeformableArguments> deformable_blocks;
  Launch<const DeformableArguments&> deformable_attend;
  Launch<const RotateArguments&> rotate_qkv;
  Launch<const NormArguments&> add_scaled_norm;
  Count<SwigluArguments> swiglu_blocks;
  Launch<const SwigluArguments&> swiglu;
  Launch<const QuantizeArguments&> quantize_rows;
  Count<ArgmaxArguments> argmax_blocks;
  Launch<const ArgmaxArguments&> argmax_resized;
  Count<MasksArguments> masks_blocks, masks_bytes;
  Launch<const MasksArguments&> argmax_masks;
  Count<CountArguments> count_blocks;
  Launch<const CountArguments&, int64_t*> count_classes;
  Count<PixelsArguments> pixels_blocks;
  Launch<const PixelsArguments&> prepare_pixels;
  Launch<const ViewArguments&> perspective_view;

  Count<AddResizedArguments> add_resized_blocks;
  Launch<const AddResizedArguments&> add_resized;
  int64_t (*group_norm_chunks)(int64_t tokens);
  Count<GroupNormArguments> group_norm_blocks;
  Launch<const GroupNormArguments&> group_norm_tokens;
  Count<DepthwiseArguments> depthwise_blocks;
  Launch<const DepthwiseArguments&> depthwise_gelu;
  Count<UpscaledArguments> upscaled_blocks;
  Launch<const UpscaledArguments&> upscaled_norm;

  Count<BoxBiasArguments> box_bias_blocks;
  Launch<const BoxBiasArguments&> box_bias;

  Count<Float16Arguments> float16_blocks;
  Launch<const Float16Arguments&> to_float16;
};

}  // namespace dinov3_seg::cuda
