/** How well a head segments a data set. */
import {
  callback,
  checkArgument,
  checkOptions,
  listOf,
  number,
  signal,
  type OptionKinds,
} from '../arguments.js';
import { datasetKind, type SegmentationDataset } from '../data/dataset.js';
import { scoring } from '../model/argument-kinds.js';
import type { DecodedImages } from '../model/decoded-images.js';
import { checkImageSize, imageSizeOf } from '../model/image-size.js';
import { LinearProbe } from '../model/linear-probe.js';
import { headKind, type SegmentationHead } from '../model/open-head.js';
import { BatchRunner } from '../model/pass-size.js';
import { scoringOf } from '../model/scoring.js';
import { modelKind, type SegmentationModel } from '../model/segmentation-model.js';
import type { Tensor } from '../model/tensor.js';
import { engine } from '../native/engine.js';
import type { LossResult, Scoring } from '../native/bindings/engine.js';
import { evaluationBatches } from './batches.js';
import type { Evaluation } from './evaluation.js';
import { EvaluationAccumulator } from './evaluation-accumulator.js';

/** How to evaluate. */
export interface EvaluateOptions {
  /**
   * Width and height that images and labels are resized to, a multiple of 32. Default: what the heads were trained at, else
   * 512; heads that were trained at different sizes need it.
   */
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

const evaluateOptions: OptionKinds<EvaluateOptions> = {
  imageSize: number,
  scoring,
  prefetch: number,
  passSize: number,
  signal,
  onProgress: callback(),
  onLog: callback(),
};

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
  checkArgument(head, headKind, 'evaluate(head)');
  const [evaluation] = await evaluateHeads(model, [head], dataset, options);
  return evaluation!;
}

/**
 * {@link evaluate} for several heads of one network, class_embed heads and linear probes alike: an image goes through the network
 * once for all of them.
 *
 * @returns in the order of the heads; seconds are those of all together.
 * @throws DinoSegError as {@link evaluate}.
 */
export async function evaluateHeads(
  model: SegmentationModel,
  heads: readonly SegmentationHead[],
  dataset: SegmentationDataset,
  options: EvaluateOptions = {},
): Promise<Evaluation[]> {
  checkArgument(model, modelKind, 'evaluate(model)');
  checkArgument(heads, listOf(headKind), 'evaluateHeads(heads)');
  checkArgument(dataset, datasetKind, 'evaluate(dataset)');
  checkOptions(options, evaluateOptions, 'evaluate()');
  const { prefetch = 4, signal, onProgress } = options;
  const imageSize = imageSizeOf(options.imageSize, heads);
  for (const head of heads) head.assertFits(model);
  checkImageSize(imageSize, imageSize);
  const { classSet } = dataset;
  const scorings = heads.map((head) => scoringOf(head, classSet, options.scoring));
  const size = { width: imageSize, height: imageSize };
  const runner = BatchRunner.of(model, size, options);
  const place = { imageSize, device: model.device, prefetch };

  const started = performance.now();
  const accumulators = heads.map(() => new EvaluationAccumulator(classSet));
  let done = 0;
  for await (using batch of evaluationBatches(dataset, runner.size, place, signal))
    for (let first = 0, count = 0; first < batch.count; first += count) {
      using outputs = await runner.run((most) => {
        count = Math.min(most, batch.count - first);
        return Outputs.of(model, heads, batch.images, first, count);
      });
      for (let i = 0; i < count; i++) {
        signal?.throwIfAborted();
        using labels = batch.labels.slice(first + i, 1);
        for (const [k, head] of heads.entries()) {
          const measured = await outputs.measure(head, i, labels, { ...size, scoring: scorings[k]! });
          using map = measured.map;
          const counts = await engine().confusion(map.handle, labels.handle, classSet.classes.length);
          accumulators[k]!.add(counts, measured.loss);
        }
        onProgress?.(++done, dataset.length);
      }
    }
  const seconds = (performance.now() - started) / 1000;
  return accumulators.map((accumulator) => accumulator.result(seconds));
}

/** What heads take of some images of a batch: of each kind what a head of it is there for. */
class Outputs implements Disposable {
  private constructor(
    private readonly decoded: DecodedImages | undefined,
    private readonly features: Tensor | undefined,
  ) {}

  static async of(
    model: SegmentationModel,
    heads: readonly SegmentationHead[],
    batch: Tensor,
    first: number,
    count: number,
  ): Promise<Outputs> {
    using images = batch.slice(first, count);
    const isProbe = (head: SegmentationHead) => head instanceof LinearProbe;
    const decoded = heads.every(isProbe) ? undefined : await model.decode(images);
    try {
      return new Outputs(decoded, heads.some(isProbe) ? await model.features(images) : undefined);
    } catch (error) {
      decoded?.dispose();
      throw error;
    }
  }

  /** Loss (null where there is none) and class map of an image. */
  async measure(
    head: SegmentationHead,
    image: number,
    labels: Tensor,
    options: { width: number; height: number; scoring: Scoring },
  ): Promise<{ loss: number | null; map: Tensor }> {
    const { width, height } = options;
    if (head instanceof LinearProbe) {
      using features = this.features!.slice(image, 1);
      const loss = meanOfPixels(await head.loss(features, labels));
      return { loss, map: await head.classMap(features, { width, height }) };
    }
    using decoded = this.decoded!.slice(image, 1);
    const isRecipe = options.scoring === 'recipe';
    const loss = isRecipe ? meanOfPixels(await head.loss(decoded, labels)) : null;
    return { loss, map: await head.classMap(decoded, options) };
  }

  [Symbol.dispose](): void {
    this.decoded?.dispose();
    this.features?.dispose();
  }
}

function meanOfPixels({ loss, pixels }: LossResult): number | null {
  return pixels > 0 ? loss : null;
}
