#include "models/class_shares.h"

#include <ATen/ATen.h>

#include "core/class_columns.h"
#include "core/error.h"
#include "core/finite_watch.h"
#include "core/job_control.h"
#include "models/network_input.h"
#include "models/segment.h"
#include "ops/class_map.h"

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
                        const std::vector<at::Tensor>& pixels, const ShareOptions& options) {
  check_layers(model, layers, options.columns);
  std::vector<at::Tensor> images, tables, rows;
  for (const at::Tensor& each : pixels)
    images.push_back(
        network_input(each, model.device(), options.height, options.width, model.normalization()));
  for (const ShareLayer& layer : layers) tables.push_back(layer.table.to(model.device()));
  const std::vector<DenseScores> scores = score_layers(model, layers, at::stack(images));
  const FiniteWatch watch(marks_of(scores));
  for (size_t i = 0; i < pixels.size(); ++i) {
    const int64_t height = pixels[i].size(0), width = pixels[i].size(1);
    at::Tensor columns;  // soft: (columns+1)×N float64; else H×W uint8
    for (size_t n = 0; n < layers.size(); ++n) {
      const DenseScores own = scores[n].image(static_cast<int64_t>(i));
      if (options.soft) {
        const at::Tensor grid = own.shares_on_grid()[0].flatten(1);  // K×N
        columns = column_shares(grid, tables[n], options.columns, columns);
      } else {
        columns = columns_of(class_map(own, height, width)[0], tables[n], columns);
      }
    }
    rows.push_back(options.soft ? columns.mean(1).cpu()
                                : count_columns(columns, options.columns).to(at::kDouble));
    watch.require();
    report_progress(i + 1, pixels.size());
  }
  return at::stack(rows);
}

}  // namespace dinov3_seg
