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
declare const kind: unique symbol;

/** A tensor owned by the engine, on any device. */
export interface TensorHandle {
  readonly [kind]: 'tensor';
}
/** A loaded TorchScript network. */
export interface ModelHandle {
  readonly [kind]: 'model';
}
/** A class_embed head with its gradients and optimiser state. */
export interface HeadHandle {
  readonly [kind]: 'head';
}
/** Appends records to a cache; it holds the cache's lock while it lives. */
export interface CacheWriterHandle {
  readonly [kind]: 'cache writer';
}
/** Records of a cache, for reading. */
export interface RecordStoreHandle {
  readonly [kind]: 'record store';
}
/** Heads of one kind that are trained side by side, with their gradients and optimiser state. */
export interface HeadsHandle {
  readonly [kind]: 'trained heads';
}

/** A trained linear probe. */
export interface ProbeHandle {
  readonly [kind]: 'linear probe';
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

export interface ModelInfo {
  path: string;
  /** SHA-256 over names, sizes and checksums of the archive's records. */
  id: string;
  device: string;
  /** Dtype of the backbone's weights. */
  dtype: DType;
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
}

/** `scores` of the whole image: width and height of the network's input, and of what is given. */
export interface ScoreOptions {
  width: number;
  height: number;
  scoring: Scoring;
  outputWidth: number;
  outputHeight: number;
}

export interface HeadOptions {
  hidden: number;
  classes: number;
  device: string;
  /** Of the linear layer: bfloat16 autocast, or float32. */
  precision: 'bfloat16' | 'float32';
  /** K×C and K, float32. Without them: xavier uniform by `seed`, bias zero. */
  weight?: TensorHandle;
  bias?: TensorHandle;
  seed?: number;
}

/** Of one AdamW step (Loshchilov & Hutter 2019); {@link defaultStepOptions} has the defaults. */
export interface StepOptions {
  /** Step size. */
  learningRate: number;
  /** Decoupled: times the learning rate, off the weights before the step. */
  weightDecay: number;
  /** Decay of the first moment. */
  beta1: number;
  /** Decay of the second moment. */
  beta2: number;
  /** Added to the root of the second moment. */
  epsilon: number;
  /** Global norm to clip to; 0: no clipping. */
  maxNorm: number;
}

/** Weight K×C, bias K, their gradients and AdamW moments (copies, float32, on the CPU) and the steps taken. */
export interface HeadState {
  weight: TensorHandle;
  bias: TensorHandle;
  dWeight: TensorHandle;
  dBias: TensorHandle;
  expAvgWeight: TensorHandle;
  expAvgBias: TensorHandle;
  expAvgSqWeight: TensorHandle;
  expAvgSqBias: TensorHandle;
  steps: number;
}

/** Heads side by side on one network's outputs. Legend: N heads, P parameters of one, R outputs of one. */
export interface HeadsOptions {
  /**
   * `class_embed`: what `HeadOptions` makes, learning from dense scores; R = K, scoring `recipe`. `mask2former`: with an
   * output for "no object", the last one, learning from queries that are matched with the classes of an image; R = K + 1,
   * scoring `ade20k`.
   */
  kind: 'class_embed' | 'mask2former';
  hidden: number;
  classes: number;
  device: string;
  /** Of the linear layer, as for one head. */
  precision: 'bfloat16' | 'float32';
  /**
   * Of `class_embed`, one a head. `reference`: cross entropy with the dense scores as logits; `nll`: −log of the label's share of the
   * scores.
   */
  losses?: readonly ('reference' | 'nll')[];
  /** N×K, not negative; absent: 1. Of mask2former: of the matched queries. */
  classWeights?: TensorHandle;
  /** N×R×C and N×R. */
  weight: TensorHandle;
  bias: TensorHandle;
}

/** Linear probes side by side: batch norm and a 1×1 convolution on features. Legend: N heads, C width, K classes. */
export interface ProbeHeadsOptions {
  /** Batch norm is each head's own: over the images that it learns from. R = K, scores are logits. */
  kind: 'linear_probe';
  /** Channels of the features. */
  width: number;
  classes: number;
  device: string;
  /** One a head, of its normal(0, 0.01) weight; bias 0, gamma 1, beta 0. */
  seeds: readonly number[];
  /** N×K, not negative; absent: 1. */
  classWeights?: TensorHandle;
}

/** What linear probes learn from, on any device. */
export interface FeatureBatch {
  /** Names the images: equal numbers stand for equal arrays. */
  records: readonly number[];
  /** B×C×h×w, float32 or bfloat16. */
  features: TensorHandle;
  /** B×H×W uint8, below K or 255 (not counted). */
  labels: TensorHandle;
}

/** Outputs of the frozen network for some images, on any device. */
export interface HeadBatch {
  /** Names the images: equal numbers stand for equal arrays. */
  records: readonly number[];
  /** B×Q×C, float32 or bfloat16. */
  queries: TensorHandle;
  /** Logits B×Q×h×w (float32 or bfloat16), or their sigmoid as uint8 (255: 1). */
  masks: TensorHandle;
  /** B×H×W uint8, below K or 255 (not counted). */
  labels: TensorHandle;
}

/**
 * N×P each, float32, on the CPU. A row is weight R×C row by row, then bias R; of a linear probe also gamma C and beta C of
 * the batch norm.
 */
export interface HeadsState {
  value: TensorHandle;
  gradient: TensorHandle;
  expAvg: TensorHandle;
  expAvgSq: TensorHandle;
  /** N×C, of linear probes. */
  runningMean?: TensorHandle;
  runningVar?: TensorHandle;
}

/** Of each image under each head. */
export interface HeadsEvaluation {
  /** B×N×2: Σ w·loss and Σ w, without class weights; their quotient is the image's loss. */
  losses: Float64Array;
  /** B×N×K×K counts, rows truth, columns prediction. */
  confusion: Float64Array;
}

/** A trained linear probe, its batch norm with fixed statistics. Legend: C width of the features. All float32. */
export interface ProbeOptions {
  device: string;
  /** K×C of the 1×1 convolution. */
  weight: TensorHandle;
  /** K. */
  bias: TensorHandle;
  /** C each, of the batch norm. */
  gamma: TensorHandle;
  beta: TensorHandle;
  runningMean: TensorHandle;
  runningVar: TensorHandle;
}

/** Cross entropy of a batch. */
export interface LossResult {
  /** Mean cross entropy over the pixels that count; 0 when there are none. */
  loss: number;
  /** Pixels that count (label not ignored). */
  pixels: number;
}

/** One array of a cache's record: `queries` Q×C, `masks` Q×h×w, `features` C×h×w or `labels` H×W. */
export interface RecordPart {
  name: string;
  /** Without the batch. */
  shape: number[];
  /** float32 or bfloat16; masks also uint8 (their sigmoid), labels uint8. */
  dtype: DType;
}

/** Where a record went in its file; `checksum`: XXH64 in 16 hexadecimal digits. */
export interface WrittenRecord {
  offset: number;
  checksum: string;
  /** Labelled pixels of each class. */
  classPixels: number[];
}

/** Records by their places: `file` an index into `files`, `offset` in it, one of each a record. */
export interface RecordStoreOptions {
  layout: RecordPart[];
  cacheId: string;
  files: string[];
  file: Int32Array;
  offset: Float64Array;
  checksum: BigUint64Array;
  device: string;
}

/** An epoch, or what is left of one. Legend: N heads, S steps. */
export interface TrainingPlan {
  /** Records in the order of training. */
  records: Int32Array;
  batchSize: number;
  /** Batches a step; what is left at the end makes a step of its own. */
  accumulate: number;
  /** S×N. */
  learningRates: Float64Array;
  /** N; their `learningRate` is not used. */
  options: StepOptions[];
  /** N, taken before. */
  steps: number[];
  /** A record each: the head that leaves it out, or −1. */
  folds?: Int32Array;
}

/** What was done of a plan. */
export interface TrainingPlanResult {
  /** All, or up to the step at which the time was over. */
  batches: number;
  /** Batches × N. */
  losses: Float64Array;
  /** Steps × N, before clipping; one that is not finite: the head is lost. */
  norms: Float32Array;
  /** N, taken now. */
  steps: number[];
}

/** What is compared with a pixel's label: softmax of the scores as logits, or the scores' shares (cpp/ops/ops.h). */
export type ScoreLoss = 'cross-entropy' | 'nll';

/** How an operator is called; for tests and benches. */
export interface OpOptions {
  /** libtorch's own operators instead of a fused kernel. */
  plain?: boolean;
  /** How often it is run. Default: 1. */
  repeat?: number;
}

export interface ScoreLossOptions extends OpOptions {
  /** One a head. */
  losses: readonly ScoreLoss[];
  /** N×K float32. Default: 1. */
  classWeights?: TensorHandle;
  gradient?: boolean;
}

/** Tensors that an AdamW step changes, N×P, and its coefficients, N×5 (cpp/ops/ops.h). */
export interface AdamwTensors {
  value: TensorHandle;
  gradient: TensorHandle;
  expAvg: TensorHandle;
  expAvgSq: TensorHandle;
  coefficients: TensorHandle;
}

export interface Engine {
  info(): EngineInfo;
  devices(): DeviceInfo[];
  /** Threads an operator uses on the CPU, from the next job on. */
  setThreads(threads: number): void;

