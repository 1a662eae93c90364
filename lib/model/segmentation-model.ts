/** The frozen network: backbone, adapter, pixel decoder and predictor of one TorchScript file. */
import { checkArgument, checkOptions, instanceOf, text } from '../arguments.js';
import type { ImageInput } from '../data/decode.js';
import { engine } from '../native/engine.js';
import { runJob, type JobOptions } from '../native/job.js';
import type {
  DType,
  Float16Use,
  ModelHandle,
  NetworkPrecision,
  Normalization,
  OutputPart,
  Scoring,
} from '../native/bindings/engine.js';
import { checkImages } from './check-images.js';
import { ClassHead } from './class-head.js';
import type { DecodedImages } from './decoded-images.js';
import type { ForwardResult } from './forward-result.js';
import { networkMark } from './head-network.js';
import {
  randomNetwork,
  randomNetworkOptions,
  type Architecture,
  type BackboneArchitecture,
  type RandomNetworkOptions,
} from './init-model.js';
import { asSize, checkImageSize, imageSizeOf } from './image-size.js';
import { loadNetwork, type LoadedNetwork } from './load-network.js';
import { loadOptions, waysToRun, waysToRunOptions, type LoadOptions } from './load-options.js';
import {
  scoreImageOptions,
  segmentImageOptions,
  type ScoreImageOptions,
  type ScoreMap,
  type ScoringOptions,
  type SegmentImageOptions,
} from './scoring-options.js';
import type { SegmentationHead } from './segmentation-head.js';
import { checkPrecision } from './network-precision.js';
import { networkOutputs, type NetworkOutputs } from './network-outputs.js';
import type { LinearProbe } from './linear-probe.js';
import { OwnedHandle } from './owned-handle.js';
import { ownProbe } from './own-probe.js';
import { checkPassSize, type WeightPlan } from './pass-size.js';
import { ReplicaPool } from './replicas.js';
import { RunningCalls } from './running-calls.js';
import { streamingText } from './streaming-text.js';
import type { ClassMap } from './segment-options.js';
import { Tensor } from './tensor.js';
import type { NetworkUse } from './weight-plan.js';
import { withReplica } from './with-replica.js';

/**
 * A network written by `convert`, `initModel` or `exportModel`, or any other TorchScript file with the methods
 * `forward(images) → (pred_logits, pred_masks)` and `decode(images) → (queries, pred_masks)`, or, for a backbone alone,
 * with `forward(images)` and `features(images)`. {@link provides} says what it gives; a backbone alone scores images with
 * a {@link LinearProbe}. It is always in eval mode. `dispose()` or `using` frees its memory; `await using` waits for its
 * calls first.
 *
 * Calls run on a thread of the engine for each device, one at a time and in order; worker_threads take turns. For each
 * device, at most 16 calls with images, or 256 MiB of their pixels, are decoded and queued at a time; further calls wait
 * before decoding.
 */
export class SegmentationModel implements Disposable, AsyncDisposable {
  /** File that the model was loaded from, or a description for a network without a file. */
  readonly path: string;
  /** SHA-256 that identifies the network. */
  readonly id: string;
  /** `cpu`, `cuda:0`, …; the first of {@link devices}. */
  readonly device: string;
  /** Devices that the network is on. Calls with images (segment, …) run on the one that is free, calls with tensors on the first. */
  readonly devices: readonly string[];
  /** Number of the network on its device, from 0. @internal */
  readonly replica: number;
  /** Data type of the backbone's weights. */
  readonly dtype: DType;
  /** Mean and standard deviation of the images that the network takes. */
  readonly normalization: Normalization;
  /** As chosen on loading: see {@link LoadOptions.precision}. */
  readonly precision: NetworkPrecision;
  /** Width of the backbone's tokens; equals `hidden` if the file does not state it. */
  readonly width: number;
  /** Input width of class_embed; 0 for a network without one, such as a backbone alone. */
  readonly hidden: number;
  /** Number of outputs of the model's own class_embed; 0 without one. */
  readonly classes: number;
  /**
   * Outputs that the network gives: `decoded` (queries and masks, for a {@link ClassHead}), `features` and
   * `layer_features` (for a {@link LinearProbe} of one or four layers). A backbone alone gives only features.
   */
  readonly provides: readonly OutputPart[];
  /** Number of weights. */
  readonly parameters: number;
  /** How it runs where its weights are streamed. @internal */
  readonly weightPlan: WeightPlan | undefined;
  /** Running calls, those of all replicas together. @internal */
  readonly calls: RunningCalls;
  /** A model of one device for each of {@link devices}; the model itself where there is a single one. @internal */
  readonly replicas: readonly SegmentationModel[];
  /** {@link replicas} by how busy they are. @internal */
  readonly pool: ReplicaPool<SegmentationModel>;
  /** The model that this is a replica of; itself otherwise. */
  readonly #whole: SegmentationModel;
  readonly #owned: OwnedHandle<ModelHandle>;
  #ownHead: ClassHead | LinearProbe | undefined;

