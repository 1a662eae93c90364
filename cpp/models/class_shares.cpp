#include "models/class_shares.h"

#include <ATen/ATen.h>

#include "core/class_columns.h"
#include "core/error.h"
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

// Below it, a pixel is transparent (lib/data/decode.ts).
constexpr int64_t opaque_alpha = 128;

/// Where an image is transparent, H×W bool on the CPU; undefined where nowhere.
at::Tensor transparent_pixels(const at::Tensor& pixels) {
  if (pixels.size(2) != 4) return {};
  const at::Tensor transparent = pixels.select(2, 3).lt(opaque_alpha);
  return transparent.any().item<bool>() ? transparent : at::Tensor();
}

/// Means of shares (columns+1)×N over the places of a grid; what is transparent of a place has no column.
at::Tensor mean_shares(const at::Tensor& shares, const at::Tensor& transparent, at::IntArrayRef grid) {
  if (!transparent.defined()) return shares.mean(1);
  const at::Tensor covered =
      at::adaptive_avg_pool2d(transparent.to(at::kDouble).unsqueeze(0), grid).flatten().to(shares.device());
  at::Tensor row = (shares * (1 - covered)).mean(1);
  row[-1] += covered.mean();
  return row;
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
  for (size_t i = 0; i < pixels.size(); ++i) {
    const int64_t height = pixels[i].size(0), width = pixels[i].size(1);
    const at::Tensor transparent = transparent_pixels(pixels[i]);
    at::Tensor columns;  // soft: (columns+1)×N float64; else H×W uint8
    at::Tensor shares;   // soft: K×h×w
    for (size_t n = 0; n < layers.size(); ++n) {
      const DenseScores own = scores[n].image(static_cast<int64_t>(i));
      if (options.soft) {
        shares = own.shares_on_grid()[0];
        columns = column_shares(shares.flatten(1), tables[n], options.columns, columns);
      } else {
        columns = columns_of(class_map(own, height, width)[0], tables[n], columns);
      }
    }
    if (!options.soft && transparent.defined())
      columns.masked_fill_(transparent.to(columns.device()), no_column);
    rows.push_back(options.soft ? mean_shares(columns, transparent, shares.sizes().slice(1)).cpu()
                                : count_columns(columns, options.columns).to(at::kDouble));
    report_progress(i + 1, pixels.size());
  }
  return at::stack(rows);
}

}  // namespace dinov3_seg
