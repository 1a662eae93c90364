/** The network's operators alone, for tests and benches; they are defined in cpp/ops/network_ops.h. */
import type { TensorHandle } from './handles.js';
import type { OpOptions } from './ops.js';

export type ComputedDType = 'float32' | 'bfloat16' | 'float64';

/** What deformable attention takes; the heads are counted by the offsets. */
export interface DeformableTensors {
  /** B×S×(M·D). */
  value: TensorHandle;
  /** Height and width of each level. */
  sizes: readonly number[];
  /** 1×Q×2, (x, y) with 0…1 across a map. */
  reference: TensorHandle;
  /** B×Q×M×L×P×2, pixels of their level. */
  offsets: TensorHandle;
  /** B×Q×M×(L·P). */
  logits: TensorHandle;
}

/** A residual …×C, what is added to it, and the parameters, C each. */
export interface NormTensors {
  x: TensorHandle;
  y: TensorHandle;
  /** Default: 1. */
  gamma?: TensorHandle;
  weight: TensorHandle;
  bias: TensorHandle;
}

/** Maps B×H×W×C and B×h×w×C; scale and shift C, both or neither. */
export interface AddResizedTensors {
  x: TensorHandle;
  y: TensorHandle;
  scale?: TensorHandle;
  shift?: TensorHandle;
}

/** Tokens B×N×C of the maps of `sizes` (height and width of each), weight C×1×3×3 and bias C. */
export interface DepthwiseTensors {
  x: TensorHandle;
  sizes: readonly number[];
  weight: TensorHandle;
  bias: TensorHandle;
}

export interface SizeOptions extends OpOptions {
  height: number;
  width: number;
}

/** The engine's functions for the network's operators. */
export interface NetworkOpsEngine {
  toDtype(tensor: TensorHandle, dtype: ComputedDType): Promise<TensorHandle>;
  /** A view of columns of the last dimension. */
  tensorColumns(tensor: TensorHandle, first: number, count: number): TensorHandle;
  /** B×Q×(M·D) in the value's dtype. */
  deformableAttend(tensors: DeformableTensors, options: OpOptions): Promise<TensorHandle>;
  /** qkv B×N×3×M×D, sin and cos P×D; gives qkv, which is changed. */
  rotateQkv(
    qkv: TensorHandle,
    sin: TensorHandle,
    cos: TensorHandle,
    options: OpOptions,
  ): Promise<TensorHandle>;
  addScaledNorm(
    tensors: NormTensors,
    options: OpOptions & { eps: number; dtype?: ComputedDType },
  ): Promise<{ sum: TensorHandle; normed: TensorHandle }>;
  swiglu(gate: TensorHandle, up: TensorHandle, options: OpOptions): Promise<TensorHandle>;
  /** The best class of each pixel, B×height×width uint8, of scores B×K×h×w. */
  argmaxResized(scores: TensorHandle, options: SizeOptions): Promise<TensorHandle>;
  /** 3×height×width float32 of pixels H×W×3 uint8. */
  preparePixels(
    pixels: TensorHandle,
    options: SizeOptions & { mean: readonly number[]; std: readonly number[] },
  ): Promise<TensorHandle>;
  /** (x + y resized)·scale + shift, B×H×W×C in what x is computed in. */
  addResized(tensors: AddResizedTensors, options: OpOptions): Promise<TensorHandle>;
  /** Of tokens B×N×C, in what x is computed in. */
  groupNormTokens(
    tensors: { x: TensorHandle; weight: TensorHandle; bias: TensorHandle },
    options: OpOptions & { groups: number; eps: number; relu: boolean },
  ): Promise<TensorHandle>;
  /** B×N×C in x's dtype. */
  depthwiseGelu(tensors: DepthwiseTensors, options: OpOptions): Promise<TensorHandle>;
}