  private constructor(
    { handles: [handle, ...copies], precision, weightPlan }: LoadedNetwork,
    { probe, replicaOf }: { probe?: LinearProbe | undefined; replicaOf?: SegmentationModel } = {},
  ) {
    const info = engine().modelInfo(handle);
    this.#owned = new OwnedHandle(handle, () => `The model of ${this.path}`);
    this.#whole = replicaOf ?? this;
    this.calls = replicaOf?.calls ?? new RunningCalls();
    this.path = info.path;
    this.id = info.id;
    this.device = info.device;
    this.replica = info.replica;
    this.dtype = info.dtype;
    this.normalization = info.normalization;
    this.precision = precision;
    this.width = info.width;
    this.hidden = info.hidden;
    this.classes = info.classes;
    this.provides = info.provides;
    this.parameters = info.parameters;
    this.#ownHead = probe;
    this.weightPlan = weightPlan ?? replicaOf?.weightPlan;
    this.replicas =
      copies.length === 0
        ? [this]
        : [handle, ...copies].map(
            (own) => new SegmentationModel({ handles: [own], precision }, { replicaOf: this }),
          );
    this.devices = copies.length === 0 ? [info.device] : this.replicas.map(({ device }) => device);
    this.pool = new ReplicaPool(this.replicas);
  }

  /**
   * Loads a TorchScript file. `onProgress` receives bytes read.
   *
   * @param path a file written by {@link convert} or {@link exportModel}, or another with the same methods.
   * @throws DinoSegError FILE_NOT_FOUND, MODEL_FORMAT, MODEL_CODE for code that does what networks do not (see
   *   {@link LoadOptions.trustCode}), DEVICE, OUT_OF_MEMORY, INVALID_ARGUMENT for `gpuMemory` and `timeout`; the signal's reason.
   */
  static async load(path: string, options?: LoadOptions): Promise<SegmentationModel>;
  /** For a known use, on which depends what stays on the device where not all weights fit. @internal */
  static async load(path: string, options: LoadOptions, use: NetworkUse): Promise<SegmentationModel>;
  static async load(
    path: string,
    options: LoadOptions = {},
    use: NetworkUse = {},
  ): Promise<SegmentationModel> {
    checkArgument(path, text, 'SegmentationModel.load(path)');
    checkOptions(options, loadOptions, 'SegmentationModel.load()');
    const network = await loadNetwork(path, options, use);
    const [first] = network.handles;
    const probe = await ownProbe(first, engine().modelInfo(first));
    return new SegmentationModel(network, { probe });
  }

  /** What a user is told of weights that are streamed; undefined where none are. @internal */
  get streaming(): string | undefined {
    return this.weightPlan && streamingText(engine().modelInfo(this.handle), this.weightPlan);
  }

  /**
   * Creates a network with random weights on the device, without a file. `onProgress` receives bytes drawn. The
   * weights equal those of a file written by `initModel`. `path` describes the network, and `id` follows from its
   * shape, seed and dtype.
   *
   * @throws DinoSegError INVALID_ARGUMENT, DEVICE, OUT_OF_MEMORY; the signal's reason.
   */
  static async init(
    options: RandomNetworkOptions<Architecture | BackboneArchitecture> &
      Pick<LoadOptions, 'precision' | 'cudaGraphs'>,
  ): Promise<SegmentationModel> {
    const kinds = { ...randomNetworkOptions<typeof options.arch>(), ...waysToRunOptions };
    checkOptions(options, kinds, 'SegmentationModel.init()');
    const network = { ...randomNetwork(options), ...waysToRun(options) };
    checkPrecision(network.precision, [network.device]);
    const handle = await runJob(options, (job) => engine().initModel(network, job));
    return new SegmentationModel({ handles: [handle], precision: network.precision });
  }

