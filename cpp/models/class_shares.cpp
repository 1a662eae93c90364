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

// Below it, a pixel is transparent (lib/data/image-decoder.ts).
constexpr int64_t opaque_alpha = 128;

/// Where an image is transparent, H×W uint8 on the pixels' device; undefined where nowhere.
at::Tensor transparent_pixels(const PassImage& image) {
  if (!image.pixels.defined() || image.pixels.size(2) != 4) return {};
  const at::Tensor transparent = image.pixels.select(2, 3).lt(opaque_alpha);
  return transparent.any().item<bool>() ? transparent.to(at::kByte) : at::Tensor();
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

/// Pixels of each column and, last, without one, of images' count_classes(): what was excluded has none.
at::Tensor with_excluded(const at::Tensor& counts, int64_t columns) {
  at::Tensor shares = counts.narrow(1, 0, columns + 1).to(at::kDouble).contiguous();
  shares.select(1, columns).add_(counts.select(1, columns + 1));
  return shares;
}

}  // namespace

at::Tensor class_shares(SegmentationModel& model, const std::vector<ShareLayer>& layers,
                        const std::vector<PassImage>& images, const ShareOptions& options) {
  check_layers(model, layers, options.columns);
  std::vector<at::Tensor> inputs, own_tables, transparent, rows;
  for (const PassImage& image : images) {
    inputs.push_back(
        network_input(image, model.device(), options.height, options.width, model.normalization()));
    transparent.push_back(transparent_pixels(image));
    // Before the pass, since a copy may wait for what the device computes.
    if (transparent.back().defined() && !options.soft)
      transparent.back() = transparent.back().to(model.device());
  }
  for (const ShareLayer& layer : layers) own_tables.push_back(layer.table);
  const at::Tensor tables = at::stack(own_tables).to(model.device());
  const std::vector<DenseScores> scores = score_layers(model, layers, at::stack(inputs));
  const FiniteWatch watch(marks_of(scores));
  for (size_t i = 0; i < images.size(); ++i) {
    std::vector<at::Tensor> maps;
    at::Tensor columns;  // soft: (columns+1)×N float64
    at::Tensor shares;   // soft: K×h×w
    for (size_t n = 0; n < layers.size(); ++n) {
      const DenseScores own = scores[n].image(static_cast<int64_t>(i));
      if (options.soft) {
        shares = own.shares_on_grid()[0];
        columns = column_shares(shares.flatten(1), tables[static_cast<int64_t>(n)], options.columns, columns);
      } else {
        maps.push_back(class_map(own, images[i].height, images[i].width)[0]);
      }
    }
    if (options.soft) {
      rows.push_back(mean_shares(columns, transparent[i], shares.sizes().slice(1)));
      continue;
    }
    std::optional<at::Tensor> excluded;
    if (transparent[i].defined()) excluded = transparent[i];
    rows.push_back(count_classes(maps, tables, excluded, options.columns));
  }
  // The only time that the device is waited for.
  const at::Tensor found = at::stack(rows).cpu();
  watch.require();
  report_progress(images.size(), images.size());
  return options.soft ? found : with_excluded(found, options.columns);
}

}  // namespace dinov3_seg
