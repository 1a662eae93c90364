/** A network with a head and the names of its classes, opened from files. */
import { checkOptions, flag, needed, number, text, without, type OptionKinds } from '../arguments.js';
import type { ClassSet } from '../data/class-set.js';
import type { ImageInput } from '../data/decode.js';
import { jobOptions, type JobOptions } from '../native/job.js';
import type { Scoring } from '../native/bindings/engine.js';
import { imageSize as sizeKind, scoring as scoringKind } from './argument-kinds.js';
import { classShares, percentagesOf } from './class-shares.js';
import { asSize, checkImageSize, imageSizeOf, type ImageSize } from './image-size.js';
import { loadOptions, type LoadOptions } from './load-options.js';
import { openHead } from './open-head.js';
import type { SegmentationHead } from './segmentation-head.js';
import { classSetOf, scoringOf } from './scoring.js';
import {
  scoreImageOptions,
  segmentImageOptions,
  type ScoreImageOptions,
  type ScoreMap,
  type SegmentImageOptions,
} from './scoring-options.js';
import { SegmentationModel } from './segmentation-model.js';
import type { ClassMap } from './segment-options.js';

/**
 * Options of {@link openSegmenter}. `signal` and `onProgress` apply to loading; `onProgress` receives bytes of the
 * network read.
 */
export interface SegmenterOptions extends LoadOptions {
  /** Network file. */
  model: string;
  /** Head file with a class_embed or a linear probe. Default: the model's own head. */
  head?: string;
  /** Name or file of a class set. Default: that of the head, or ade150 for 151 outputs. */
  classes?: string;
  /** Default: follows from the head's number of outputs. */
  scoring?: Scoring;
  /** Width and height of the network's input in pixels, a multiple of 32. Default: the head's training size, else 512. */
  imageSize?: number;
}

/** Options of {@link Segmenter.segment}. Default imageSize: {@link Segmenter.imageSize}. */
export type SegmenterRunOptions = Omit<SegmentImageOptions, 'head' | 'scoring'>;

/** Options of {@link Segmenter.scores}. Default imageSize: {@link Segmenter.imageSize}. */
export type SegmenterScoreOptions = Omit<ScoreImageOptions, 'head' | 'scoring'>;

/** Options of {@link Segmenter.percentages}. `onProgress` receives images done. */
export interface PercentageOptions extends JobOptions {
  /**
   * Input size of the network in pixels: a number for width and height, or both; multiples of 32. Default:
   * {@link Segmenter.imageSize}.
   */
  imageSize?: number | ImageSize;
  /** Whether to compute percentages from scores instead of the best class of each pixel (docs/features.md). Default false. */
  soft?: boolean;
}

const segmenterOptions: OptionKinds<SegmenterOptions> = {
  model: needed(text),
  head: text,
  classes: text,
  scoring: scoringKind,
  imageSize: number,
  ...loadOptions,
};
const runOptions: OptionKinds<SegmenterRunOptions> = without(segmentImageOptions, 'head', 'scoring');
const scoreOptions: OptionKinds<SegmenterScoreOptions> = without(scoreImageOptions, 'head', 'scoring');
const percentageOptions: OptionKinds<PercentageOptions> = { imageSize: sizeKind, soft: flag, ...jobOptions };

/** The class of every pixel of an image, with the names of the classes. */
export interface SegmentedImage extends ClassMap {
  /** Names and colours of the indices in `data`. */
  classSet: ClassSet;
}

/**
 * An opened network with its head, returned by {@link openSegmenter}. `dispose()` or `using` frees its memory;
 * `await using` waits for its calls first. Calls are queued as those of a {@link SegmentationModel}.
 */
export class Segmenter implements Disposable, AsyncDisposable {
  /** The network. */
  readonly model: SegmentationModel;
  /** The head, on the network's device. */
  readonly head: SegmentationHead;
  /** Names and colours of the head's outputs. */
  readonly classSet: ClassSet;
  /** The scoring that fits head and class set. */
  readonly scoring: Scoring;
  /** Width and height of the network's input in pixels. */
  readonly imageSize: number;
  /** Reasons why results may be wrong although head, network and classes fit. */
  readonly warnings: readonly string[];

  /** @internal */
  constructor(parts: Pick<Segmenter, 'model' | 'head' | 'classSet' | 'scoring' | 'imageSize' | 'warnings'>) {
    this.model = parts.model;
    this.head = parts.head;
    this.classSet = parts.classSet;
    this.scoring = parts.scoring;
    this.imageSize = parts.imageSize;
    this.warnings = parts.warnings;
  }

