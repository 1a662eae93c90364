/** The frozen network: backbone, adapter, pixel decoder and predictor of one TorchScript file. */
import { checkArgument, checkOptions, instanceOf, text, type OptionKinds } from '../arguments.js';
import type { ImageInput } from '../data/decode.js';
import { DinoSegError } from '../errors.js';
import { engine } from '../native/engine.js';
import { jobOptions, runJob, type JobOptions } from '../native/job.js';
import type {
  DType,
  JobHandle,
  ModelHandle,
  ModelInfo,
  NetworkPrecision,
  RawImage,
  Scoring,
} from '../native/bindings/engine.js';
import { imageSize, scoring } from './argument-kinds.js';
import { ClassHead } from './class-head.js';
import { DecodedImages } from './decoded-images.js';
import { resolveDevice } from './device.js';
import { networkMark } from './head-network.js';
import {
  randomNetwork,
  randomNetworkOptions,
  type Architecture,
  type RandomNetworkOptions,
} from './init-model.js';
import { asSize, checkImageSize, imageSizeOf, type ImageSize } from './image-size.js';
import { loadOptions, waysToRunOptions, type LoadOptions } from './load-options.js';
import { headKind } from './open-head.js';
import type { SegmentationHead } from './segmentation-head.js';
import { NetworkOutputs, type OutputPart } from './network-outputs.js';
import { OwnedHandle } from './owned-handle.js';
import { checkPassSize } from './pass-size.js';
import { RunningCalls } from './running-calls.js';
import { segmentWithProbeOptions, type ClassMap, type SegmentWithProbeOptions } from './segment-options.js';
import { Tensor, tensorKind } from './tensor.js';
import { withPixels } from './with-pixels.js';

/** How an image is scored. */
export interface ScoringOptions extends JobOptions {
  /** Without it the model's own class_embed scores. With a {@link LinearProbe} the backbone alone is run. */
  head?: SegmentationHead;
  /** Default: `recipe` with a head, `ade20k` without one. A linear probe takes `recipe` only. */
  scoring?: Scoring;
  /**
   * Width and height of the network's input in pixels, multiples of 32. Default: what the head was trained at, else 512.
   */
  imageSize?: number | ImageSize;
}

/** How {@link SegmentationModel.segment} covers an image. */
export interface SegmentImageOptions extends ScoringOptions, SegmentWithProbeOptions {}

/** How {@link SegmentationModel.scores} scores an image. */
export interface ScoreImageOptions extends ScoringOptions {
  /** Width and height of the scores. Default: those of the image. */
  outputSize?: number | ImageSize;
}

/** The score of every class at every pixel. */
export interface ScoreMap {
  /** classes×height×width, the highest the best. */
  data: Float32Array;
  /** Outputs of the head; one less with `ade20k` scoring, which leaves "no object" out. */
  classes: number;
  /** Pixels. */
  width: number;
  /** Pixels. */
  height: number;
}

/** What {@link SegmentationModel.forward} gives, float32, on the model's device. To be disposed of. */
export interface ForwardResult {
  /** B×Q×C, the input of class_embed. */
  queries: Tensor;
  /** Class logits B×Q×K. */
  predLogits: Tensor;
  /** Mask logits B×Q×h×w, h = H/4, w = W/4. */
  predMasks: Tensor;
}

const initOptions: OptionKinds<
  RandomNetworkOptions<Architecture> & Pick<LoadOptions, 'precision' | 'cudaGraphs'>
> = { ...randomNetworkOptions<Architecture>(), ...waysToRunOptions };

const scoringOptions: OptionKinds<ScoringOptions> = { head: headKind, scoring, imageSize, ...jobOptions };

/** The kinds of {@link SegmentImageOptions}. */
export const segmentImageOptions: OptionKinds<SegmentImageOptions> = {
  ...scoringOptions,
  ...segmentWithProbeOptions,
};

/** The kinds of {@link ScoreImageOptions}. */
export const scoreImageOptions: OptionKinds<ScoreImageOptions> = { ...scoringOptions, outputSize: imageSize };