  /** Copies `data` into a CPU tensor of the array's dtype. */
  tensor(data: TensorArray, shape: number[]): TensorHandle;
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
      | HeadHandle
      | HeadsHandle
      | ProbeHandle
      | CacheWriterHandle
      | RecordStoreHandle,
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
  /** Writes random checkpoints of a named architecture: backbone and head as .safetensors. */
  initCheckpoint(options: {
    architecture: string;
    seed: number;
    backbone: string;
    head: string;
  }): Promise<void>;

  /** `dtype` `stored` keeps the file's precision. */
  loadModel(
    path: string,
    options: { device: string; dtype: 'stored' | 'float32' | 'bfloat16' },
    job?: JobHandle,
  ): Promise<ModelHandle>;
  /** {@link ModelInfo.id} of a file, without loading the network. */
  modelId(path: string): Promise<string>;
  modelInfo(model: ModelHandle): ModelInfo;
  /** Images B×3×H×W (float32, normalised, H and W multiples of 32, on any device). */
  decode(model: ModelHandle, images: TensorHandle, job?: JobHandle): Promise<Decoded>;
  /** `decode` and `features` of one pass. MODEL_FORMAT as for `features`. */
  decodeWithFeatures(
    model: ModelHandle,
    images: TensorHandle,
    job?: JobHandle,
  ): Promise<DecodedWithFeatures>;
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

