/**
 * The engine's typed surface: what cpp/bindings exports, one member a function.
 *
 * Only tagged handles, typed arrays and plain objects cross. A call handles a batch or a step, never an element.
 * Promises are fulfilled by the engine's own threads, never by the libuv pool; jobs on models and heads run one at a
 * time, those of one thread (main thread or worker_thread) in the order in which they were asked for; threads take
 * turns. Every rejection is a `DinoSegError`. A `job` as the last argument stops the call and tells how far it is:
 * see job.ts.
 *
 * Legend: B batch, Q queries, C hidden width, K classes, H×W image, h×w mask grid (H/4 × W/4).
 */
import type { CacheEngine, CacheWriterHandle, RecordStoreHandle } from './surface-cache.js';
import type { DetectorEngine, DetectorHandle } from './surface-detector.js';
import type { HeadEngine, HeadHandle, ProbeHandle } from './surface-head.js';
import type { HeadsEngine, HeadsHandle } from './surface-heads.js';
import type { InitEngine } from './surface-init.js';
import type { NetworkOpsEngine } from './surface-network-ops.js';
import type { OpsEngine } from './surface-ops.js';
import type { PolygonEngine } from './surface-polygons.js';
import type { SharesEngine } from './surface-shares.js';
import type { TrainingEngine, TrainingHandle } from './surface-training.js';

export type * from './surface-cache.js';
export type * from './surface-detector.js';
export type * from './surface-head.js';
export type * from './surface-heads.js';
export type * from './surface-init.js';
export type * from './surface-network-ops.js';
export type * from './surface-ops.js';
export type * from './surface-polygons.js';
export type * from './surface-shares.js';
export type * from './surface-training.js';

declare const kind: unique symbol;

/** A tensor owned by the engine, on any device. */
export interface TensorHandle {
  readonly [kind]: 'tensor';
}
/** A loaded TorchScript network. */
export interface ModelHandle {
  readonly [kind]: 'model';
}
/** Steers one call: made by `createJob`. */
export interface JobHandle {
  readonly [kind]: 'job';
}

/** Element type of a tensor. */
export type DType =
  'float64' | 'float32' | 'float16' | 'bfloat16' | 'int64' | 'int32' | 'int16' | 'int8' | 'uint8' | 'bool';

/** A tensor's values in JavaScript, in row-major order; bfloat16 and float16 become float32, bool becomes uint8. */
export type TensorArray =
  Float64Array | Float32Array | BigInt64Array | Int32Array | Int16Array | Int8Array | Uint8Array;

/** What a network with a bfloat16 backbone computes its pixel decoder in: TF32, float32 or bfloat16. */
export type NetworkPrecision = 'tf32' | 'reference' | 'fast';

export interface EngineInfo {
  /** libtorch's version, such as `2.13.0`. */
  torch: string;
  /** Whether this libtorch was built for CUDA, and whether a CUDA device answers. */
  cudaBuilt: boolean;
  cudaAvailable: boolean;
  /** Whether fused kernels for CUDA are loaded; libtorch's own operators serve otherwise. */
  cudaKernels: boolean;
  /** Threads an operator uses on the CPU. */
  threads: number;
}

export interface DeviceInfo {
  /** `cpu`, `cuda:0`, … */
  name: string;
  description: string;
  totalBytes: number;
  freeBytes: number;
}

/** Memory of a CUDA device. */
export interface MemoryStats {
  /** In tensors. */
  allocatedBytes: number;
  peakAllocatedBytes: number;
  /** Taken from the device: tensors and what is kept for the next ones. */
  reservedBytes: number;
  peakReservedBytes: number;
}

/** One tensor of a checkpoint file. */
export interface CheckpointEntry {
  /** Its key. */
  name: string;
  /** Sizes, outermost first; empty for a scalar. */
  shape: number[];
  /** As stored. */
  dtype: DType;
  /** Of its values. */
  sizeBytes: number;
}

