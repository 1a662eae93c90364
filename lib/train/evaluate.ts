/** How well a head segments a data set. */
import type { SegmentationDataset } from '../data/dataset.js';
import type { ClassHead } from '../model/class-head.js';
import { checkImageSize } from '../model/image-size.js';
import { scoringOf } from '../model/scoring.js';
import type { SegmentationModel } from '../model/segmentation-model.js';
import { engine } from '../native/engine.js';
import type { Scoring } from '../native/surface.js';
import { evaluationBatches } from './batches.js';
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
  head: ClassHead,
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
    using decoded = await model.decode(batch.images);
    const { loss, pixels } =
      scoring === 'recipe' ? await head.loss(decoded, batch.labels) : { loss: 0, pixels: 0 };
    using map = await head.classMap(decoded, { ...size, scoring });
    const confusion = await engine().confusion(map.handle, batch.labels.handle, classes);
    tally.add(confusion, pixels > 0 ? loss : null);
    onProgress?.(tally.images, dataset.length);
  }
  return tally.result((performance.now() - started) / 1000);
}