  /** @internal */
  get [networkMark](): true {
    return true;
  }

  /** @internal */
  get headDevices(): readonly string[] {
    return this.#whole.devices;
  }

  /** The engine's own handle. @throws DinoSegError DISPOSED @internal */
  get handle(): ModelHandle {
    return this.#owned.get();
  }

  /**
   * Computes the model's own class scores of images B×3×H×W (float32, normalised, H and W multiples of 32, any
   * device).
   *
   * @throws DinoSegError MODEL_FORMAT for a network without class_embed (see {@link provides}), MODEL_VALUES if it gives NaN or
   *   infinite values, MODEL_OUTPUT for outputs of other shapes than a network's, TIMEOUT, SHAPE, OUT_OF_MEMORY, DISPOSED; the
   *   signal's reason.
   */
  async forward(images: Tensor, options: JobOptions = {}): Promise<ForwardResult> {
    const { handle, path } = this;
    checkImages(images, options, 'forward');
    const run = async () => {
      const result = await runJob(options, (job) => engine().forward(handle, images.handle, job));
      await engine().requireFinite(result.watch, path, []);
      return result;
    };
    const result = await this.calls.add(run());
    const tensors = [result.queries, result.predLogits, result.predMasks].map((each) => Tensor.wrap(each));
    return { queries: tensors[0]!, predLogits: tensors[1]!, predMasks: tensors[2]! };
  }

  /** What passes met in float16, on all {@link devices} together; undefined where nothing computes in float16. */
  get float16(): Float16Use | undefined {
    return engine().modelInfo(this.handle).float16;
  }

  /**
   * Computes queries and mask logits of images as in {@link forward}: the input of a {@link ClassHead}.
   *
   * @throws DinoSegError as {@link forward}.
   */
  async decode(images: Tensor, options: JobOptions = {}): Promise<DecodedImages> {
    checkImages(images, options, 'decode');
    const { decoded } = await this.#finiteOutputs(images, 'decoded', options);
    return decoded!;
  }

  /**
   * Computes patch features B×C×H/16×W/16 (float32) of the backbone's last layer, of images as in {@link forward}: the
   * input of a {@link LinearProbe}. Only the backbone runs.
   *
   * @throws DinoSegError MODEL_FORMAT for a file without a method `features(images)`, which was converted by an
   *   earlier release (convert it again) or made elsewhere; MODEL_VALUES, SHAPE, OUT_OF_MEMORY, DISPOSED; the signal's
   *   reason.
   */
  async features(images: Tensor, options: JobOptions = {}): Promise<Tensor> {
    checkImages(images, options, 'features');
    const { features } = await this.#finiteOutputs(images, 'features', options);
    return features!;
  }

  /**
   * Computes the features of the four tapped layers side by side, B×4C×H/16×W/16 (float32), first to last: the input of a
   * {@link LinearProbe} of four layers. The last C channels are those of {@link features}. Only the backbone runs.
   *
   * @throws DinoSegError as {@link features}.
   */
  async layerFeatures(images: Tensor, options: JobOptions = {}): Promise<Tensor> {
    checkImages(images, options, 'layerFeatures');
    const { features } = await this.#finiteOutputs(images, 'layer_features', options);
    return features!;
  }

  /** What the heads read, in one pass over images as in {@link forward}; {@link NetworkOutputs.requireFinite} looks at it. @internal */
  async outputs(images: Tensor, heads: readonly Pick<SegmentationHead, 'reads'>[]): Promise<NetworkOutputs> {
    const parts = heads.map(({ reads }) => reads);
    return this.calls.add(networkOutputs(this, images, parts, {}));
  }

