/** How well a head segments a data set. */
import type { SegmentationDataset } from '../data/dataset.js';
import { DecodedImages } from '../model/decoded-images.js';
import { checkImageSize } from '../model/image-size.js';
import { LinearProbe } from '../model/linear-probe.js';
import type { SegmentationHead } from '../model/open-head.js';
import { Passes } from '../model/pass-size.js';
import { scoringOf } from '../model/scoring.js';
import type { SegmentationModel } from '../model/segmentation-model.js';
import { Tensor } from '../model/tensor.js';
import { engine } from '../native/engine.js';
import type { LossResult, Scoring } from '../native/surface.js';
import { evaluationBatches } from './batches.js';
import { Tally, type Evaluation } from './tally.js';

/** How to evaluate. */
export interface EvaluateOptions {
  /** Width and height that images and labels are resized to, a multiple of 32. Default 512. */
  imageSize?: number;
  /** Default: what the head's number of outputs says. */
  scoring?: Scoring;
  /** Images prepared ahead of the network; those of one pass at least. Default 4. */
  prefetch?: number;
  /**
   * Images that go through the network together; figures differ by rounding. Default: 1 on the CPU; on a GPU up to 8, by
   * the memory that is free, and half as many from where it runs out.
   */
  passSize?: number;
  /** Stops between two images. */
  signal?: AbortSignal;
  /** Images done, of how many. */
  onProgress?: (done: number, total: number) => void;
  /** Lines for people: that passes get smaller. */
  onLog?: (line: string) => void;
}

/**
 * Evaluates a head on a data set, images and labels resized as in training (docs/recipe.md).
 *
 * @throws DinoSegError INVALID_ARGUMENT, HEAD_MISMATCH, SHAPE, IMAGE, LABEL_SIZE, LABEL_VALUE, OUT_OF_MEMORY; the signal's
 *   reason.
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
  const passes = Passes.of(model, size, options);
  const place = { imageSize, device: model.device, prefetch };

  const started = performance.now();
  const tally = new Tally(dataset.classSet);
  for await (using batch of evaluationBatches(dataset, passes.size, place, signal))
    for (let first = 0, count = 0; first < batch.count; first += count) {
      using outputs = await passes.take((most) => {
        count = Math.min(most, batch.count - first);
        return outputsFor(head, model, batch.images, first, count);
      });
      for (let i = 0; i < count; i++) {
        signal?.throwIfAborted();
        using labels = batch.labels.slice(first + i, 1);
        using own = outputs.slice(i, 1);
        const measured = await measure(head, own, labels, { ...size, scoring });
        using map = measured.map;
        tally.add(await engine().confusion(map.handle, labels.handle, classes), measured.loss);
        onProgress?.(tally.images, dataset.length);
      }
    }
  return tally.result((performance.now() - started) / 1000);
}

/** What a head takes of some images of a batch. */
async function outputsFor(
  head: SegmentationHead,
  model: SegmentationModel,
  batch: Tensor,
  first: number,
  count: number,
): Promise<Tensor | DecodedImages> {
  using images = batch.slice(first, count);
  return head instanceof LinearProbe ? await model.features(images) : await model.decode(images);
}

/** Loss (null where there is none) and class map of an image. */
async function measure(
  head: SegmentationHead,
  outputs: Tensor | DecodedImages,
  labels: Tensor,
  options: { width: number; height: number; scoring: Scoring },
): Promise<{ loss: number | null; map: Tensor }> {
  const meanOfPixels = ({ loss, pixels }: LossResult) => (pixels > 0 ? loss : null);
  if (head instanceof LinearProbe) {
    const features = outputs as Tensor;
    const loss = meanOfPixels(await head.loss(features, labels));
    return { loss, map: await head.classMap(features, options) };
  }
  const decoded = outputs as DecodedImages;
  const isRecipe = options.scoring === 'recipe';
  const loss = isRecipe ? meanOfPixels(await head.loss(decoded, labels)) : null;
  return { loss, map: await head.classMap(decoded, options) };
}