  createHead(options: HeadOptions): HeadHandle;
  /** The model's own class_embed as a head. */
  headOfModel(model: ModelHandle, precision: 'bfloat16' | 'float32'): HeadHandle;
  /** Logits B×Q×K (float32) of queries B×Q×C. */
  headForward(head: HeadHandle, queries: TensorHandle, job?: JobHandle): Promise<TensorHandle>;
  /** Adds to the gradients, from queries B×Q×C and the gradient of the logits B×Q×K. */
  headBackward(head: HeadHandle, queries: TensorHandle, dLogits: TensorHandle): Promise<void>;
  /** Cross entropy on the dense scores (recipe scoring) resized to the labels B×H×W (uint8, 255 ignored). */
  headLoss(head: HeadHandle, decoded: Decoded, labels: TensorHandle, job?: JobHandle): Promise<LossResult>;
  /** headLoss, and its gradient times `scale` added to the head's gradients. */
  headAccumulate(
    head: HeadHandle,
    decoded: Decoded,
    labels: TensorHandle,
    scale: number,
  ): Promise<LossResult>;
  /** The gradient of headLoss by libtorch's autograd: the truth that tests and benchmarks compare with. */
  headAutograd(
    head: HeadHandle,
    decoded: Decoded,
    labels: TensorHandle,
    precision: 'bfloat16' | 'float32',
  ): Promise<{ dWeight: TensorHandle; dBias: TensorHandle }>;
  /** Clips, takes an AdamW step and clears the gradients; the norm is the one before clipping. */
  headStep(head: HeadHandle, options: StepOptions): Promise<{ gradNorm: number }>;
  headState(head: HeadHandle): Promise<HeadState>;
  /** Replaces weights, gradients, moments and step count. */
  headRestore(head: HeadHandle, state: HeadState): Promise<void>;

  createHeads(options: HeadsOptions | ProbeHeadsOptions): HeadsHandle;
  /**
   * Mean loss of each head over the counted pixels of the batch; `scale` times its gradient is added to the gradients.
   * `include` B×N float32, 0 or 1: which images a head learns from (absent: all). 0 where nothing counts.
   */
  headsAccumulate(
    heads: HeadsHandle,
    batch: HeadBatch | FeatureBatch,
    scale: number,
    include?: TensorHandle,
  ): Promise<Float64Array>;
  /**
   * A step of all heads that are `active`, in which each has taken `steps`, this one included; clears all gradients.
   * Betas and epsilon are AdamW's defaults. Gives the norms before clipping; a head whose norm is not finite is lost.
   */
  headsStep(
    heads: HeadsHandle,
    options: readonly StepOptions[],
    steps: readonly number[],
    active: readonly boolean[],
  ): Promise<Float32Array>;
  headsEvaluate(
    heads: HeadsHandle,
    batch: HeadBatch | FeatureBatch,
    job?: JobHandle,
  ): Promise<HeadsEvaluation>;
  headsState(heads: HeadsHandle): Promise<HeadsState>;
  headsRestore(heads: HeadsHandle, state: HeadsState): Promise<void>;
  /** The column of each row at least total cost, −1 for rows left over: what mask2former heads match with, for tests. */
  leastCostAssignment(costs: TensorHandle): Promise<Int32Array>;

