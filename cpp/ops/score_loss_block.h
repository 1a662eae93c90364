// Score loss of a few rows of cells of one image and head, with its gradient: the work of one thread at a
// time. No score at label resolution is ever in memory but those of L cells × 4 phases.
#pragma once

#include <cmath>
#include <limits>

#include "ops/score_cells.h"
#include "ops/score_checks.h"
#include "ops/score_ops.h"

namespace dinov3_seg {

/// Rows of cells in a block. Fixed, since sums are taken block by block: their bits depend on no number of
/// threads.
constexpr int64_t block_cells = 4;

struct ScoreLossInputs {
  ScoreSizes size;
  LabelRows rows;
  LabelColumns columns;
  const float* scores;         // B×N×K×h×w
  const uint8_t* labels;       // B×H×W
  const float* class_weights;  // N×K or null
  const int64_t* losses;       // N
  float* gradient;             // B×N×K×h×w or null
};

template <int L>
class ScoreLossBlock {
  using F = simd::Floats<L>;
  static constexpr int64_t group = 4;  // phases computed together
  static constexpr int64_t corners =
      4;  // of a cell: near and far column of the near row, then of the far row
  static constexpr float log2_e = 1.4426950408889634F, ln_2 = 0.6931471805599453F;

 public:
  static int64_t scratch_floats(const ScoreLossInputs& in) {
    const int64_t planes = in.size.classes + 1;
    return planes * (2 * padded_row(in.columns) + corners * in.columns.lanes + (2 + group) * L) +
           2 * padded_row(in.columns);
  }

  DINOV3_SEG_INLINE ScoreLossBlock(const ScoreLossInputs& in, float* scratch)
      : in_(in), classes_(in.size.classes), stride_(padded_row(in.columns)) {
    const int64_t planes = classes_ + 1;
    grid_ = scratch;
    gathered_ = grid_ + 2 * planes * stride_;
    columns_ = gathered_ + planes * corners * in.columns.lanes;
    exps_ = columns_ + planes * 2 * L;
    line_ = exps_ + planes * group * L;
  }

  /// Cell rows first … end of image and head `plane`. The grid row before `first` and the last one are
  /// neighbours' too: they are added to where `adds`, as all other rows are set.
  DINOV3_SEG_INLINE void run(int64_t plane, int64_t first, int64_t end, bool adds, double* sums) {
    const ScoreSizes& size = in_.size;
    plane_ = plane;
    is_nll_ = in_.losses[plane % size.heads] == static_cast<int64_t>(ScoreLoss::nll);
    const float* weights = in_.class_weights ? in_.class_weights + plane % size.heads * classes_ : nullptr;
    for (int64_t label = 0; label < 256; ++label)
      weight_of_[label] = label >= classes_ ? 0.0F : weights ? weights[label] : 1.0F;
    if (in_.gradient)
      for (int64_t i = 0; i < (classes_ + 1) * corners * in_.columns.lanes; ++i) gathered_[i] = 0;
    loss_ = weight_ = 0;
    load_grid(first - 1);
    for (int64_t cell = first; cell < end; ++cell) {
      load_grid(cell);
      if (in_.rows.first[cell] < in_.rows.first[cell + 1])
        for (int64_t lane = 0; lane < in_.columns.lanes; lane += L) cells(cell, lane);
      if (in_.gradient) leave_row(cell - 1, adds && cell == first);
    }
    if (in_.gradient) leave_row(end - 1, adds);
    sums[0] = loss_;
    sums[1] = weight_;
  }

 private:
  DINOV3_SEG_INLINE float* grid_row(int64_t row, int64_t k) {
    return grid_ + ((row & 1) * (classes_ + 1) + k) * stride_;
  }

  /// Cross entropy counts in powers of two: what is read is multiplied by log2 e here, once.
  DINOV3_SEG_INLINE void load_grid(int64_t row) {
    const int64_t h = in_.size.grid_height, w = in_.size.grid_width;
    const int64_t inside = std::clamp<int64_t>(row, 0, h - 1);
    for (int64_t k = 0; k < classes_; ++k)
      load_grid_row(in_.scores + ((plane_ * classes_ + k) * h + inside) * w, w, stride_,
                    is_nll_ ? 1.0F : log2_e, grid_row(row, k));
    if (!is_nll_) return;
    float* total = grid_row(row, classes_);
    for (int64_t x = 0; x < stride_; ++x)
      total[x] = static_cast<float>(nll_epsilon * static_cast<double>(classes_));
    for (int64_t k = 0; k < classes_; ++k)
      for (int64_t x = 0; x < stride_; ++x) total[x] += grid_row(row, k)[x];
  }

  /// A class's two grid columns of L cells, at a label row.
  DINOV3_SEG_INLINE void interpolate_rows(int64_t cell, int64_t lane, int64_t k, float far) {
    const float *above = grid_row(cell - 1, k) + lane, *below = grid_row(cell, k) + lane;
    float* to = columns_ + k * 2 * L;
    simd::store<L>(to, simd::load<L>(above) * (1 - far) + simd::load<L>(below) * far);
    simd::store<L>(to + L, simd::load<L>(above + 1) * (1 - far) + simd::load<L>(below + 1) * far);
  }

