/** Segmentation networks, as the engine has them; legend and rules in engine.ts. */
import type { HeadsHandle, JobHandle, ModelHandle, TensorHandle, WatchHandle } from './handles.js';
import type { CopiedImage, Normalization, RawImage } from './images.js';
import type { DType } from './tensor.js';

/**
 * Precision of a network with a bfloat16 backbone: the pixel decoder in TF32, float16, float32 or bfloat16; `fp8`: the linears
 * of the backbone's blocks in e4m3, on devices that have such products or, for tests, on the CPU, and all else as in `float16`.
 */
export type NetworkPrecision = 'tf32' | 'float16' | 'reference' | 'fast' | 'fp8';

/** What the passes of a network with precision `float16` or `fp8` met, those of its copies on other devices included. */
export interface Float16Use {
  /** Largest magnitude of the input of any product, in the passes that float16 held. */
  largest: number;
  /** Number of passes through the decoder. */
  passes: number;
  /** Number of these that float16 could not hold, and that were run again in TF32. */
  runAgain: number;
}

/**
 * Part of a network's outputs: queries and masks; the backbone's features of its last layer; those of its four tapped
 * layers side by side.
 */
export type OutputPart = 'decoded' | 'features' | 'layer_features';

/** Names, shapes and dtypes of a checkpoint, without its values. */
export type ShapeTable = Record<string, { shape: number[]; dtype: string }>;

/** Structure of the network that two checkpoints describe. */
export interface SegmentorPlan {
  /** Dimensions: backbone width, depth and heads, hidden width of the decoder, queries, classes and so on. */
  dims: Record<string, number | string | boolean>;
  /** Number of backbone keys that are used, each counted once. Checkpoints with other keys are refused. */
  backboneKeys: number;
  /** Number of keys of the head file that are used, each counted once. */
  headKeys: number;
  /** Number of parameters that are not trained. */
  frozenParameters: number;
  /** Number of parameters of `class_embed` with `classes` outputs. */
  trainedParameters: number;
}

/** Structure of a backbone alone. */
export interface BackbonePlan {
  /** Kind of the network. */
  network: 'backbone';
  /** Dimensions: width, depth and heads, classes of a linear head (0 without one), and so on. */
  dims: Record<string, number | string | boolean>;
  /** Number of backbone keys that are used, each counted once. */
  backboneKeys: number;
  /** Number of keys of a linear head; 0 without one. */
  headKeys: number;
  /** Number of parameters. */
  parameters: number;
}

/** Where and how a network runs. */
export interface NetworkPlacement {
  device: string;
  dtype: 'stored' | 'float32' | 'bfloat16';
  precision: NetworkPrecision;
  cudaGraphs: boolean;
  /** Blocks whose weights stay on the device; those of the others and of the decoder are streamed. Absent: all stay. */
  residentBlocks?: number;
  /** Number of the network on its device; 0 if absent. */
  replica?: number;
  /** Whether the file's code may use any operator. */
  trustCode?: boolean;
  /** Maximum seconds of one pass; absent: any time. */
  timeout?: number;
}

/** Where a copy of a network or a head runs. */
export interface ReplicaPlace {
  device: string;
  /** Number of the copy on its device, from 0. */
  replica: number;
}

/** How large the parts of a network's file are, as it is loaded. */
export interface NetworkSizes {
  /** Of the backbone; 0 where none could be streamed. */
  blocks: number;
  /** Of the matrices of all blocks. */
  blocksBytes: number;
  /** Of those that stay on the device with 0, 1, … all blocks resident. */
  residentBytes: readonly number[];
  /** Of the matrices of the decoder's layers, which are streamed with the blocks. */
  decoderBytes: number;
  /** Of them, those that a pass on CUDA copies: multiplied-out layers, and float16, have weights of their own. */
  copiedDecoderBytes: number;
  /** Of the memory on the device through which matrices are streamed. */
  ringBytes: number;
  /** Of everything else, and of the products that are made when the network is placed (docs/engine.md). */
  otherBytes: number;
  /** Number of values in the matrices of the pixel decoder, folded ones included, at most. */
  pixelDecoderWeights: number;
  /** Width of the backbone's tokens, and input width of class_embed; 0 where the file does not state them. */
  width: number;
  hidden: number;
  /** Of the blocks' matrices, before any are quantised. */
  dtype: DType;
}