  /** Bytes of a record. */
  recordBytes(layout: RecordPart[]): number;
  /** Takes the lock: CACHE while another writer has it. */
  createCacheWriter(layout: RecordPart[], cacheId: string, lockPath: string): CacheWriterHandle;
  /** Goes on with a file of records of which `sizeBytes` count (0: a new one). */
  openShard(writer: CacheWriterHandle, path: string, sizeBytes: number): Promise<void>;
  /** Appends a record for each image of a batch; arrays by the layout's names. One call at a time. */
  appendRecords(
    writer: CacheWriterHandle,
    parts: Record<string, TensorHandle>,
    classes: number,
  ): Promise<WrittenRecord[]>;
  /** What was appended survives a power cut from here on. */
  syncShard(writer: CacheWriterHandle): Promise<void>;
  /** XXH64 of a file, 16 hexadecimal digits. */
  contentDigest(path: string): Promise<string>;
  /** Maps the records. */
  createRecordStore(options: RecordStoreOptions): RecordStoreHandle;
  /** Compares each record with its checksum; those that do not fit. */
  verifyRecords(store: RecordStoreHandle, job?: JobHandle): Promise<{ record: number; reason: string }[]>;
  /** Copies records to the device and to pinned memory as far as they fit; without a budget, what is free. */
  loadRecords(
    store: RecordStoreHandle,
    budget?: { deviceBytes: number; pinnedBytes: number },
    job?: JobHandle,
  ): Promise<{ onDevice: number; inPinnedMemory: number }>;
  /** Takes steps until the plan is done or `seconds` are over, at least one. */
  trainCached(
    heads: HeadsHandle,
    store: RecordStoreHandle,
    plan: TrainingPlan,
    seconds: number,
  ): Promise<TrainingPlanResult>;
  /** Losses R×N×2 and counts R×N×K×K of R records. */
  evaluateCached(heads: HeadsHandle, store: RecordStoreHandle, records: Int32Array): Promise<HeadsEvaluation>;

  createProbe(options: ProbeOptions): ProbeHandle;
  /** Scores (logits) B×K×h×w float32 of features B×C×h×w. */
  probeForward(probe: ProbeHandle, features: TensorHandle, job?: JobHandle): Promise<TensorHandle>;
  /** Cross entropy of the scores resized to the labels B×H×W (uint8, 255 ignored). */
  probeLoss(
    probe: ProbeHandle,
    features: TensorHandle,
    labels: TensorHandle,
    job?: JobHandle,
  ): Promise<LossResult>;
  /** Best class of each pixel, B×H×W uint8, at any size. */
  probeClassMap(
    probe: ProbeHandle,
    features: TensorHandle,
    options: { width: number; height: number },
    job?: JobHandle,
  ): Promise<TensorHandle>;

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
  /** Class map of one image at its own size. A probe takes `recipe` scoring, and runs the backbone alone. */
  segment(
    model: ModelHandle,
    head: HeadHandle | ProbeHandle,
    image: RawImage,
    options: SegmentOptions,
    job?: JobHandle,
  ): Promise<Uint8Array>;
  /** Scores K×H×W (K − 1 for ade20k scoring) of one image, row by row; at most 2 GiB. */
  scores(
    model: ModelHandle,
    head: HeadHandle | ProbeHandle,
    image: RawImage,
    options: ScoreOptions,
    job?: JobHandle,
  ): Promise<Float32Array>;

  toDevice(tensor: TensorHandle, device: string): Promise<TensorHandle>;
  /** Σ w·loss and Σ w, B×N×2 float64, of scores B×N×K×h×w and labels B×H×W, and the gradient by the scores. */
  scoreLoss(
    scores: TensorHandle,
    labels: TensorHandle,
    options: ScoreLossOptions,
  ): Promise<{ sums: TensorHandle; gradient?: TensorHandle }>;
  /** Confusion counts B×N×K×K int64 (rows truth) of scores and labels as in {@link scoreLoss}. */
  scoreCounts(scores: TensorHandle, labels: TensorHandle, options: OpOptions): Promise<TensorHandle>;
  /** A step of N heads in place; gives the gradients' norms before clipping, N float32. */
  adamwStep(
    tensors: AdamwTensors,
    options: OpOptions & { beta1: number; beta2: number; epsilon: number },
  ): Promise<TensorHandle>;
}