/** What a checkpoint file holds. */
export interface Inspection {
  /** What kind of file it is. */
  format: 'pth' | 'safetensors' | 'torchscript';
  /** In the file's order. */
  tensors: CheckpointEntry[];
  /** Elements of all tensors together. */
  parameters: number;
  /** Of all values together. */
  totalBytes: number;
  /** Texts of a safetensors header; empty for other files. */
  metadata: Record<string, string>;
}

/** Names and shapes of a checkpoint, without its values. */
export type ShapeTable = Record<string, { shape: number[]; dtype: string }>;

/** What the network of two checkpoints is made of. */
export interface SegmentorPlan {
  /** Width of the backbone, depth, heads, hidden width of the decoder, queries, classes and the like. */
  dims: Record<string, number | string | boolean>;
  /** Keys used of the backbone, each once; checkpoints with other keys are refused. */
  backboneKeys: number;
  /** Keys used of the head file, each once. */
  headKeys: number;
  /** Elements of all that is not trained. */
  frozenParameters: number;
  /** Parameters of `class_embed` with `classes` outputs. */
  trainedParameters: number;
}

export interface ConvertOptions {
  backbone: string;
  head: string;
  out: string;
  dtype: 'float32' | 'bfloat16';
}

/** Where and how a network runs. */
export interface NetworkPlacement {
  device: string;
  dtype: 'stored' | 'float32' | 'bfloat16';
  precision: NetworkPrecision;
  cudaGraphs: boolean;
}

export interface ModelInfo {
  path: string;
  /** SHA-256 over names, sizes and checksums of the archive's records. */
  id: string;
  device: string;
  /** Dtype of the backbone's weights. */
  dtype: DType;
  /** Of the backbone's tokens; `hidden` where the file does not tell. */
  width: number;
  /** Input width of class_embed. */
  hidden: number;
  /** Outputs of the model's own class_embed. */
  classes: number;
  parameters: number;
}

/** What `decode` gives and every head function takes: queries B×Q×C and mask logits B×Q×h×w. */
export interface Decoded {
  queries: TensorHandle;
  masks: TensorHandle;
}

/** The same, and the patch features B×C×H/16×W/16 (float32) of the backbone's last tapped layer. */
export interface DecodedWithFeatures extends Decoded {
  features: TensorHandle;
}

/** Pixels of one decoded image, 8 bit, row by row. */
export interface RawImage {
  /** H×W×channels. */
  readonly data: Uint8Array;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** 3 (default) RGB; 1 grey, taken for all three; 4 RGBA, the alpha dropped. */
  readonly channels?: 1 | 3 | 4;
}

/** Class indices of one label image: H×W. */
export interface RawLabel {
  data: Uint8Array;
  width: number;
  height: number;
}

/** Colour jitter with torchvision's meaning; `order` permutes 0 brightness, 1 contrast, 2 saturation, 3 hue. */
export interface Jitter {
  order: readonly number[];
  brightness: number;
  contrast: number;
  saturation: number;
  /** In turns, −0.5 … 0.5. */
  hue: number;
}

/** Chosen changes of one image. */
export interface Augmentation {
  flip: boolean;
  jitter: Jitter | null;
}

export interface PrepareOptions {
  width: number;
  height: number;
  device: string;
  /** One an image; absent: none. */
  augmentations?: Augmentation[];
}

/**
 * How dense scores come from queries and masks (docs/recipe.md):
 * `recipe` keeps all K columns and scores at mask resolution before the resize;
 * `ade20k` drops the last column (no object) and resizes the mask logits first.
 */
export type Scoring = 'recipe' | 'ade20k';

export interface SegmentOptions {
  /** Height and width of the network's input, multiples of 32. */
  width: number;
  height: number;
  scoring: Scoring;
  /** `slide`: windows of height × width over the image at its own size (short side at least the window), scores averaged. */
  mode: 'whole' | 'slide';
  /** Step between windows in pixels. */
  strideX: number;
  strideY: number;
  /** Windows that go through the network together. */
  passSize: number;
}

