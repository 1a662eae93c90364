// What cuda_ops.cpp launches. Kernels see pointers and sizes only: nvcc reads no header of libtorch, so that
// neither has to suit the other's version.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace dinov3_seg::cuda {

struct ScoreArguments {
  int64_t batch, heads;
  int classes, grid_height, grid_width, height, width;
  const float* scores;         // B×N×K×h×w
  const uint8_t* labels;       // B×H×W
  const float* class_weights;  // N×K or null
};

/// Heads first … first + count of every image; launches compute one loss each.
struct HeadRange {
  int64_t first, count;
};

/// Whether score_gradient can be used: labels at most four times as high and as wide as the grid (rounded
/// up).
bool fits_cells(const ScoreArguments& in);

/// Blocks of a plane (an image under a head): doubles×2 that each of the next two kernels leaves in
/// `partials`.
int64_t cell_blocks(const ScoreArguments& in);
int64_t pixel_blocks(const ScoreArguments& in);

/// Losses and gradient, added to a gradient of zeros. partials: B×N×cell_blocks×2.
void score_gradient(const ScoreArguments& in, HeadRange range, bool is_nll, float* gradient, double* partials,
                    cudaStream_t stream);

/// Losses for sizes of any ratio. partials: B×N×pixel_blocks×2. `normalisers` (null: not kept) B×N×H×W for
/// spread_gradient.
void score_losses(const ScoreArguments& in, HeadRange range, bool is_nll, float* normalisers,
                  double* partials, cudaStream_t stream);

/// The gradient, every value of which is set, for sizes of any ratio.
void spread_gradient(const ScoreArguments& in, HeadRange range, bool is_nll, const float* normalisers,
                     float* gradient, cudaStream_t stream);

/// sums[plane][2] of partials[plane][blocks][2].
void sum_partials(const double* partials, int64_t planes, int64_t blocks, double* sums, cudaStream_t stream);

/// Added to counts B×N×K×K.
void score_counts(const ScoreArguments& in, int64_t* counts, cudaStream_t stream);

struct AdamwArguments {
  int64_t heads, parameters;
  float *value, *gradient, *exp_avg, *exp_avg_sq;  // N×P
  const float* coefficients;                       // N×adamw_coefficients
  float beta1, beta2, epsilon;
};

/// Doubles of scratch for each head.
int64_t norm_blocks(const AdamwArguments& in);

void adamw_step(const AdamwArguments& in, double* partials, float* norms, cudaStream_t stream);

}  // namespace dinov3_seg::cuda
