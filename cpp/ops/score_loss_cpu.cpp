// score_loss on the CPU: everything of a pixel at once, with no scores at label resolution in memory.
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/CPUAllocator.h>
#include <torch/library.h>

#include "ops/cpu_variants.h"
#include "ops/score_loss_block.h"

namespace dinov3_seg {
namespace {

/// Every other block of a call, so that no two write the same grid row at a time.
struct Blocks {
  const ScoreLossInputs& in;
  int64_t planes, per_plane;
  double* sums;  // planes×per_plane×2
};

int64_t count_blocks(const Blocks& blocks, int64_t parity) {
  return blocks.planes * ((blocks.per_plane + 1 - parity) / 2);
}

template <int L>
DINOV3_SEG_INLINE void run_blocks(const Blocks& blocks, int64_t parity, int64_t begin, int64_t end,
                                  float* scratch) {
  ScoreLossBlock<L> kernel(blocks.in, scratch);
  const int64_t per_plane = (blocks.per_plane + 1 - parity) / 2, cells = blocks.in.size.grid_height + 1;
  for (int64_t task = begin; task < end; ++task) {
    const int64_t plane = task / per_plane, block = task % per_plane * 2 + parity;
    kernel.run(plane, block * block_cells, std::min((block + 1) * block_cells, cells), parity == 1,
               blocks.sums + (plane * blocks.per_plane + block) * 2);
  }
}

DINOV3_SEG_VARIANTS(best_run_blocks, run_blocks,
                    (const Blocks& blocks, int64_t parity, int64_t begin, int64_t end, float* scratch),
                    (blocks, parity, begin, end, scratch))

void run(const Blocks& blocks) {
  static const auto function = best_run_blocks();
  for (int64_t parity = 0; parity < 2; ++parity)
    at::parallel_for(0, count_blocks(blocks, parity), 1, [&](int64_t begin, int64_t end) {
      const int64_t floats = ScoreLossBlock<16>::scratch_floats(blocks.in);
      const at::DataPtr scratch =
          c10::GetCPUAllocator()->allocate(static_cast<size_t>(floats) * sizeof(float));
      function(blocks, parity, begin, end, static_cast<float*>(scratch.get()));
    });
}

std::tuple<at::Tensor, at::Tensor> score_loss_cpu(const at::Tensor& given_scores,
                                                  const at::Tensor& given_labels,
                                                  const std::optional<at::Tensor>& class_weights,
                                                  at::IntArrayRef losses, bool gradient) {
  const ScoreSizes size = check_scores(given_scores, given_labels, class_weights, losses);
  const at::Tensor scores = given_scores.contiguous(), labels = given_labels.contiguous();
  const at::Tensor weights = class_weights ? class_weights->contiguous() : at::Tensor();
  const at::Tensor d_scores = gradient ? at::empty(scores.sizes(), scores.options()) : at::Tensor();
  const ScoreLossInputs in{size,
                           LabelRows(size.grid_height, size.height),
                           LabelColumns(size.grid_width, size.width),
                           scores.const_data_ptr<float>(),
                           labels.const_data_ptr<uint8_t>(),
                           class_weights ? weights.const_data_ptr<float>() : nullptr,
                           losses.data(),
                           gradient ? d_scores.mutable_data_ptr<float>() : nullptr};
  const int64_t planes = size.batch * size.heads;
  const int64_t per_plane = (size.grid_height + block_cells) / block_cells;
  std::vector<double> parts(static_cast<size_t>(planes * per_plane * 2));
  run({in, planes, per_plane, parts.data()});
  const at::Tensor sums = at::empty({size.batch, size.heads, 2}, scores.options().dtype(at::kDouble));
  auto* to = sums.mutable_data_ptr<double>();
  for (int64_t plane = 0; plane < planes; ++plane)
    for (int64_t which = 0; which < 2; ++which) {
      double sum = 0;
      for (int64_t block = 0; block < per_plane; ++block)
        sum += parts[static_cast<size_t>((plane * per_plane + block) * 2 + which)];
      to[plane * 2 + which] = sum;
    }
  return {sums, d_scores};
}

TORCH_LIBRARY_IMPL(dinov3_seg, CPU, library) { library.impl("score_loss", score_loss_cpu); }

}  // namespace
}  // namespace dinov3_seg