/**
 * A network written by `convert`, `exportModel` or any other TorchScript file with the methods
 * `forward(images) → (pred_logits, pred_masks)` and `decode(images) → (queries, pred_masks)`.
 * It is always in eval mode. Its memory is freed by `dispose()` or `using`; `await using` waits for its calls first.
 *
 * Calls run on a thread of the engine, one at a time and in order; worker_threads take turns. Of the calls that take
 * images at most 16, or 256 MiB of pixels, are decoded and queued at a time; the others wait before they are decoded.
 */
export class SegmentationModel implements Disposable, AsyncDisposable {
  /** The file it was loaded from, or what it is where there is none. */
  readonly path: string;
  /** SHA-256 that tells networks apart. */
  readonly id: string;
  /** `cpu`, `cuda:0`, … */
  readonly device: string;
  /** Precision of the backbone's weights. */
  readonly dtype: DType;
  /** As it was loaded with: what a bfloat16 network computes its pixel decoder in. */
  readonly precision: NetworkPrecision;
  /** Width of the backbone's tokens; `hidden` where the file does not tell. */
  readonly width: number;
  /** Input width of class_embed. */
  readonly hidden: number;
  /** Outputs of the model's own class_embed. */
  readonly classes: number;
  /** Elements of all its weights. */
  readonly parameters: number;
  /** Its calls under way. @internal */
  readonly calls = new RunningCalls();
  readonly #owned: OwnedHandle<ModelHandle>;
  #ownHead: ClassHead | undefined;

  private constructor(handle: ModelHandle, info: ModelInfo, precision: NetworkPrecision) {
    this.#owned = new OwnedHandle(handle, () => `The model of ${this.path}`);
    this.path = info.path;
    this.id = info.id;
    this.device = info.device;
    this.dtype = info.dtype;
    this.precision = precision;
    this.width = info.width;
    this.hidden = info.hidden;
    this.classes = info.classes;
    this.parameters = info.parameters;
  }

  /**
   * Loads a TorchScript file. `onProgress` hears bytes read.
   *
   * @param path a file of {@link convert}, {@link exportModel}, or another with the same methods.
   * @throws DinoSegError FILE_NOT_FOUND, MODEL_FORMAT, DEVICE, OUT_OF_MEMORY; the signal's reason.
   */
  static async load(path: string, options: LoadOptions = {}): Promise<SegmentationModel> {
    checkArgument(path, text, 'SegmentationModel.load(path)');
    checkOptions(options, loadOptions, 'SegmentationModel.load()');
    const { device, dtype = 'stored' } = options;
    const placement = { device: resolveDevice(device), dtype, ...waysToRun(options) };
    const handle = await runJob(options, (job) => engine().loadModel(path, placement, job));
    return new SegmentationModel(handle, engine().modelInfo(handle), placement.precision);
  }

  /**
   * A network with random weights, drawn on the device: no file is written or read. `onProgress` hears bytes drawn. The
   * weights are those of `initModel`'s file; `path` says what it is, and `id` is made of shape, seed and dtype.
   *
   * @throws DinoSegError INVALID_ARGUMENT, DEVICE, OUT_OF_MEMORY; the signal's reason.
   */
  static async init(
    options: RandomNetworkOptions & Pick<LoadOptions, 'precision' | 'cudaGraphs'>,
  ): Promise<SegmentationModel> {
    checkOptions(options, initOptions, 'SegmentationModel.init()');
    const network = { ...randomNetwork(options), ...waysToRun(options) };
    const handle = await runJob(options, (job) => engine().initModel(network, job));
    return new SegmentationModel(handle, engine().modelInfo(handle), network.precision);
  }

  /** @internal */
  get [networkMark](): true {
    return true;
  }

  /** The engine's own handle. @throws DinoSegError DISPOSED @internal */
  get handle(): ModelHandle {
    return this.#owned.get();
  }

