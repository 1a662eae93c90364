#include "models/class_shares.h"

#include <ATen/ATen.h>

#include "core/class_columns.h"
#include "core/error.h"
#include "core/finite_watch.h"
#include "core/job_control.h"
#include "models/segment.h"
#include "ops/class_map.h"
#include "ops/network_ops.h"

namespace dinov3_seg {
namespace {

void check_layers(const SegmentationModel& model, const std::vector<ShareLayer>& layers, int64_t columns) {
  if (layers.empty()) fail("INVALID_ARGUMENT", "expected at least one head");
  for (const ShareLayer& layer : layers) {
    check_column_table(layer.table, columns);
    check_fits(model, *layer.head);
    layer.head->scored_classes(layer.scoring);
  }
}

/// Scores of the images by each layer, of one pass.
std::vector<DenseScores> score_layers(SegmentationModel& model, const std::vector<ShareLayer>& layers,
                                      const at::Tensor& images) {
  OutputOptions wanted;
  for (const ShareLayer& layer : layers) wanted = wanted | layer.head->reads();
  const NetworkOutputs outputs = model.outputs(images, wanted);
  std::vector<DenseScores> scores;
  for (const ShareLayer& layer : layers) scores.push_back(layer.head->dense_scores(outputs, layer.scoring));
  return scores;
}

/// Of what all layers make of the pass.
at::Tensor marks_of(const std::vector<DenseScores>& scores) {
  std::vector<at::Tensor> marks;
  for (const DenseScores& layer : scores) marks.push_back(layer.marks());
  return at::stack(marks).sum(0);
}

}  // namespace

at::Tensor class_shares(SegmentationModel& model, const std::vector<ShareLayer>& layers,
                        const std::vector<PassImage>& images, const ShareOptions& options) {
  check_layers(model, layers, options.columns);
  std::vector<at::Tensor> inputs, own_tables, rows;
  for (const PassImage& image : images)
    inputs.push_back(
        network_input(image, model.device(), options.height, options.width, model.normalization()));
  for (const ShareLayer& layer : layers) own_tables.push_back(layer.table);
  const at::Tensor tables = at::stack(own_tables).to(model.device());
  const std::vector<DenseScores> scores = score_layers(model, layers, at::stack(inputs));
  const FiniteWatch watch(marks_of(scores));
  for (size_t i = 0; i < images.size(); ++i) {
    std::vector<at::Tensor> maps;
    at::Tensor columns;  // (columns+1)×N float64
    for (size_t n = 0; n < layers.size(); ++n) {
      const DenseScores own = scores[n].image(static_cast<int64_t>(i));
      if (options.soft) {
        const at::Tensor grid = own.shares_on_grid()[0].flatten(1);  // K×N
        columns = column_shares(grid, tables[static_cast<int64_t>(n)], options.columns, columns);
      } else {
        maps.push_back(class_map(own, images[i].height, images[i].width)[0]);
      }
    }
    rows.push_back(options.soft ? columns.mean(1) : count_classes(maps, tables, {}, options.columns));
  }
  // The only time that the device is waited for; pixels that are left out are not asked for.
  const at::Tensor shares = at::stack(rows).narrow(1, 0, options.columns + 1).cpu().to(at::kDouble);
  watch.require();
  report_progress(images.size(), images.size());
  return shares;
}

}  // namespace dinov3_seg
