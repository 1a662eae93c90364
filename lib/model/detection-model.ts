/** The frozen detector: backbone and Plain-DETR head of one TorchScript file. */
import { checkArgument, checkOptions, flag, oneOf, text, type OptionKinds } from '../arguments.js';
import type { ImageInput } from '../data/decode.js';
import { DinoSegError } from '../errors.js';
import { engine } from '../native/engine.js';
import { jobOptions, runJob, type JobOptions } from '../native/job.js';
import type {
  DetectorHandle,
  DType,
  Float16Use,
  JobHandle,
  NetworkPrecision,
  Normalization,
} from '../native/bindings/engine.js';
import {
  checkedDetectOptions,
  detectionsOf,
  detectOptions,
  groupsOfSize,
  imagesKind,
  slices,
  type Detection,
  type DetectOptions,
  type SizeGroup,
} from './detections.js';
import { deviceKind, resolveDevices } from './device.js';
import type { ImageSize } from './image-size.js';
import {
  randomNetwork,
  randomNetworkOptions,
  type DetectorArchitecture,
  type RandomNetworkOptions,
} from './init-model.js';
import { codeLimits, codeOptions, weightsOptions, type LoadOptions } from './load-options.js';
import { checkPrecision, defaultPrecision, networkPrecisions } from './network-precision.js';
import { OwnedHandle } from './owned-handle.js';
import { BatchRunner, type PassModel, type WeightPlan } from './pass-size.js';
import { replicaPlaces, ReplicaPool, withCopies } from './replicas.js';
import { RunningCalls } from './running-calls.js';
import { modelKind, type SegmentationModel } from './segmentation-model.js';
import { Tensor, tensorKind } from './tensor.js';
import { planOfFile } from './weight-plan.js';
import { withPixels, type GivenPixels } from './with-pixels.js';

/** How a detector runs, and what it shares. */
export interface DetectorRunOptions {
  /**
   * A segmentor with the same backbone. The detector uses the segmentor's backbone weights instead of its own, so
   * that they are in memory once. Either may be disposed of first. Default: the detector has weights of its own.
   */
  shareWith?: SegmentationModel | undefined;
  /**
   * As for a segmentor (see {@link LoadOptions}), with the head in the place of the pixel decoder. Residuals, norms, class
   * logits and boxes are in float32 whatever its products are in. Default: with `shareWith` the segmentor's, else the
   * segmentors' default. With `shareWith`, the backbone is in `fp8` if the segmentor's is, and only then.
   */
  precision?: NetworkPrecision;
  /**
   * Whether to record passes as CUDA graphs, as for a segmentor: each of the last four sizes of passes holds the memory of one.
   * Default true.
   */
  cudaGraphs?: boolean;
}

/**
 * Device and precision of a detector. With `shareWith` the default device is the segmentor's, and the backbone's weights are
 * where the segmentor has them, whatever `weights` says.
 */
export type DetectorLoadOptions = Omit<LoadOptions, 'precision' | 'cudaGraphs'> & DetectorRunOptions;

/** Result of {@link DetectionModel.forward}: float32, on the model's device. The caller disposes of the tensors. */
export interface DetectionResult {
  /** Class logits B×Q×K, before the sigmoid. */
  predLogits: Tensor;
  /** B×Q×4: centre x, centre y, width, height in pixels of the images. */
  predBoxes: Tensor;
}

const detectorRunOptions: OptionKinds<DetectorRunOptions> = {
  shareWith: modelKind,
  precision: oneOf(networkPrecisions),
  cudaGraphs: flag,
};

/** The kinds of {@link DetectorLoadOptions}. */
export const detectorLoadOptions: OptionKinds<DetectorLoadOptions> = {
  device: deviceKind,
  dtype: oneOf(['stored', 'float32', 'bfloat16']),
  ...weightsOptions,
  ...codeOptions,
  ...detectorRunOptions,
  ...jobOptions,
};

const detectorInitOptions: OptionKinds<RandomNetworkOptions<DetectorArchitecture> & DetectorRunOptions> = {
  ...randomNetworkOptions<DetectorArchitecture>(),
  ...detectorRunOptions,
};

