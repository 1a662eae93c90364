// Losses and gradient at once, for labels of at most four times the grid's size. A thread owns a cell
// (resize_cells.h): its ≤ T×T pixels share four grid values of each class, which are read three times, for
// maximum, sum and gradient; all else stays in registers. Exponentials are multiplied (score_powers.cuh)
// where the range of a warp's scores allows for it. What a cell has for the grid column on its right goes to
// the thread on its right.
#include "ops/cuda/reduce.cuh"
#include "ops/cuda/score_cell.cuh"
#include "ops/cuda/score_powers.cuh"

namespace dinov3_seg::cuda {
namespace {

constexpr int threads = 128, warps = threads / 32;
// A block's first thread repeats the last cell of the block before, to have what its neighbour on the right
// needs.
constexpr int owned_cells = threads - 1;

struct LossSums {
  float loss = 0, weight = 0;
};

/// Cross entropy of a cell whose scores' range is narrow.
template <int T>
__device__ __forceinline__ LossSums cross_entropy(const ScoreArguments& in, int64_t head, const float* grid,
                                                  int64_t step, const Corners& at, const CornerMaxima& maxima,
                                                  const Span<T>& rows, const Span<T>& columns,
                                                  const Pixels<T>& pixels, const Emitter& emit) {
  float sum[T][T] = {};
  const float* plane = grid;
#pragma unroll 2
  for (int k = 0; k < in.classes; ++k, plane += step)
    add_powers<T>(BilinearScore(plane, at, maxima, rows, columns), sum);
  LossSums sums;
  float (&factor)[T][T] = sum;
#pragma unroll
  for (int t = 0; t < T; ++t)
#pragma unroll
    for (int u = 0; u < T; ++u) {
      const int label = pixels.label(t, u);
      if (label == uncounted) {
        factor[t][u] = 0;
        continue;
      }
      const float own = BilinearScore(grid + label * step, at, maxima, rows, columns).at(t, u);
      const float weight = weight_of(in, head, label);
      sums.loss = fmaf(weight, (log2f(sum[t][u]) - own) * ln_2, sums.loss);
      sums.weight += weight;
      factor[t][u] = __fdividef(weight, sum[t][u]);
    }
#pragma unroll 2
  for (int k = 0; k < in.classes; ++k, grid += step) {
    PixelMoments moments = moments_of<T>(BilinearScore(grid, at, maxima, rows, columns), factor);
    if (k >= pixels.lowest && k <= pixels.highest) take_label<T>(moments, pixels, k, weight_of(in, head, k));
    emit(k, in.classes, moments.corners(rows, columns));
  }
  return sums;
}

/// A class's scores in a row of a cell's pixels, in powers of two.
struct RowScores {
  float left, across;