/** Weights that are streamed: number of blocks, bytes with those of the decoder, and the part of them in pinned memory. */
export interface StreamInfo {
  streamedBlocks: number;
  streamedBytes: number;
  pinnedBytes: number;
}

export interface ModelInfo extends StreamInfo {
  path: string;
  /** SHA-256 over names, sizes and checksums of the archive's records. */
  id: string;
  device: string;
  /** Number of the network on its device, from 0. */
  replica: number;
  /** Dtype of the backbone's weights. */
  dtype: DType;
  /** As recorded in the file; LVD's where there is no record. */
  normalization: Normalization;
  /** Width of the backbone's tokens; equals `hidden` if the file does not state it. */
  width: number;
  /** Input width of class_embed; 0 without one. */
  hidden: number;
  /** Outputs of the model's own class_embed; 0 without one. */
  classes: number;
  parameters: number;
  /** What the file's methods give. */
  provides: OutputPart[];
  /** Undefined where nothing computes in float16. */
  float16: Float16Use | undefined;
}

/** Values of a linear probe, float32 on the CPU: K×C, K, and C each. */
export type ProbeTensors = Record<
  'weight' | 'bias' | 'gamma' | 'beta' | 'runningMean' | 'runningVar',
  TensorHandle
>;

/** Outputs of a network, as far as they were requested; float32, except those of a cache. */
export interface OutputHandles {
  /** B×Q×C, the input of class_embed. */
  queries?: TensorHandle;
  /** Logits B×Q×h×w; of a cache also their sigmoid as uint8 (255: 1). */
  masks?: TensorHandle;
  /** B×C×H/16×W/16 of the backbone's last layer, or B×4C×H/16×W/16 of the tapped ones, the last of them last. */
  features?: TensorHandle;
}

/**
 * How dense scores are computed from queries and masks (docs/recipe.md). `recipe` keeps all K columns and computes
 * scores at mask resolution before the resize. `ade20k` drops the last column (no object) and resizes the mask
 * logits first.
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
  /** Number of windows per pass of the network. */
  passSize: number;
}

/** `scores` of the whole image: sizes of the network's input and of the result. */
export interface ScoreOptions {
  width: number;
  height: number;
  scoring: Scoring;
  outputWidth: number;
  outputHeight: number;
}