  /**
   * The model's own class scores of images B×3×H×W (float32, normalised, H and W multiples of 32, any device).
   *
   * @throws DinoSegError SHAPE, OUT_OF_MEMORY, DISPOSED; the signal's reason.
   */
  async forward(images: Tensor, options: JobOptions = {}): Promise<ForwardResult> {
    const { handle } = this;
    checkImages(images, options, 'forward');
    const result = await this.#run(options, (job) => engine().forward(handle, images.handle, job));
    return {
      queries: Tensor.wrap(result.queries),
      predLogits: Tensor.wrap(result.predLogits),
      predMasks: Tensor.wrap(result.predMasks),
    };
  }

  /**
   * Queries and mask logits of images B×3×H×W, as {@link forward} takes them: all that a head needs.
   *
   * @throws DinoSegError SHAPE, OUT_OF_MEMORY, DISPOSED; the signal's reason.
   */
  async decode(images: Tensor, options: JobOptions = {}): Promise<DecodedImages> {
    const { handle } = this;
    checkImages(images, options, 'decode');
    const { decoded } = await this.#outputs(handle, images, ['decoded'], options);
    return decoded!;
  }

  /**
   * Patch features B×C×H/16×W/16 (float32) of the backbone's last tapped layer, of images as {@link forward} takes
   * them: what a {@link LinearProbe} takes. Runs the backbone alone.
   *
   * @throws DinoSegError MODEL_FORMAT for a file that was converted by an earlier release or made elsewhere, without a
   *   method `features(images)`: convert it again; SHAPE, OUT_OF_MEMORY, DISPOSED; the signal's reason.
   */
  async features(images: Tensor, options: JobOptions = {}): Promise<Tensor> {
    const { handle } = this;
    checkImages(images, options, 'features');
    const { features } = await this.#outputs(handle, images, ['features'], options);
    return features!;
  }