  __device__ __forceinline__ RowScores(const float* grid, const Corners& at, float down) {
    left = mixed(__ldg(grid + at.near_near), __ldg(grid + at.far_near), down) * log2_e;
    across = fmaf(mixed(__ldg(grid + at.near_far), __ldg(grid + at.far_far), down), log2_e, -left);
  }
};

/// Of any cell: an exponential for each class and pixel. Rows by themselves, which saves registers.
template <int T>
__device__ __forceinline__ LossSums wide_cross_entropy(const ScoreArguments& in, int64_t head,
                                                       const float* grid, int64_t step, const Corners& at,
                                                       const Span<T>& rows, const Span<T>& columns,
                                                       const Pixels<T>& pixels, const Emitter& emit) {
  LossSums sums;
  float normaliser[T][T];
#pragma unroll
  for (int t = 0; t < T; ++t) {
    float most[T], sum[T];
#pragma unroll
    for (int u = 0; u < T; ++u) {
      most[u] = -INFINITY;
      sum[u] = 0;
    }
    const float* plane = grid;
#pragma unroll 1
    for (int k = 0; k < in.classes; ++k, plane += step) {
      const RowScores row(plane, at, rows.far_of(t));
#pragma unroll
      for (int u = 0; u < T; ++u) most[u] = fmaxf(most[u], fmaf(columns.far_of(u), row.across, row.left));
    }
    plane = grid;
#pragma unroll 1
    for (int k = 0; k < in.classes; ++k, plane += step) {
      const RowScores row(plane, at, rows.far_of(t));
#pragma unroll
      for (int u = 0; u < T; ++u)
        sum[u] += power_of_two(fmaf(columns.far_of(u), row.across, row.left) - most[u]);
    }
#pragma unroll
    for (int u = 0; u < T; ++u) {
      const int label = pixels.label(t, u);
      normaliser[t][u] = most[u] + log2f(sum[u]);
      if (label == uncounted) {
        normaliser[t][u] = INFINITY;  // 2^−∞: no gradient
        continue;
      }
      const float own = mixed(grid + label * step, at, rows.far_of(t), columns.far_of(u)) * log2_e;
      const float weight = weight_of(in, head, label);
      sums.loss = fmaf(weight, (normaliser[t][u] - own) * ln_2, sums.loss);
      sums.weight += weight;
      if (in.class_weights) normaliser[t][u] -= log2f(weight);
    }
  }
#pragma unroll 1
  for (int k = 0; k < in.classes; ++k, grid += step) {
    PixelMoments moments;
#pragma unroll
    for (int t = 0; t < T; ++t) {
      const RowScores row(grid, at, rows.far_of(t));
      float all = 0, column = 0;
#pragma unroll
      for (int u = 0; u < T; ++u) {
        const float e = power_of_two(fmaf(columns.far_of(u), row.across, row.left) - normaliser[t][u]);
        all += e;
        column = fmaf(static_cast<float>(u), e, column);
      }
      moments.all += all;
      moments.column += column;
      moments.row = fmaf(static_cast<float>(t), all, moments.row);
      moments.both = fmaf(static_cast<float>(t), column, moments.both);
    }
    if (k >= pixels.lowest && k <= pixels.highest) take_label<T>(moments, pixels, k, weight_of(in, head, k));
    emit(k, in.classes, moments.corners(rows, columns));
  }
  return sums;
}

template <int T>
__device__ __forceinline__ LossSums nll(const ScoreArguments& in, int64_t head, const float* grid,
                                        int64_t step, const Corners& at, const Span<T>& rows,
                                        const Span<T>& columns, const Pixels<T>& pixels,
                                        const Emitter& emit) {
  float total[4] = {};
  const float* plane = grid;
  for (int k = 0; k < in.classes; ++k, plane += step) {
    total[0] += __ldg(plane + at.near_near);
    total[1] += __ldg(plane + at.near_far);
    total[2] += __ldg(plane + at.far_near);
    total[3] += __ldg(plane + at.far_far);
  }
  LossSums sums;
  CornerSums common;  // what all classes have
  float own[T][T];
#pragma unroll
  for (int t = 0; t < T; ++t) {
    const float left = mixed(total[0], total[2], rows.far_of(t)),
                right = mixed(total[1], total[3], rows.far_of(t));
    float all = 0, to_right = 0;
#pragma unroll
    for (int u = 0; u < T; ++u) {
      const int label = pixels.label(t, u);
      own[t][u] = 1;
      if (label == uncounted) continue;
      const float of_all =
          mixed(left, right, columns.far_of(u)) + static_cast<float>(in.classes) * nll_epsilon;
      own[t][u] = mixed(grid + label * step, at, rows.far_of(t), columns.far_of(u)) + nll_epsilon;
      const float weight = weight_of(in, head, label);
      sums.loss = fmaf(weight, logf(of_all / own[t][u]), sums.loss);
      sums.weight += weight;
      all += weight / of_all;
      to_right = fmaf(weight / of_all, columns.far_of(u), to_right);
    }
    common.add(all, to_right, rows.far_of(t));
  }
  for (int k = 0; k < in.classes; ++k) {
    CornerSums corners = common;
    if (k >= pixels.lowest && k <= pixels.highest) {
      const float weight = weight_of(in, head, k);
#pragma unroll
      for (int t = 0; t < T; ++t) {
        float all = 0, to_right = 0;
#pragma unroll
        for (int u = 0; u < T; ++u)
          if (pixels.label(t, u) == k) {
            all -= weight / own[t][u];
            to_right = fmaf(-weight / own[t][u], columns.far_of(u), to_right);
          }
        corners.add(all, to_right, rows.far_of(t));
      }
    }
    emit(k, in.classes, corners);
  }
  return sums;
}

template <int T, bool is_nll>
__global__ void __launch_bounds__(threads, 5)  // 96 registers
    gradient_kernel(ScoreArguments in, HeadRange range, int blocks, float* gradient, double* partials) {
  extern __shared__ float4 edges[];
  __shared__ double parts[warps];
  const int block = static_cast<int>(blockIdx.x) % blocks;
  const int64_t plane = plane_of(in, range, static_cast<int>(blockIdx.x) / blocks);
  const int64_t step = static_cast<int64_t>(in.grid_height) * in.grid_width;
  const int cells_across = in.grid_width + 1, cells = (in.grid_height + 1) * cells_across;
  const int cell = block * owned_cells + static_cast<int>(threadIdx.x) - 1;
  const bool is_cell = cell >= 0 && cell < cells;
  const int row = is_cell ? cell / cells_across : 0, column = is_cell ? cell % cells_across : 0;
  const Span<T> rows(row, in.grid_height, in.height), columns(column, in.grid_width, in.width);
  const Pixels<T> pixels = read_labels<T>(in, plane / in.heads, is_cell, rows, columns);
  const float* grid = in.scores + plane * in.classes * step;
  const Emitter emit{gradient + plane * in.classes * step, step, row, column, in.grid_height, in.grid_width,
                     is_cell && threadIdx.x > 0,           edges};
  const Corners at = corners_of(in, row, column);
  LossSums sums;
  if (!__any_sync(whole_warp, pixels.highest >= 0)) {
    for (int k = static_cast<int>(threadIdx.x) % 32; k < in.classes; k += 32)
      edges[threadIdx.x / 32 * in.classes + k] = make_float4(0, 0, 0, 0);
  } else if constexpr (is_nll) {
    sums = nll<T>(in, plane % in.heads, grid, step, at, rows, columns, pixels, emit);
  } else {
    const CornerMaxima maxima(grid, step, in.classes, at);
    // emit() is for a whole warp.
    if (__all_sync(whole_warp, maxima.narrow))
      sums = cross_entropy<T>(in, plane % in.heads, grid, step, at, maxima, rows, columns, pixels, emit);
    else
      sums = wide_cross_entropy<T>(in, plane % in.heads, grid, step, at, rows, columns, pixels, emit);
  }
  const bool counts = threadIdx.x > 0;
  const double loss = block_sum(counts ? sums.loss : 0.0F, parts);
  const double weight = block_sum(counts ? sums.weight : 0.0F, parts);
  if (threadIdx.x == 0) {
    double* to = partials + (plane * blocks + block) * 2;
    to[0] = loss;
    to[1] = weight;
  }
  // block_sum() has synchronised: the columns between two warps.
  for (int i = static_cast<int>(threadIdx.x); i < (warps - 1) * in.classes; i += threads) {
    const int warp = i / in.classes + 1, k = i % in.classes;
    const int first = block * owned_cells + warp * 32 - 1;  // its first thread's cell
    if (first >= cells || first % cells_across == 0) continue;
    const float4 before = edges[(warp - 1) * in.classes + k], own = edges[warp * in.classes + k];
    Emitter there = emit;
    there.row = first / cells_across;
    there.column = first % cells_across;
    there.add(k, own.z + before.x, own.w + before.y);
  }
}

int positions_of_a_cell(int size, int target) { return (target + size - 1) / size; }

int most_positions(const ScoreArguments& in) {
  const int down = positions_of_a_cell(in.grid_height, in.height);
  const int across = positions_of_a_cell(in.grid_width, in.width);
  return down > across ? down : across;
}

template <int T>
void launch(const ScoreArguments& in, HeadRange range, bool is_nll, float* gradient, double* partials,
            cudaStream_t stream) {
  const int64_t blocks = cell_blocks(in);
  const auto grid = static_cast<unsigned>(in.batch * range.count * blocks);
  const size_t shared = sizeof(float4) * warps * static_cast<size_t>(in.classes);
  const auto kernel = is_nll ? gradient_kernel<T, true> : gradient_kernel<T, false>;
  kernel<<<grid, threads, shared, stream>>>(in, range, static_cast<int>(blocks), gradient, partials);
}

}  // namespace

bool fits_cells(const ScoreArguments& in) {
  // Cells are numbered by int.
  const int64_t cells = (in.grid_height + int64_t{1}) * (in.grid_width + int64_t{1});
  return most_positions(in) <= 4 && cells < (int64_t{1} << 31) - threads;
}

int64_t cell_blocks(const ScoreArguments& in) {
  const int64_t cells = (in.grid_height + int64_t{1}) * (in.grid_width + int64_t{1});
  return (cells + owned_cells - 1) / owned_cells;
}

void score_gradient(const ScoreArguments& in, HeadRange range, bool is_nll, float* gradient, double* partials,
                    cudaStream_t stream) {
  const int positions = most_positions(in);
  if (positions <= 1)
    launch<1>(in, range, is_nll, gradient, partials, stream);
  else if (positions <= 2)
    launch<2>(in, range, is_nll, gradient, partials, stream);
  else
    launch<4>(in, range, is_nll, gradient, partials, stream);
}

}  // namespace dinov3_seg::cuda
