/** Single heads and probes, as the engine has them; legend and rules in engine.ts. */
import type { HeadHandle, JobHandle, ModelHandle, ProbeHandle, TensorHandle } from './handles.js';
import type { Decoded } from './model.js';

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

/** The engine's functions on single heads and probes. */
export interface HeadEngine {
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
}