/** The engine's functions on segmentation networks. */
export interface ModelEngine {
  /** Checks the key lists of a segmentor and returns its structure. `classes`: outputs of the trained head. */
  planSegmentor(backbone: ShapeTable, head: ShapeTable, classes: number): SegmentorPlan;
  /** `dtype` `stored` keeps the file's precision. */
  loadModel(path: string, options: NetworkPlacement, job?: JobHandle): Promise<ModelHandle>;
  /**
   * A network that runs as this one does, in a lane of its own. On the same device it shares the weights, on another one it
   * gets copies from device to device. This one must not run meanwhile. OUT_OF_MEMORY.
   */
  copyModel(model: ModelHandle, place: ReplicaPlace, job?: JobHandle): Promise<ModelHandle>;
  /** Ends when `jobs` of these calls run at the same time, in any lanes. For tests. */
  meet(model: ModelHandle, jobs: number, job?: JobHandle): Promise<void>;
  /**
   * Milliseconds of the network's parts alone, means over `repeat` passes: `backbone`, `adapter`, `pixel_decoder` and
   * `predictor`; of an EoMT network `backbone` (with its queries) and `mask_head`.
   */
  partTimes(
    model: ModelHandle,
    images: TensorHandle,
    options: { repeat: number },
  ): Promise<
    { backbone: number } & Partial<Record<'adapter' | 'pixel_decoder' | 'predictor' | 'mask_head', number>>
  >;
  /** `loadModel` by the path that GPUs use, on any device; null for files that it does not support. For tests. */
  loadStaged(path: string, device: string, job?: JobHandle): Promise<ModelHandle | null>;
  /** {@link ModelInfo.id} of a file, without loading the network. */
  modelId(path: string): Promise<string>;
  /** MODEL_FORMAT for a file that is no network. */
  networkSizes(
    path: string,
    dtype: NetworkPlacement['dtype'],
    precision: NetworkPrecision,
  ): Promise<NetworkSizes>;
  /** What a network's file records; undefined for any other file. MODEL_FORMAT for a damaged record. */
  recordedNormalization(path: string): Promise<Normalization | undefined>;
  modelInfo(model: ModelHandle): ModelInfo;
  /** MODEL_FORMAT where the network does not provide what the head reads, HEAD_MISMATCH for another width. */
  checkFits(model: ModelHandle, head: HeadsHandle): void;
  /** The linear probe inside a network; undefined without one. */
  ownProbe(model: ModelHandle): Promise<ProbeTensors | undefined>;
  /**
   * Queries and masks (`decoded`), `features` of 0, 1 or 4 layers or both from one pass over images B×3×H×W (float32,
   * normalised, H and W multiples of 32, on any device). For features alone, adapter and decoder do not run.
   * MODEL_FORMAT for files without a method that gives them. `watch` of all of them.
   */
  outputs(
    model: ModelHandle,
    images: TensorHandle,
    options: { decoded: boolean; features: 0 | 1 | 4 },
    job?: JobHandle,
  ): Promise<OutputHandles & { watch: WatchHandle }>;
  /**
   * Ends when it is known whether what a pass gave are finite numbers, and does not keep the device waiting. MODEL_VALUES names the
   * network by `path` and the first image that has others by `names`, or by its place.
   */
  requireFinite(watch: WatchHandle, path: string, names: readonly string[]): Promise<void>;
  /** For tests: float16 on the CPU too. */
  useFloat16(model: ModelHandle): Promise<void>;
  /** The model's own class scores: pred_logits B×Q×K with pred_masks B×Q×h×w. `watch` of all of them. */
  forward(
    model: ModelHandle,
    images: TensorHandle,
    job?: JobHandle,
  ): Promise<{
    queries: TensorHandle;
    predLogits: TensorHandle;
    predMasks: TensorHandle;
    watch: WatchHandle;
  }>;
  /** Intermediate arrays by name, for checking a network part by part. */
  taps(model: ModelHandle, images: TensorHandle): Promise<Record<string, TensorHandle>>;
  /** Writes a TorchScript file with the head's weights in place of the model's own class_embed. */
  exportModel(model: ModelHandle, head: HeadsHandle, path: string, job?: JobHandle): Promise<void>;
  /** Writes a TorchScript file of the network's backbone and a linear probe on it. */
  exportWithProbe(model: ModelHandle, probe: HeadsHandle, path: string, job?: JobHandle): Promise<void>;

  /**
   * Class maps of images, each at its own size; whole images go through the network together. A probe takes `recipe` scoring, and
   * runs the backbone alone. MODEL_VALUES, as of {@link scores}.
   */
  segment(
    model: ModelHandle,
    head: HeadsHandle,
    images: readonly (RawImage | CopiedImage)[],
    options: SegmentOptions,
    job?: JobHandle,
  ): Promise<Uint8Array[]>;
  /** Scores K×H×W (K − 1 for ade20k scoring) of one image, row by row; at most 2 GiB. */
  scores(
    model: ModelHandle,
    head: HeadsHandle,
    image: RawImage | CopiedImage,
    options: ScoreOptions,
    job?: JobHandle,
  ): Promise<Float32Array>;
}