/**
 * A detector written by `convert` with task `detection`, or another TorchScript file with the methods
 * `forward(images) → (pred_logits, pred_boxes)` and `features(images)`. It is always in eval mode. `dispose()` or
 * `using` frees its memory; `await using` waits for its calls first. Calls are queued as those of a
 * {@link SegmentationModel}.
 */
export class DetectionModel implements Disposable, AsyncDisposable {
  /** File that the detector was loaded from. */
  readonly path: string;
  /** SHA-256 that identifies the network. */
  readonly id: string;
  /** `cpu`, `cuda:0`, …; the first of {@link devices}. */
  readonly device: string;
  /** Devices that the network is on. Calls of {@link detect} run on the one that is free, others on the first. */
  readonly devices: readonly string[];
  /** Number of the network on its device, from 0. @internal */
  readonly replica: number;
  /** Data type of most of its weights. */
  readonly dtype: DType;
  /** As chosen on loading, or the segmentor's: see {@link DetectorRunOptions.precision}. */
  readonly precision: NetworkPrecision;
  /** Mean and standard deviation of the images that the network takes. */
  readonly normalization: Normalization;
  /** Width of the backbone's tokens. `width`, `queries` and `classes` are 0 if the file does not state them. */
  readonly width: number;
  /** Number of boxes per image. */
  readonly queries: number;
  /** Number of columns of the class logits. */
  readonly classes: number;
  /** Number of weights. */
  readonly parameters: number;
  /** Bytes of weights shared with a segmentor. */
  readonly sharedBytes: number;
  /** A detector of one device for each of {@link devices}; the detector itself where there is a single one. @internal */
  readonly replicas: readonly DetectionModel[];
  /** {@link replicas} by how busy they are. @internal */
  readonly pool: ReplicaPool<DetectionModel>;
  /** What the size of its passes depends on. @internal */
  readonly passModel: PassModel;
  readonly #calls: RunningCalls;
  /** The detector that this is a replica of; itself otherwise. */
  readonly #whole: DetectionModel;
  readonly #owned: OwnedHandle<DetectorHandle>;

  private constructor(
    [handle, ...copies]: readonly [DetectorHandle, ...DetectorHandle[]],
    precision: NetworkPrecision,
    { weightPlan, replicaOf }: { weightPlan?: WeightPlan | undefined; replicaOf?: DetectionModel } = {},
  ) {
    const info = engine().detectorInfo(handle);
    this.#whole = replicaOf ?? this;
    this.#calls = replicaOf ? replicaOf.#calls : new RunningCalls();
    this.#owned = new OwnedHandle(handle, () => `The detector of ${this.path}`);
    this.path = info.path;
    this.id = info.id;
    this.device = info.device;
    this.replica = info.replica;
    this.dtype = info.dtype;
    this.precision = precision;
    this.normalization = info.normalization;
    this.width = info.width;
    this.queries = info.queries;
    this.classes = info.classes;
    this.parameters = info.parameters;
    this.sharedBytes = info.sharedBytes;
    this.replicas =
      copies.length === 0
        ? [this]
        : [handle, ...copies].map((own) => new DetectionModel([own], precision, { replicaOf: this }));
    this.devices = copies.length === 0 ? [info.device] : this.replicas.map(({ device }) => device);
    this.pool = new ReplicaPool(this.replicas);
    const { width, dtype, devices } = this;
    this.passModel = { width, hidden: 0, dtype, devices, weightPlan };
  }