  #finiteOutputs(images: Tensor, part: OutputPart, options: JobOptions): Promise<NetworkOutputs> {
    const run = async () => {
      const outputs = await networkOutputs(this, images, [part], options);
      try {
        await outputs.requireFinite();
        return outputs;
      } catch (error) {
        outputs.dispose();
        throw error;
      }
    };
    return this.calls.add(run());
  }

  /**
   * Computes the class map of one image at its own size. `onProgress` receives windows done.
   *
   * @throws DinoSegError IMAGE, FILE_NOT_FOUND, INVALID_ARGUMENT, SHAPE, HEAD_MISMATCH, MODEL_VALUES if the network or the head
   *   gives NaN or infinite values, OUT_OF_MEMORY, DISPOSED; the signal's reason.
   */
  async segment(image: ImageInput, options: SegmentImageOptions = {}): Promise<ClassMap> {
    checkOptions(options, segmentImageOptions, 'segment()');
    const [map] = await this.#segment([image], options);
    return map!;
  }

  /**
   * Computes the class maps of several images, each at its own size. In mode `whole` they go through the network in
   * one pass: a GPU needs less time per image, and results differ from those of {@link segment} by rounding. The
   * pixels of all images are in memory.
   *
   * @throws DinoSegError as {@link segment}; INVALID_ARGUMENT if there is no image.
   */
  async segmentBatch(images: readonly ImageInput[], options: SegmentImageOptions = {}): Promise<ClassMap[]> {
    checkOptions(options, segmentImageOptions, 'segmentBatch()');
    return this.#segment(images, options);
  }

  async #segment(images: readonly ImageInput[], options: SegmentImageOptions): Promise<ClassMap[]> {
    checkPassSize(options.passSize);
    const { size, scoring, head } = this.#scoring(options);
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
    const used = { model: this, heads: [head] };
    return withReplica(used, images, options.signal, async (raw, model, [own]) => {
      const maps = await runJob(options, (job) => engine().segment(model, own!, raw, settings, job));
      return raw.map(({ width, height }, i) => ({ data: maps[i]!, width, height }));
    });
  }

  /**
   * Computes the score of every class at every pixel of the whole image (mode `whole`), resized to `outputSize`:
   * {@link segment} chooses the best of them. The result has 4 × classes × width × height bytes, at most 2 GiB; 150
   * classes at 1024 × 1024 are 600 MiB.
   *
   * @throws DinoSegError IMAGE, FILE_NOT_FOUND, INVALID_ARGUMENT, SHAPE (also above 2 GiB), HEAD_MISMATCH,
   *   OUT_OF_MEMORY, DISPOSED; the signal's reason.
   */
  async scores(image: ImageInput, options: ScoreImageOptions = {}): Promise<ScoreMap> {
    checkOptions(options, scoreImageOptions, 'scores()');
    const { size, scoring, head } = this.#scoring(options);
    const outputs = head.classes;
    const used = { model: this, heads: [head] };
    return withReplica(used, [image], options.signal, async ([raw], model, [own]) => {
      const { width, height } = asSize(options.outputSize ?? raw!);
      const settings = { ...size, scoring, outputWidth: width, outputHeight: height };
      const data = await runJob(options, (job) => engine().scores(model, own!, raw!, settings, job));
      return { data, classes: scoring === 'ade20k' ? outputs - 1 : outputs, width, height };
    });
  }

  /** Resolves `options`. */
  #scoring(options: ScoringOptions) {
    const head = options.head ?? this.ownHead();
    head.assertFits(this);
    const size = asSize(imageSizeOf(options.imageSize, [head]));
    checkImageSize(size.width, size.height);
    const isOwnClassEmbed = !options.head && head.reads === 'decoded';
    const scoring: Scoring = options.scoring ?? (isOwnClassEmbed ? 'ade20k' : 'recipe');
    return { size, scoring, head };
  }

  /**
   * The model's own head: its class_embed, or the linear probe that {@link exportModel} wrote into a backbone. It is
   * disposed of together with the model.
   *
   * @throws DinoSegError MODEL_FORMAT for a backbone alone, which has none; DISPOSED.
   */
  ownHead(): ClassHead | LinearProbe {
    if (this.#whole !== this) return this.#whole.ownHead();
    this.#ownHead ??= ClassHead.ofModel(this);
    return this.#ownHead;
  }

  /** Whether the file contains a linear probe, which is then the own head. @internal */
  get hasProbe(): boolean {
    const { reads } = this.#whole.#ownHead ?? {};
    return reads !== undefined && reads !== 'decoded';
  }

  /** Frees the network's memory now, or when its running calls end. Calling it again does nothing. */
  dispose(): void {
    if (!this.#owned.dispose()) return;
    this.#ownHead?.dispose();
    for (const replica of this.replicas) replica.dispose();
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Accepts no further calls, waits for running ones, then frees the memory. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAfter(this.calls);
    for (const replica of this.replicas) replica.dispose();
    await this.#ownHead?.[Symbol.asyncDispose]();
  }
}

export const modelKind = instanceOf('a SegmentationModel', () => SegmentationModel);