/** `scores` of the whole image: width and height of the network's input, and of what is given. */
export interface ScoreOptions {
  width: number;
  height: number;
  scoring: Scoring;
  outputWidth: number;
  outputHeight: number;
}

/** Everything that the engine exports. */
export interface Engine
  extends
    HeadEngine,
    HeadsEngine,
    CacheEngine,
    DetectorEngine,
    InitEngine,
    OpsEngine,
    NetworkOpsEngine,
    PolygonEngine,
    SharesEngine,
    TrainingEngine {
  info(): EngineInfo;
  devices(): DeviceInfo[];
  /** Bytes of a CUDA device that libtorch's allocator has given out and holds, and the most of both. DEVICE for the CPU. */
  memoryStats(device: string): MemoryStats;
  /** Begins the peaks of memoryStats anew. */
  resetPeakMemory(device: string): void;
  /** Bytes of the memory that networks hold for their weights; what they share counts once. */
  storageBytes(networks: readonly (ModelHandle | DetectorHandle)[]): number;
  /** Waits for the work of the calls before it. */
  synchronize(device: string): Promise<void>;
  /** Texts of libtorch's warnings since the last call, each once a process. */
  takeWarnings(): string[];
  /** Threads an operator uses on the CPU, from the next job on. */
  setThreads(threads: number): void;

  /** Copies `data` into a CPU tensor of the array's dtype. */
  tensor(data: TensorArray, shape: number[]): TensorHandle;
  /** Items `first` to `first + count` of the outermost dimension, in the same memory. */
  slice(tensor: TensorHandle, items: { first: number; count: number }): TensorHandle;
  tensorInfo(tensor: TensorHandle): { shape: number[]; dtype: DType; device: string };
  /** Values on the CPU; bfloat16 and float16 as Float32Array, bool as Uint8Array. */
  tensorData(tensor: TensorHandle): Promise<{ data: TensorArray; shape: number[]; dtype: DType }>;
  /** {@link tensorData} that disposes of the tensor: without a copy where nothing else uses its memory. */
  takeData(tensor: TensorHandle): Promise<{ data: TensorArray; shape: number[]; dtype: DType }>;
  /** Frees a handle's memory now; any later use of it is an error. Idempotent. */
  dispose(
    handle:
      | TensorHandle
      | ModelHandle
      | DetectorHandle
      | HeadHandle
      | HeadsHandle
      | ProbeHandle
      | CacheWriterHandle
      | RecordStoreHandle
      | TrainingHandle,
  ): void;

  /** For one call. `onProgress` is called with the latest figures only, and not after the call has settled. */
  createJob(onProgress?: (done: number, total: number) => void): JobHandle;
  /** Stops the call (ABORTED): at once where it waits, at its next operator or file block where it runs. */
  cancelJob(job: JobHandle): void;
  /** Forgets the listener. */
  releaseJob(job: JobHandle): void;
  /** The process ends: nothing is run any more, and what runs is stopped and waited for (at most a second). */
  stopJobs(): void;

  inspect(path: string, job?: JobHandle): Promise<Inspection>;
  /** Tensors of a checkpoint (all, or those named; an unknown name is an error), mapped from the file. */
  readTensors(
    path: string,
    names?: string[],
  ): Promise<{ tensors: Record<string, TensorHandle>; metadata: Record<string, string> }>;
  /** Written to a temporary file, synced, renamed. */
  writeSafetensors(
    path: string,
    tensors: Record<string, TensorHandle>,
    metadata: Record<string, string>,
  ): Promise<void>;

  /** Checks the key lists of a segmentor and says what it is made of. `classes`: outputs of the trained head. */
  planSegmentor(backbone: ShapeTable, head: ShapeTable, classes: number): SegmentorPlan;
  convertSegmentor(options: ConvertOptions, job?: JobHandle): Promise<SegmentorPlan>;
  /** `dtype` `stored` keeps the file's precision. */
  loadModel(path: string, options: NetworkPlacement, job?: JobHandle): Promise<ModelHandle>;
  /** Milliseconds of the network's parts alone, means over `repeat` passes. */
  partTimes(
    model: ModelHandle,
    images: TensorHandle,
    options: { repeat: number },
  ): Promise<Record<'backbone' | 'adapter' | 'pixel_decoder' | 'predictor', number>>;
  /** `loadModel` by the way that GPUs are loaded, on any device; null for files it does not take. For tests. */
  loadStaged(path: string, device: string, job?: JobHandle): Promise<ModelHandle | null>;
  /** {@link ModelInfo.id} of a file, without loading the network. */
  modelId(path: string): Promise<string>;
  modelInfo(model: ModelHandle): ModelInfo;
  /** Images B×3×H×W (float32, normalised, H and W multiples of 32, on any device). */
  decode(model: ModelHandle, images: TensorHandle, job?: JobHandle): Promise<Decoded>;
  /** `decode` and `features` of one pass. MODEL_FORMAT as for `features`. */
  decodeWithFeatures(model: ModelHandle, images: TensorHandle, job?: JobHandle): Promise<DecodedWithFeatures>;
  /**
   * Patch features B×C×H/16×W/16 (float32) of the backbone's last tapped layer; neither adapter nor decoder run.
   * MODEL_FORMAT for files without that method: converted by an earlier release, or made elsewhere.
   */
  features(model: ModelHandle, images: TensorHandle, job?: JobHandle): Promise<TensorHandle>;
  /** The model's own class scores: pred_logits B×Q×K with pred_masks B×Q×h×w. */
  forward(
    model: ModelHandle,
    images: TensorHandle,
    job?: JobHandle,
  ): Promise<{ queries: TensorHandle; predLogits: TensorHandle; predMasks: TensorHandle }>;
  /** Intermediate arrays by name, for checking a network part by part. */
  taps(model: ModelHandle, images: TensorHandle): Promise<Record<string, TensorHandle>>;
  /** Writes a TorchScript file with the head's weights in place of the model's own class_embed. */
  exportModel(model: ModelHandle, head: HeadHandle, path: string, job?: JobHandle): Promise<void>;

  /** Resizes (antialiased bilinear), jitters, flips, normalises: B×3×H×W float32. Off the model's thread. */
  prepareImages(images: RawImage[], options: PrepareOptions): Promise<TensorHandle>;
  /** Resizes by nearest neighbour and flips: B×H×W uint8. Off the model's thread. */
  prepareLabels(labels: RawLabel[], options: PrepareOptions): Promise<TensorHandle>;

  /** Best class of each pixel, B×H×W uint8, at any size. */
  classMap(
    head: HeadHandle,
    decoded: Decoded,
    options: { width: number; height: number; scoring: Scoring },
    job?: JobHandle,
  ): Promise<TensorHandle>;
  /** Counts K×K (rows truth, columns prediction) of uint8 maps of equal shape; label 255 is left out. */
  confusion(prediction: TensorHandle, labels: TensorHandle, classes: number): Promise<Float64Array>;
  /** Class maps of images, each at its own size; whole images go through the network together. A probe takes `recipe` scoring, and runs the backbone alone. */
  segment(
    model: ModelHandle,
    head: HeadHandle | ProbeHandle,
    images: readonly RawImage[],
    options: SegmentOptions,
    job?: JobHandle,
  ): Promise<Uint8Array[]>;
  /** Scores K×H×W (K − 1 for ade20k scoring) of one image, row by row; at most 2 GiB. */
  scores(
    model: ModelHandle,
    head: HeadHandle | ProbeHandle,
    image: RawImage,
    options: ScoreOptions,
    job?: JobHandle,
  ): Promise<Float32Array>;
}
