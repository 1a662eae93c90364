/** How well a head segments a data set. */
import type { SegmentationDataset } from '../data/dataset.js';
import { checkImageSize } from '../model/image-size.js';
import { LinearProbe } from '../model/linear-probe.js';
import type { SegmentationHead } from '../model/open-head.js';
import { scoringOf } from '../model/scoring.js';
import type { SegmentationModel } from '../model/segmentation-model.js';
import type { Tensor } from '../model/tensor.js';
import { engine } from '../native/engine.js';
import type { LossResult, Scoring } from '../native/surface.js';
import { evaluationBatches, type Batch } from './batches.js';
import { Tally, type Evaluation } from './tally.js';

/** How to evaluate. */
export interface EvaluateOptions {
  /** Width and height that images and labels are resized to, a multiple of 32. Default 512. */
  imageSize?: number;
  /** Default: what the head's number of outputs says. */
  scoring?: Scoring;
  /** Images prepared ahead of the network. Default 4. */
  prefetch?: number;
  /** Stops between two images. */
  signal?: AbortSignal;
  /** Images done, of how many. */
  onProgress?: (done: number, total: number) => void;
}

/**
 * Evaluates a head on a data set, images and labels resized as in training (docs/recipe.md).
 *
 * @throws DinoSegError HEAD_MISMATCH, SHAPE, IMAGE, LABEL_SIZE, LABEL_VALUE, OUT_OF_MEMORY; the signal's reason.
 */
export async function evaluate(
  model: SegmentationModel,
  head: SegmentationHead,
  dataset: SegmentationDataset,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const { imageSize = 512, prefetch = 4, signal, onProgress } = options;
  head.assertFits(model);
  checkImageSize(imageSize, imageSize);
  const scoring = scoringOf(head, dataset.classSet, options.scoring);
  const { length: classes } = dataset.classSet.classes;
  const size = { width: imageSize, height: imageSize };
  const place = { imageSize, device: model.device, prefetch };

  const started = performance.now();
  const tally = new Tally(dataset.classSet);
  for await (using batch of evaluationBatches(dataset, place, signal)) {
    const measured = await measure(model, head, batch, { ...size, scoring });
    using map = measured.map;
    const confusion = await engine().confusion(map.handle, batch.labels.handle, classes);
    tally.add(confusion, measured.loss);
    onProgress?.(tally.images, dataset.length);
  }
  return tally.result((performance.now() - started) / 1000);
}

/** Loss (null where there is none) and class map of a batch. */
async function measure(
  model: SegmentationModel,
  head: SegmentationHead,
  { images, labels }: Batch,
  options: { width: number; height: number; scoring: Scoring },
): Promise<{ loss: number | null; map: Tensor }> {
  const meanOfPixels = ({ loss, pixels }: LossResult) => (pixels > 0 ? loss : null);
  if (head instanceof LinearProbe) {
    using features = await model.features(images);
    const loss = meanOfPixels(await head.loss(features, labels));
    return { loss, map: await head.classMap(features, options) };
  }
  using decoded = await model.decode(images);
  const isRecipe = options.scoring === 'recipe';
  const loss = isRecipe ? meanOfPixels(await head.loss(decoded, labels)) : null;
  return { loss, map: await head.classMap(decoded, options) };
}
