// score_counts on the CPU: the best class of each label pixel, with no scores at label resolution in memory.
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include "ops/cpu_variants.h"
#include "ops/score_cells.h"
#include "ops/score_checks.h"
#include "ops/score_ops.h"

namespace dinov3_seg {
namespace {

struct CountInputs {
  ScoreSizes size;
  LabelRows rows;
  LabelColumns columns;
  const float* scores;    // B×N×K×h×w
  const uint8_t* labels;  // B×H×W
};

int64_t scratch_floats(const CountInputs& in) {
  return in.size.classes * (2 * padded_row(in.columns) + 2 * simd::most_lanes);
}

/// Counts of one row of cells of one image and head. `scratch`: K×(2×padded_row + 2×L).
template <int L>
DINOV3_SEG_INLINE void count_cells(const CountInputs& in, int64_t plane, int64_t cell, float* scratch,
                                   int64_t* counts) {
  using F = simd::Floats<L>;
  using I = simd::Ints<L>;
  const int64_t classes = in.size.classes, h = in.size.grid_height, w = in.size.grid_width;
  const int64_t stride = padded_row(in.columns), first = in.rows.first[cell], end = in.rows.first[cell + 1];
  if (first == end) return;
  float* columns = scratch + 2 * classes * stride;
  for (int64_t k = 0; k < classes; ++k)
    for (int64_t side = 0; side < 2; ++side) {
      const int64_t row = std::clamp<int64_t>(cell - 1 + side, 0, h - 1);
      load_grid_row(in.scores + ((plane * classes + k) * h + row) * w, w, stride, 1,
                    scratch + (2 * k + side) * stride);
    }
  for (int64_t row = first; row < end; ++row) {
    const uint8_t* labels = in.labels + (plane / in.size.heads * in.size.height + row) * in.size.width;
    const float below = in.rows.far[row], above = 1 - below;
    for (int64_t lane = 0; lane < in.columns.lanes; lane += L) {
      for (int64_t k = 0; k < classes; ++k) {
        const float *upper = scratch + 2 * k * stride + lane, *lower = upper + stride;
        simd::store<L>(columns + 2 * k * L, simd::load<L>(upper) * above + simd::load<L>(lower) * below);
        simd::store<L>(columns + (2 * k + 1) * L,
                       simd::load<L>(upper + 1) * above + simd::load<L>(lower + 1) * below);
      }
      for (int64_t at = lane; at < in.columns.phases * in.columns.lanes; at += in.columns.lanes) {
        const F near = simd::load<L>(&in.columns.near[at]), far = simd::load<L>(&in.columns.far[at]);
        F most = simd::load<L>(columns) * near + simd::load<L>(columns + L) * far;
        I best{};
        for (int64_t k = 1; k < classes; ++k) {
          const F score =
              simd::load<L>(columns + 2 * k * L) * near + simd::load<L>(columns + (2 * k + 1) * L) * far;
          best = score > most ? I{} + static_cast<int32_t>(k) : best;
          most = score > most ? score : most;
        }
        const int32_t* column = &in.columns.column[at];
        for (int i = 0; i < L; ++i)
          if (column[i] >= 0 && labels[column[i]] < classes) ++counts[labels[column[i]] * classes + best[i]];
      }
    }
  }
}

/// Tasks begin … end, a row of cells each; added to the planes' counts.
template <int L>
DINOV3_SEG_INLINE void count_rows(const CountInputs& in, int64_t begin, int64_t end, float* scratch,
                                  int64_t* all_counts) {
  const int64_t rows = in.size.grid_height + 1, pairs = in.size.classes * in.size.classes;
  std::vector<int64_t> counts(static_cast<size_t>(pairs));
  for (int64_t task = begin; task < end; ++task) {
    count_cells<L>(in, task / rows, task % rows, scratch, counts.data());
    if (task + 1 < end && (task + 1) % rows != 0) continue;
    int64_t* to = all_counts + task / rows * pairs;
    for (int64_t i = 0; i < pairs; ++i)
      __atomic_fetch_add(to + i, counts[static_cast<size_t>(i)], __ATOMIC_RELAXED);
    std::fill(counts.begin(), counts.end(), 0);
  }
}

DINOV3_SEG_VARIANTS(best_count_rows, count_rows,
                    (const CountInputs& in, int64_t begin, int64_t end, float* scratch, int64_t* counts),
                    (in, begin, end, scratch, counts))

at::Tensor score_counts_cpu(const at::Tensor& given_scores, const at::Tensor& given_labels) {
  static const auto function = best_count_rows();
  const ScoreSizes size = check_scores(given_scores, given_labels, {}, {});
  const at::Tensor scores = given_scores.contiguous(), labels = given_labels.contiguous();
  const at::Tensor counts =
      at::zeros({size.batch, size.heads, size.classes, size.classes}, scores.options().dtype(at::kLong));
  const CountInputs in{size, LabelRows(size.grid_height, size.height),
                       LabelColumns(size.grid_width, size.width), scores.const_data_ptr<float>(),
                       labels.const_data_ptr<uint8_t>()};
  auto* to = counts.mutable_data_ptr<int64_t>();
  at::parallel_for(0, size.batch * size.heads * (size.grid_height + 1), 4, [&](int64_t begin, int64_t end) {
    std::vector<float> scratch(static_cast<size_t>(scratch_floats(in)));
    function(in, begin, end, scratch.data(), to);
  });
  return counts;
}

TORCH_LIBRARY_IMPL(dinov3_seg, CPU, library) { library.impl("score_counts", score_counts_cpu); }

}  // namespace
}  // namespace dinov3_seg
