/** Heads that are trained side by side, as the engine has them; legend and rules in engine.ts. */
import type { HeadsHandle, JobHandle, TensorHandle } from './handles.js';
import type { StepOptions } from './head.js';
import type { ScoreLoss } from './ops.js';

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
  /** Of `class_embed`, one a head. */
  losses?: readonly ScoreLoss[];
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

/** The engine's functions on heads side by side. */
export interface HeadsEngine {
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
}