  DINOV3_SEG_INLINE void cells(int64_t cell, int64_t lane) {
    losses_ = weights_ = F{};
    for (int64_t row = in_.rows.first[cell]; row < in_.rows.first[cell + 1]; ++row) {
      const float far = in_.rows.far[row];
      for (int64_t k = 0; k < classes_ + is_nll_; ++k) interpolate_rows(cell, lane, k, far);
      for (int64_t phase = 0; phase < in_.columns.phases; phase += group) {
        const int64_t count = is_nll_ ? 0 : std::min(group, in_.columns.phases - phase);
        if (count == 4)
          cross_entropy<4>(row, lane, phase);
        else if (count == 3)
          cross_entropy<3>(row, lane, phase);
        else if (count == 2)
          cross_entropy<2>(row, lane, phase);
        else if (count == 1)
          cross_entropy<1>(row, lane, phase);
        else
          for (int64_t p = phase; p < std::min(phase + group, in_.columns.phases); ++p) nll(row, lane, p);
      }
    }
    for (int64_t i = 0; i < L; ++i) {
      loss_ += losses_[i];
      weight_ += weights_[i];
    }
  }

  /// Labels of a phase's L columns: their weights, classes and interpolated scores.
  struct Own {
    float weight[L], score[L];
    int32_t label[L];
  };

  /// False where no column counts.
  DINOV3_SEG_INLINE bool find_own(int64_t row, int64_t lane, int64_t phase, Own& own) {
    const int64_t image = plane_ / in_.size.heads, at = phase * in_.columns.lanes + lane;
    const uint8_t* labels = in_.labels + (image * in_.size.height + row) * in_.size.width;
    const int32_t* column = &in_.columns.column[at];
    const float *near = &in_.columns.near[at], *far = &in_.columns.far[at], *columns = columns_;
    const auto classes = static_cast<int32_t>(classes_);
    bool any = false;
    for (int i = 0; i < L; ++i) {
      const int32_t x = column[i];
      const int32_t label = x < 0 ? 255 : labels[x];
      const bool counts = label < classes;
      own.weight[i] = weight_of_[label];
      own.label[i] = counts ? label : 0;
      any |= counts;
      const float* of_label = columns + own.label[i] * 2 * L + i;
      own.score[i] = of_label[0] * near[i] + of_label[L] * far[i];
    }
    return any;
  }

  template <int count>
  DINOV3_SEG_INLINE void cross_entropy(int64_t row, int64_t lane, int64_t phase) {
    Own own[count];
    bool any = false;
    F near[count], far[count], most[count], sum[count];
#pragma GCC unroll 4
    for (int p = 0; p < count; ++p) {
      any |= find_own(row, lane, phase + p, own[p]);
      const int64_t at = (phase + p) * in_.columns.lanes + lane;
      near[p] = simd::load<L>(&in_.columns.near[at]);
      far[p] = simd::load<L>(&in_.columns.far[at]);
      most[p] = simd::all<L>(-std::numeric_limits<float>::max());
      sum[p] = F{};
    }
    if (!any) return;
    for (int64_t k = 0; k < classes_; ++k) {
      const F left = simd::load<L>(columns_ + k * 2 * L), right = simd::load<L>(columns_ + k * 2 * L + L);
#pragma GCC unroll 4
      for (int p = 0; p < count; ++p) most[p] = simd::larger<L>(left * near[p] + right * far[p], most[p]);
    }
    for (int64_t k = 0; k < classes_; ++k) {
      const F left = simd::load<L>(columns_ + k * 2 * L), right = simd::load<L>(columns_ + k * 2 * L + L);
#pragma GCC unroll 4
      for (int p = 0; p < count; ++p) {
        const F e = simd::exp2_below_zero<L>(left * near[p] + right * far[p] - most[p]);
        sum[p] += e;
        simd::store<L>(exps_ + (k * group + p) * L, e);
      }
    }
#pragma GCC unroll 4
    for (int p = 0; p < count; ++p) {
      const F weight = simd::load<L>(own[p].weight), score = simd::load<L>(own[p].score);
      losses_ += weight * (simd::log_of<L>(sum[p]) + (most[p] - score) * ln_2);
      weights_ += weight;
      // exp / sum − 1 at the label.
      for (int64_t i = 0; i < L; ++i) exps_[(own[p].label[i] * group + p) * L + i] -= sum[p][i];
      near[p] *= weight / sum[p];
      far[p] *= weight / sum[p];
    }
    if (!in_.gradient) return;
    const F below = simd::all<L>(in_.rows.far[row]), above = 1.0F - below;
    float* to = gathered_ + lane * (classes_ + 1) * corners;
    for (int64_t k = 0; k < classes_; ++k, to += corners * L) {
      F left = F{}, right = F{};
#pragma GCC unroll 4
      for (int p = 0; p < count; ++p) {
        const F e = simd::load<L>(exps_ + (k * group + p) * L);
        left += e * near[p];
        right += e * far[p];
      }
      add_corners(to, left, right, above, below);
    }
  }