  /**
   * Loads a TorchScript file. `onProgress` receives bytes read.
   *
   * With `shareWith` the file's backbone is not read. Names, shapes and checksums in the two files must show that
   * it equals the segmentor's. Load both with the same `dtype`.
   *
   * @throws DinoSegError FILE_NOT_FOUND, MODEL_FORMAT (also for a segmentor), MODEL_CODE, DEVICE (also if the segmentor is on
   *   another device), BACKBONE_MISMATCH if a weight of the backbone differs from the segmentor's or has another
   *   precision, DISPOSED, OUT_OF_MEMORY; the signal's reason.
   */
  static async load(path: string, options?: DetectorLoadOptions): Promise<DetectionModel>;
  /** For images of a size. @internal */
  static async load(
    path: string,
    options: DetectorLoadOptions,
    imageSize: ImageSize,
  ): Promise<DetectionModel>;
  static async load(
    path: string,
    options: DetectorLoadOptions = {},
    imageSize: ImageSize = { width: 768, height: 768 },
  ): Promise<DetectionModel> {
    checkArgument(path, text, 'DetectionModel.load(path)');
    checkOptions(options, detectorLoadOptions, 'DetectionModel.load()');
    const { device, dtype = 'stored', shareWith } = options;
    const devices = device === undefined && shareWith ? shareWith.devices : resolveDevices(device);
    if (shareWith && shareWith.devices.join() !== devices.join())
      throw new DinoSegError(
        'DEVICE',
        `The segmentor is on ${shareWith.devices.join()}, and the detector would be on ${devices.join()}: give both the same ` +
          'devices, or leave out shareWith.',
      );
    checkPrecision(options.precision, devices);
    const plan = shareWith ? undefined : await planOfFile(path, options, devices, { imageSize, passSize: 1 });
    const [first, ...others] = shareWith?.replicas ?? replicaPlaces(devices);
    const placement = {
      ...{
        device: first!.device,
        replica: first!.replica,
        dtype,
        ...waysToRun(options),
        ...codeLimits(options),
      },
      ...(plan && { residentBlocks: plan.residentBlocks }),
    };
    const handle = await runJob(options, (job) => engine().loadDetector(path, placement, job));
    const handles = await withCopies(handle, others, ({ device: on, replica }, i) => {
      const shared = shareWith ? [shareWith.replicas[0]!.handle, shareWith.replicas[i]!.handle] : [];
      return runJob(options, (job) => engine().copyDetector(handle, { device: on, replica }, shared, job));
    });
    return new DetectionModel(handles, placement.precision, { weightPlan: plan ?? shareWith?.weightPlan });
  }

  /**
   * Creates a detector with random weights on the device, without a file. `onProgress` receives bytes drawn. The
   * weights equal those of a file written by `initModel`. With `shareWith` the backbone is the segmentor's,
   * whatever its weights, and so is the default device. `path` describes the detector.
   *
   * @throws DinoSegError INVALID_ARGUMENT, DEVICE, BACKBONE_MISMATCH if the segmentor's backbone has another shape
   *   or dtype, DISPOSED, OUT_OF_MEMORY; the signal's reason.
   */
  static async init(
    options: RandomNetworkOptions<DetectorArchitecture> & DetectorRunOptions,
  ): Promise<DetectionModel> {
    checkOptions(options, detectorInitOptions, 'DetectionModel.init()');
    const device = options.device ?? options.shareWith?.device;
    const network = randomNetwork({ ...options, ...(device !== undefined && { device }) });
    checkPrecision(options.precision, [network.device]);
    const placement = { ...network, ...waysToRun(options) };
    const handle = await runJob(options, (job) => engine().initDetector(placement, job));
    return new DetectionModel([handle], placement.precision);
  }

  /** What passes met in float16, on all {@link devices} together; undefined where nothing computes in float16. */
  get float16(): Float16Use | undefined {
    return engine().detectorInfo(this.handle).float16;
  }

  /** The engine's own handle. @throws DinoSegError DISPOSED @internal */
  get handle(): DetectorHandle {
    return this.#owned.get();
  }

  /**
   * Computes class logits and boxes of images B×3×H×W (float32, normalised, any device), H and W multiples of 16
   * from 80.
   *
   * @throws DinoSegError SHAPE (also if an image has fewer positions for boxes than the detector has queries), MODEL_VALUES if it
   *   gives NaN or infinite values, OUT_OF_MEMORY, DISPOSED; the signal's reason.
   */
  async forward(images: Tensor, options: JobOptions = {}): Promise<DetectionResult> {
    const handle = this.#owned.get();
    checkArgument(images, tensorKind, 'forward(images)');
    checkOptions(options, jobOptions, 'forward()');
    const run = async (job: JobHandle | undefined) => {
      const found = await engine().detectorForward(handle, images.handle, job);
      await engine().requireFinite(found.watch, this.path, []);
      return found;
    };
    const result = await this.#run(options, run);
    return { predLogits: Tensor.wrap(result.predLogits), predBoxes: Tensor.wrap(result.predBoxes) };
  }

