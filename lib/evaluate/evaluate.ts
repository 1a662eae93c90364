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
import type { ClassSet } from '../data/class-set.js';
import { datasetKind, type Sample, type SegmentationDataset } from '../data/dataset.js';
import { groupsOf, pixelBytes, prefetch } from '../data/prefetch.js';
import { scoring } from '../model/argument-kinds.js';
import { eachImage, type ImagePass } from '../model/each-image.js';
import { checkImageSize, imageSizeOf, type ImageSize } from '../model/image-size.js';
import { aheadOf, loadSamples } from '../model/load-batch.js';
import { headKind } from '../model/open-head.js';
import type { SegmentationHead } from '../model/segmentation-head.js';
import type { NetworkOutputs } from '../model/network-outputs.js';
import { BatchRunner } from '../model/pass-size.js';
import { scoringOf } from '../model/scoring.js';
import { modelKind, type SegmentationModel } from '../model/segmentation-model.js';
import type { Tensor } from '../model/tensor.js';
import { engine } from '../native/engine.js';
import type { LossResult, Scoring } from '../native/bindings/engine.js';
import type { Evaluation } from './evaluation.js';
import { EvaluationAccumulator } from './evaluation-accumulator.js';

/** Options of {@link evaluate}. */
export interface EvaluateOptions {
  /**
   * Width and height of the resized images and labels in pixels, a multiple of 32. Default: as in the training of the heads,
   * else 512. Required for heads that were trained at different sizes.
   */
  imageSize?: number;
  /** Scoring method. Default: chosen by the head's number of outputs. */
  scoring?: Scoring;
  /** Images prepared ahead of the network, at least those of one pass. Default 4. */
  prefetch?: number;
  /**
   * Images per forward pass; results differ by rounding. Default: 1 on the CPU; up to 8 on a GPU, depending on free memory,
   * and halved if memory runs out.
   */
  passSize?: number;
  /** Stops between two images. */
  signal?: AbortSignal;
  /** Called after each image with the number of completed images and the total. */
  onProgress?: (done: number, total: number) => void;
  /** Called with log lines, e.g. when passes become smaller. */
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
 * Evaluates a head on a data set. Images and labels are resized as in training (docs/recipe.md).
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
 * {@link evaluate} for several heads of one network, class_embed heads or linear probes. Each image passes through the network
 * once for all heads.
 *
 * @returns evaluations in the order of the heads; `seconds` is the time of all heads together.
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
  const { prefetch: prefetched = 4, signal, onProgress } = options;
  const imageSize = imageSizeOf(options.imageSize, heads);
  for (const head of heads) head.assertFits(model);
  checkImageSize(imageSize, imageSize);
  const { classSet } = dataset;
  const scorings = heads.map((head) => scoringOf(head, classSet, options.scoring));
  const size = { width: imageSize, height: imageSize };
  const runner = BatchRunner.of(model, size, options);
  /** Counts and loss of each head. */
  const measure = ({ outputs, labels, replica }: ImagePass<Sample>) => {
    const judge = (head: SegmentationHead, k: number) =>
      judged(replica, head, outputs, labels!, { size, classSet, scoring: scorings[k]! });
    return Promise.all(heads.map(judge));
  };

  const started = performance.now();
  const accumulators = heads.map(() => new EvaluationAccumulator(classSet));
  let done = 0;
  const groups = groupsOf([...dataset.pairs.keys()], runner.size);
  const load = (indices: number[]) => loadSamples(dataset, indices);
  const ahead = aheadOf(prefetched, runner.size, model.devices.length);
  const bytesOf = (loaded: readonly Sample[]) =>
    loaded.reduce((sum, { image, label }) => sum + pixelBytes(image, label), 0);
  const samples = prefetch(groups, load, { ...ahead, signal, bytesOf });
  const walk = { imageSize, runner, signal };
  for await (const measured of eachImage(model, heads, samples, walk, measure))
    for (const ofHeads of measured) {
      signal?.throwIfAborted();
      for (const [k, { counts, loss }] of ofHeads.entries()) accumulators[k]!.add(counts, loss);
      onProgress?.(++done, dataset.length);
    }
  const seconds = (performance.now() - started) / 1000;
  return accumulators.map((accumulator) => accumulator.result(seconds));
}

/** What a head gives for an image. */
interface Measured {
  loss: number | null;
  /** K×K */
  counts: Float64Array;
}

/** Compares a head's class map with the labels of one image, on the network that gave the outputs. */
async function judged(
  on: SegmentationModel,
  head: SegmentationHead,
  outputs: NetworkOutputs,
  labels: Tensor,
  { size, scoring, classSet }: { size: ImageSize; scoring: Scoring; classSet: ClassSet },
): Promise<Measured> {
  // The loss of `ade20k` scoring needs matched queries.
  const loss = scoring === 'recipe' ? meanOfPixels(await head.lossOf(outputs, labels, { on })) : null;
  using map = await head.mapOf(outputs, { ...size, scoring, on });
  return { loss, counts: await engine().confusion(map.handle, labels.handle, classSet.classes.length) };
}

function meanOfPixels({ loss, pixels }: LossResult): number | null {
  return pixels > 0 ? loss : null;
}
