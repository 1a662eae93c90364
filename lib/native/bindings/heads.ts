/** Heads, one or several side by side, as the engine has them; legend and rules in engine.ts. */
import type { HeadsHandle, JobHandle, ModelHandle, TensorHandle, WatchHandle } from './handles.js';
import type { OutputHandles, ReplicaPlace, Scoring } from './model.js';

/** Settings of one AdamW step (Loshchilov & Hutter 2019). Defaults: {@link defaultStepOptions}. */
export interface StepOptions {
  /** Learning rate. */
  learningRate: number;
  /** Decoupled weight decay: before the step, learningRate × weightDecay × weight is subtracted from each weight. */
  weightDecay: number;
  /** Decay rate of the first moment. */
  beta1: number;
  /** Decay rate of the second moment. */
  beta2: number;
  /** Term added to the root of the second moment. */
  epsilon: number;
  /** Maximum global norm of the gradients (clipping); 0 disables clipping. */
  maxNorm: number;
}

/** What class_embed heads compare with a pixel's label: softmax of the scores as logits, or the scores' shares. */
export type ScoreLoss = 'cross-entropy' | 'nll';

/** Cross entropy of a batch. */
export interface LossResult {
  /** Mean cross entropy over the counted pixels; 0 if there are none. */
  loss: number;
  /** Number of counted pixels: those whose label is not ignored. */
  pixels: number;
}

/** What all kinds of heads are made of. Legend: N heads, R outputs of one, C width of queries or features. */
interface CommonHeadsOptions {
  /** C. */
  width: number;
  /** K, without "no object". */
  classes: number;
  device: string;
  /** N×K, not negative; absent: 1. Of mask2former: of the matched queries. */
  classWeights?: TensorHandle;
}

/** Linear layers on queries, side by side. */
export interface LinearHeadsOptions extends CommonHeadsOptions {
  /**
   * `class_embed`: learns from dense scores; R = K, scoring `recipe`. `mask2former`: with an output for "no object", the
   * last one, learning from queries that are matched with the classes of an image; R = K + 1, scoring `ade20k`.
   */
  kind: 'class_embed' | 'mask2former';
  /** Of the linear layer: bfloat16 autocast, or float32. */
  precision: 'bfloat16' | 'float32';
  /** Of `class_embed`, one a head. */
  losses?: readonly ScoreLoss[];
  /** N×R×C and N×R, float32. */
  weight?: TensorHandle;
  bias?: TensorHandle;
  /** In place of weight and bias, one a head: xavier-uniform weights, bias 0. */
  seeds?: readonly number[];
}

/** Linear probes side by side: batch norm and a 1×1 convolution on features. */
export interface ProbeHeadsOptions extends CommonHeadsOptions {
  /** Batch norm is each head's own: over the images that it learns from. R = K, scores are logits. */
  kind: 'linear_probe';
  /** Layers of the backbone that `width` is of, side by side. Default 1. */
  layers?: 1 | 4;
  /** One a head, of its normal(0, 0.01) weight; bias 0, gamma 1, beta 0. */
  seeds: readonly number[];
}

/** What heads learn from, on any device. */
export interface HeadBatch extends OutputHandles {
  /** Names the images: equal numbers stand for equal arrays. Absent: arrays that do not come again. */
  records?: readonly number[];
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

/** The engine's functions on heads. */
export interface HeadsEngine {
  createHeads(options: LinearHeadsOptions | ProbeHeadsOptions): HeadsHandle;
  /** The model's own class_embed as a head. */
  headOfModel(model: ModelHandle, precision: 'bfloat16' | 'float32'): HeadsHandle;
  /** Heads with the same values and running statistics, without gradients and moments, for a network there. */
  copyHeads(heads: HeadsHandle, place: ReplicaPlace, job?: JobHandle): Promise<HeadsHandle>;
  /** Float32: class logits B×Q×N×R of queries, or a probe's scores B×N×K×h×w of features; without N for one head. */
  headsForward(heads: HeadsHandle, outputs: OutputHandles, job?: JobHandle): Promise<TensorHandle>;
  /** Adds to the gradients, from queries B×Q×C and the gradient of the logits B×Q×N×R, or B×Q×R of one head. */
  headsBackward(heads: HeadsHandle, queries: TensorHandle, dLogits: TensorHandle): Promise<void>;
  /** B×N×2: Σ w·loss and Σ w of each image, without class weights. */
  headsLosses(heads: HeadsHandle, batch: HeadBatch, job?: JobHandle): Promise<Float64Array>;
  /**
   * Mean loss of each head over the counted pixels of the batch, and Σ w of them; `scale` times the mean's gradient is
   * added to the gradients. `include` B×N float32, 0 or 1: which images a head learns from (absent: all). 0 where nothing
   * counts.
   */
  headsAccumulate(
    heads: HeadsHandle,
    batch: HeadBatch,
    scale: number,
    include?: TensorHandle,
  ): Promise<{ loss: Float64Array; weight: Float64Array }>;
  /**
   * A step of all heads that are `active`, in which each has taken `steps`, this one included; clears all gradients. Betas
   * and epsilon are the same for all. Gives the norms before clipping; a head whose norm is not finite is lost, or with
   * `isStrict` INVALID_ARGUMENT and nothing is changed.
   */
  headsStep(
    heads: HeadsHandle,
    options: readonly StepOptions[],
    steps: readonly number[],
    active: readonly boolean[],
    isStrict?: boolean,
  ): Promise<Float32Array>;
  headsEvaluate(heads: HeadsHandle, batch: HeadBatch, job?: JobHandle): Promise<HeadsEvaluation>;
  headsState(heads: HeadsHandle): Promise<HeadsState>;
  /** Replaces all of it; HEAD_MISMATCH and no change unless every tensor fits. */
  headsRestore(heads: HeadsHandle, state: HeadsState): Promise<void>;
  /**
   * Best class of each pixel under one head, B×H×W uint8, at any size. A probe takes `recipe` scoring. `watch` of the class logits:
   * see requireFinite.
   */
  classMap(
    head: HeadsHandle,
    outputs: OutputHandles,
    options: { width: number; height: number; scoring: Scoring },
    job?: JobHandle,
  ): Promise<{ map: TensorHandle; watch: WatchHandle }>;
  /** The scores that {@link classMap} chooses of, B×K×H×W float32 (K − 1 for ade20k scoring). */
  headScores(
    head: HeadsHandle,
    outputs: OutputHandles,
    options: { width: number; height: number; scoring: Scoring },
    job?: JobHandle,
  ): Promise<TensorHandle>;
  /** Counts K×K (rows truth, columns prediction) of uint8 maps of equal shape; label 255 is left out. */
  confusion(prediction: TensorHandle, labels: TensorHandle, classes: number): Promise<Float64Array>;
  /**
   * ‖actual − expected‖ / ‖expected‖ of each item of the outermost dimension of two floating tensors of equal shape, on the device of
   * `expected`. 0 where both are 0. SHAPE.
   */
  relativeErrors(expected: TensorHandle, actual: TensorHandle): Promise<Float64Array>;
}