  /**
   * Computes the input of the head for images as in {@link forward}: B×8C×H/16×W/16 float32. It contains four
   * layers of the backbone, first for the whole image at a window's size, then for its 3×3 windows. Only the
   * backbone runs.
   *
   * @throws DinoSegError SHAPE, OUT_OF_MEMORY, DISPOSED; the signal's reason.
   */
  async features(images: Tensor, options: JobOptions = {}): Promise<Tensor> {
    const handle = this.#owned.get();
    checkArgument(images, tensorKind, 'features(images)');
    checkOptions(options, jobOptions, 'features()');
    return Tensor.wrap(
      await this.#run(options, (job) => engine().detectorFeatures(handle, images.handle, job)),
    );
  }

  /**
   * Detects the objects of an image, best first. An object may appear with several classes and more than once:
   * overlapping boxes are not suppressed.
   *
   * @throws DinoSegError IMAGE, FILE_NOT_FOUND, INVALID_ARGUMENT, SHAPE, MODEL_VALUES, OUT_OF_MEMORY, DISPOSED; the signal's
   *   reason.
   */
  async detect(image: ImageInput, options: DetectOptions = {}): Promise<Detection[]> {
    checkOptions(options, detectOptions, 'detect()');
    const [found] = await this.#detect([image], options);
    return found!;
  }

  /**
   * Detects the objects of several images, as {@link detect} does of each, in their order. Images of one input size go through
   * the network together: a GPU needs less time per image, and results differ from those of {@link detect} by rounding. The
   * pixels of all images are in memory.
   *
   * @throws DinoSegError as {@link detect}; INVALID_ARGUMENT if there is no image.
   */
  async detectBatch(images: readonly ImageInput[], options: DetectOptions = {}): Promise<Detection[][]> {
    checkArgument(images, imagesKind, 'detectBatch(images)');
    checkOptions(options, detectOptions, 'detectBatch()');
    if (images.length === 0)
      throw new DinoSegError('INVALID_ARGUMENT', 'detectBatch() needs at least one image.');
    return this.#detect(images, options);
  }

  async #detect(images: readonly ImageInput[], options: DetectOptions): Promise<Detection[][]> {
    // As they are at the call: a later dispose() waits for it.
    const handles = new Map(this.replicas.map((replica) => [replica, replica.handle]));
    const { threshold, top, imageSize, passSize, signal } = checkedDetectOptions(options);
    const use = async (raw: readonly GivenPixels[]) => {
      const results: Detection[][] = [];
      const ofSize = async ({ size, places }: SizeGroup) => {
        const settings = { ...size, top, threshold };
        const runner = BatchRunner.of(this.passModel, size, { passSize: places.length === 1 ? 1 : passSize });
        const pass = async (some: readonly number[]) => {
          for (let first = 0, count = 0; first < some.length; first += count) {
            const found = await runner.run((most) => {
              const given = some.slice(first, first + most).map((place) => raw[place]!);
              return this.pool.run((replica) =>
                runJob(options, (job) => engine().detect(handles.get(replica)!, given, settings, job)),
              );
            });
            count = found.length;
            for (const [i, each] of found.entries())
              results[some[first + i]!] = detectionsOf(each, threshold, this.classes);
          }
        };
        await Promise.all(slices(places, runner.size).map(pass));
      };
      await Promise.all(groupsOfSize(raw, imageSize).map(ofSize));
      return results;
    };
    return this.#calls.add(withPixels(images, signal, this.#whole.replicas.length, use));
  }

  #run<T>(options: JobOptions, start: (job: JobHandle | undefined) => Promise<T>): Promise<T> {
    return this.#calls.add(runJob(options, start));
  }

  /** Frees the detector's memory now, or when its running calls end. Calling it again does nothing. */
  dispose(): void {
    this.#owned.dispose();
    if (this.replicas.length > 1) for (const replica of this.replicas) replica.dispose();
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Accepts no further calls, waits for running ones, then frees the memory. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAfter(this.#calls);
    for (const replica of this.replicas) replica.dispose();
  }
}

/** How a detector runs, whatever file or seed it is of. */
function waysToRun({ shareWith, precision, cudaGraphs = true }: DetectorRunOptions) {
  const shared = shareWith && { shareWith: shareWith.handle };
  // The engine refuses fp8 beside a segmentor that is not.
  const own = precision ?? shareWith?.precision ?? defaultPrecision;
  return { precision: shareWith?.precision === 'fp8' ? 'fp8' : own, cudaGraphs, ...shared } as const;
}