  /** What heads read, of one pass over images as {@link forward} takes them. @internal */
  async outputs(images: Tensor, heads: readonly Pick<SegmentationHead, 'reads'>[]): Promise<NetworkOutputs> {
    return this.#outputs(
      this.handle,
      images,
      heads.map(({ reads }) => reads),
      {},
    );
  }

  async #outputs(
    handle: ModelHandle,
    images: Tensor,
    parts: readonly OutputPart[],
    options: JobOptions,
  ): Promise<NetworkOutputs> {
    const wanted = { decoded: parts.includes('decoded'), features: parts.includes('features') };
    const { queries, masks, features } = await this.#run(options, (job) =>
      engine().outputs(handle, images.handle, wanted, job),
    );
    return new NetworkOutputs(
      queries && masks && new DecodedImages({ queries, masks }),
      features && Tensor.wrap(features),
    );
  }

  /**
   * Class map of one image at its own size. `onProgress` hears windows done.
   *
   * @throws DinoSegError IMAGE, FILE_NOT_FOUND, INVALID_ARGUMENT, SHAPE, HEAD_MISMATCH, OUT_OF_MEMORY, DISPOSED; the
   *   signal's reason.
   */
  async segment(image: ImageInput, options: SegmentImageOptions = {}): Promise<ClassMap> {
    checkOptions(options, segmentImageOptions, 'segment()');
    const [map] = await this.#segment([image], options);
    return map!;
  }

  /**
   * Class maps of some images, each at its own size. In mode `whole` they go through the network together: less time an
   * image on a GPU, and results that differ from those of {@link segment} by rounding. All their pixels are in memory.
   *
   * @throws DinoSegError as {@link segment}; INVALID_ARGUMENT where there is no image.
   */
  async segmentBatch(images: readonly ImageInput[], options: SegmentImageOptions = {}): Promise<ClassMap[]> {
    checkOptions(options, segmentImageOptions, 'segmentBatch()');
    return this.#segment(images, options);
  }

  async #segment(images: readonly ImageInput[], options: SegmentImageOptions): Promise<ClassMap[]> {
    checkPassSize(options.passSize);
    const { size, scoring, handles } = this.#scoring(options);
    const stride = options.stride ?? {
      x: Math.ceil((size.width * 2) / 3),
      y: Math.ceil((size.height * 2) / 3),
    };
    const settings = {
      ...size,
      scoring,
      mode: options.mode ?? 'whole',
      strideX: typeof stride === 'number' ? stride : stride.x,
      strideY: typeof stride === 'number' ? stride : stride.y,
      passSize: options.passSize ?? 1,
    };
    return this.#withPixels(images, options, async (raw) => {
      const maps = await runJob(options, (job) => engine().segment(...handles, raw, settings, job));
      return raw.map(({ width, height }, i) => ({ data: maps[i]!, width, height }));
    });
  }

  /**
   * Score of every class at every pixel of the whole image (mode `whole`), resized to `outputSize`: what
   * {@link segment} takes the best of. Takes 4 × classes × width × height bytes, at most 2 GiB: 150 classes at
   * 1024 × 1024 are 600 MiB.
   *
   * @throws DinoSegError IMAGE, FILE_NOT_FOUND, INVALID_ARGUMENT, SHAPE (also above 2 GiB), HEAD_MISMATCH,
   *   OUT_OF_MEMORY, DISPOSED; the signal's reason.
   */
  async scores(image: ImageInput, options: ScoreImageOptions = {}): Promise<ScoreMap> {
    checkOptions(options, scoreImageOptions, 'scores()');
    const { size, scoring, handles, outputs } = this.#scoring(options);
    return this.#withPixels([image], options, async ([raw]) => {
      const { width, height } = asSize(options.outputSize ?? raw!);
      const settings = { ...size, scoring, outputWidth: width, outputHeight: height };
      const data = await runJob(options, (job) => engine().scores(...handles, raw!, settings, job));
      return { data, classes: scoring === 'ade20k' ? outputs - 1 : outputs, width, height };
    });
  }

  /** What `options` come to, with the handles that the call holds on to. */
  #scoring(options: ScoringOptions) {
    const { handle } = this;
    const head = options.head ?? this.ownHead();
    head.assertFits(this);
    const size = asSize(imageSizeOf(options.imageSize, [head]));
    checkImageSize(size.width, size.height);
    const scoring: Scoring = options.scoring ?? (options.head ? 'recipe' : 'ade20k');
    return { size, scoring, handles: [handle, head.handle] as const, outputs: head.classes };
  }

  /** Calls `use` with the images' pixels, as a call of the model and of the head. */
  #withPixels<T>(
    images: readonly ImageInput[],
    options: ScoringOptions,
    use: (pixels: RawImage[]) => Promise<T>,
  ): Promise<T> {
    const { signal, head } = options;
    const result = this.calls.add(withPixels(images, signal, use));
    return head ? head.calls.add(result) : result;
  }

  #run<T>(options: JobOptions, start: (job: JobHandle | undefined) => Promise<T>): Promise<T> {
    return this.calls.add(runJob(options, start));
  }

  /** The model's own class_embed as a head; disposed of together with the model. @throws DinoSegError DISPOSED */
  ownHead(): ClassHead {
    this.#ownHead ??= ClassHead.ofModel(this);
    return this.#ownHead;
  }

  /** Frees the network's memory: now, or when the calls under way end. Calling it again does nothing. */
  dispose(): void {
    if (this.#owned.dispose()) this.#ownHead?.dispose();
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Takes no further calls, waits for those under way, frees the memory. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAfter(this.calls);
    await this.#ownHead?.[Symbol.asyncDispose]();
  }
}

export const modelKind = instanceOf('a SegmentationModel', () => SegmentationModel);

/** How a network runs, whatever file or seed it is of. */
function waysToRun({ precision = 'tf32', cudaGraphs = true }: Pick<LoadOptions, 'precision' | 'cudaGraphs'>) {
  return { precision, cudaGraphs };
}

function checkImages(images: Tensor, options: JobOptions, call: string): void {
  checkArgument(images, tensorKind, `${call}(images)`);
  checkOptions(options, jobOptions, `${call}()`);
  const [, channels, height, width] = images.shape;
  if (images.shape.length !== 4 || channels !== 3)
    throw new DinoSegError(
      'SHAPE',
      `Images are a tensor B×3×H×W; this one is ${images.shape.join('×') || 'a scalar'}.`,
    );
  checkImageSize(width!, height!);
}