  DINOV3_SEG_INLINE void nll(int64_t row, int64_t lane, int64_t phase) {
    Own own;
    if (!find_own(row, lane, phase, own)) return;
    const int64_t at = phase * in_.columns.lanes + lane;
    const F near = simd::load<L>(&in_.columns.near[at]), far = simd::load<L>(&in_.columns.far[at]);
    const float* of_total = columns_ + classes_ * 2 * L;
    // Lanes of no column have weights 0 and would give 0 · ∞.
    const F is_column = near + far;
    const F total = simd::load<L>(of_total) * near + simd::load<L>(of_total + L) * far + (1.0F - is_column);
    const F weight = simd::load<L>(own.weight),
            score = simd::load<L>(own.score) + static_cast<float>(nll_epsilon);
    const F ratio = weight == 0.0F ? simd::all<L>(1) : total / score;
    const F undefined = simd::all<L>(std::numeric_limits<float>::quiet_NaN());
    losses_ += weight * (ratio > 0.0F ? simd::log_of<L>(ratio) : undefined);
    weights_ += weight;
    if (!in_.gradient) return;
    const F below = simd::all<L>(in_.rows.far[row]), above = 1.0F - below;
    float* to = gathered_ + lane * (classes_ + 1) * corners;
    const F common = weight / total;
    add_corners(to + classes_ * corners * L, common * near, common * far, above, below);
    const F at_label = weight / score;
    float corner[corners * L] = {};
    add_corners(corner, at_label * near, at_label * far, above, below);
    for (int64_t i = 0; i < L; ++i)
      for (int64_t c = 0; c < corners; ++c) to[(own.label[i] * corners + c) * L + i] -= corner[c * L + i];
  }

  DINOV3_SEG_INLINE void add_corners(float* to, F left, F right, F above, F below) {
    simd::store<L>(to, simd::load<L>(to) + left * above);
    simd::store<L>(to + L, simd::load<L>(to + L) + right * above);
    simd::store<L>(to + 2 * L, simd::load<L>(to + 2 * L) + left * below);
    simd::store<L>(to + 3 * L, simd::load<L>(to + 3 * L) + right * below);
  }

  /// Writes the grid row that no further cell adds to, and makes the cells' far row their near row.
  DINOV3_SEG_INLINE void leave_row(int64_t row, bool adds) {
    const int64_t h = in_.size.grid_height, w = in_.size.grid_width, lanes = in_.columns.lanes;
    const bool is_inside = row >= 0 && row < h;
    float *near = line_, *far = line_ + stride_;
    for (int64_t k = classes_; k >= 0; --k) {
      for (int64_t lane = 0; lane < lanes; lane += L) {
        float* from = gathered_ + (lane * (classes_ + 1) + k * L) * corners;
        const float* common = gathered_ + (lane * (classes_ + 1) + classes_ * L) * corners;
        const bool add_common = is_nll_ && k < classes_;
        simd::store<L>(near + lane, simd::load<L>(from) + (add_common ? simd::load<L>(common) : F{}));
        simd::store<L>(far + lane + 1,
                       simd::load<L>(from + L) + (add_common ? simd::load<L>(common + L) : F{}));
      }
      if (k == classes_ || !is_inside) continue;
      float* to = in_.gradient + ((plane_ * classes_ + k) * h + row) * w;
      if (adds)
        for (int64_t x = 0; x < w; ++x) to[x] += near[x + 1] + far[x + 1];
      else
        for (int64_t x = 0; x < w; ++x) to[x] = near[x + 1] + far[x + 1];
    }
    for (int64_t i = 0; i < (classes_ + 1) * corners * lanes; i += corners * L)
      for (int64_t c = 0; c < 2; ++c) {
        float* corner = gathered_ + i + c * L;
        simd::store<L>(corner, simd::load<L>(corner + 2 * L));
        simd::store<L>(corner + 2 * L, F{});
      }
  }

  const ScoreLossInputs& in_;
  int64_t classes_, stride_, plane_ = 0;
  bool is_nll_ = false;
  float weight_of_[256];  // by label
  F losses_, weights_;    // of the cells at hand
  double loss_ = 0, weight_ = 0;
  float* grid_;      // 2 rows × (K + 1)×stride; the last plane holds the sum of classes (nll)
  float* gathered_;  // gradient at cells' corners: (lanes / L)×(K + 1)×corners×L; the last plane is all
                     // classes' (nll)
  float* columns_;   // (K + 1)×2×L
  float* exps_;      // K×group×L
  float* line_;      // 2×stride
};

}  // namespace dinov3_seg