  /**
   * Computes the class map of one image at its own size, with the names of its classes. `onProgress` receives
   * windows done.
   *
   * @throws DinoSegError IMAGE, FILE_NOT_FOUND, INVALID_ARGUMENT, SHAPE, OUT_OF_MEMORY, DISPOSED; the signal's
   *   reason.
   */
  async segment(image: ImageInput, options: SegmenterRunOptions = {}): Promise<SegmentedImage> {
    checkOptions(options, runOptions, 'segment()');
    const map = await this.model.segment(image, this.#with(options));
    return { ...map, classSet: this.classSet };
  }

  /**
   * Computes the class maps of several images, each at its own size: {@link SegmentationModel.segmentBatch} with
   * the head.
   *
   * @throws DinoSegError as {@link segment}; INVALID_ARGUMENT if there is no image.
   */
  async segmentBatch(
    images: readonly ImageInput[],
    options: SegmenterRunOptions = {},
  ): Promise<SegmentedImage[]> {
    checkOptions(options, runOptions, 'segmentBatch()');
    const maps = await this.model.segmentBatch(images, this.#with(options));
    return maps.map((map) => ({ ...map, classSet: this.classSet }));
  }

  /**
   * Percentages (0…100) of an image's pixels by class name, in the order of the class set. Classes that do not
   * occur have 0. They sum to 100 (up to rounding), because the head gives every pixel one of its classes; only
   * transparent pixels (alpha below 128) count for none. They equal the values that the command `features` writes for the same network, head
   * and image (flavour `idd26-head`, or set 230 for the model's own head). The engine counts them: no class map
   * enters JavaScript.
   *
   * @throws DinoSegError IMAGE, FILE_NOT_FOUND, INVALID_ARGUMENT, SHAPE, OUT_OF_MEMORY, DISPOSED; the signal's
   *   reason.
   */
  async percentages(image: ImageInput, options: PercentageOptions = {}): Promise<Record<string, number>> {
    checkOptions(options, percentageOptions, 'percentages()');
    const { imageSize = this.imageSize, soft = false, ...job } = options;
    const { model, head, scoring } = this;
    const { classes } = this.classSet;
    const table = new Uint8Array(256).fill(255);
    for (const { index } of classes) table[index] = index;
    const counting = { imageSize: asSize(imageSize), places: classes.length, soft };
    const [shares] = await classShares(model, [{ head, scoring, table }], [image], counting, job);
    const groups = classes.map(({ index }) => [index]);
    const { values } = percentagesOf(shares!, { places: classes.length, groups });
    return Object.fromEntries(classes.map(({ name }, i) => [name, values[i]!]));
  }

  /**
   * Computes the score of every class at every pixel: {@link SegmentationModel.scores} with the head. Class i of
   * the class set is at `data.subarray(i * width * height, (i + 1) * width * height)`.
   *
   * @throws DinoSegError as {@link SegmentationModel.scores}.
   */
  async scores(image: ImageInput, options: SegmenterScoreOptions = {}): Promise<ScoreMap> {
    checkOptions(options, scoreOptions, 'scores()');
    return this.model.scores(image, this.#with(options));
  }

  #with<T extends { imageSize?: number | ImageSize }>(options: T) {
    const { head, scoring, imageSize } = this;
    return { ...options, imageSize: options.imageSize ?? imageSize, head, scoring };
  }

  /** Frees network and head now, or when running calls end. Calling it again does nothing. */
  dispose(): void {
    this.head.dispose();
    this.model.dispose();
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Accepts no further calls, waits for running ones, then frees the memory. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.head[Symbol.asyncDispose](), this.model[Symbol.asyncDispose]()]);
  }
}

/**
 * Opens a network and a head on one device and checks that they fit together and fit the class set:
 *
 * ```js
 * const segmenter = await openSegmenter({ model: 'model.pt', head: 'best.safetensors' });
 * const percentages = await segmenter.percentages('street.jpg'); // { road: 31.4, sidewalk: 6.2, … }
 * ```
 *
 * @throws DinoSegError HEAD_MISMATCH, CLASSES, SHAPE for the image size, and what loading throws.
 */
export async function openSegmenter(options: SegmenterOptions): Promise<Segmenter> {
  checkOptions(options, segmenterOptions, 'openSegmenter()');
  const { model: modelPath, head: headPath, classes, scoring, imageSize, ...loading } = options;
  if (imageSize !== undefined) checkImageSize(imageSize, imageSize);
  const size = imageSize === undefined ? undefined : asSize(imageSize);
  const model = await SegmentationModel.load(modelPath, loading, { imageSize: size });
  try {
    const opened = await openHeadOf(model, { head: headPath, classes, scoring });
    return new Segmenter({ model, ...opened, imageSize: imageSizeOf(imageSize, [opened.head]) });
  } catch (error) {
    model.dispose();
    throw error;
  }
}

/** A head that scores the outputs of a network, as {@link openSegmenter} has it. */
export type OpenedHead = Pick<Segmenter, 'head' | 'classSet' | 'scoring' | 'warnings'>;

/** Opens a head for a network and checks that they fit together and fit the class set. @throws DinoSegError as openSegmenter */
export async function openHeadOf(
  model: SegmentationModel,
  given: { head?: string | undefined; classes?: string | undefined; scoring?: Scoring | undefined },
): Promise<OpenedHead> {
  const { head: path, classes, scoring } = given;
  const head = path === undefined ? model.ownHead() : await openHead(path, { device: model.device });
  try {
    head.assertFits(model);
    const classSet = await classSetOf(head, classes);
    const { modelId } = head.metadata;
    const warnings =
      modelId === undefined || modelId === model.id
        ? []
        : [
            `${path} was trained on a different network file than ${model.path} ` +
              '(a different network or precision): results may be wrong.',
          ];
    return { head, classSet, warnings, scoring: scoringOf(head, classSet, scoring) };
  } catch (error) {
    head.dispose();
    throw error;
  }
}
