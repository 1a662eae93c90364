/** Single operators of the engine, for tests and benches; legend and rules in engine.ts. */
import type { TensorHandle } from './handles.js';

/** What is compared with a pixel's label: softmax of the scores as logits, or the scores' shares (cpp/ops/score_ops.h). */
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

/** Tensors that an AdamW step changes, N×P, and its coefficients, N×5 (cpp/ops/score_ops.h). */
export interface AdamwTensors {
  value: TensorHandle;
  gradient: TensorHandle;
  expAvg: TensorHandle;
  expAvgSq: TensorHandle;
  coefficients: TensorHandle;
}

/** The engine's functions for single operators. */
export interface OpsEngine {
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
