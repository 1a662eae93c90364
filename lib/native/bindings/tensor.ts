/** Tensors, as the engine has them; rules in engine.ts. */
import type { TensorHandle } from './handles.js';

/** Element type of a tensor. */
export type DType =
  'float64' | 'float32' | 'float16' | 'bfloat16' | 'int64' | 'int32' | 'int16' | 'int8' | 'uint8' | 'bool';

/** A tensor's values in JavaScript, in row-major order; bfloat16 and float16 become float32, bool becomes uint8. */
export type TensorArray =
  Float64Array | Float32Array | BigInt64Array | Int32Array | Int16Array | Int8Array | Uint8Array;

/** The engine's functions on tensors. */
export interface TensorEngine {
  /** Copies `data` into a CPU tensor of the array's dtype. */
  tensor(data: TensorArray, shape: number[]): TensorHandle;
  /** Items `first` to `first + count` of the outermost dimension, in the same memory. */
  slice(tensor: TensorHandle, items: { first: number; count: number }): TensorHandle;
  tensorInfo(tensor: TensorHandle): { shape: number[]; dtype: DType; device: string };
  /** Values on the CPU; bfloat16 and float16 as Float32Array, bool as Uint8Array. */
  tensorData(tensor: TensorHandle): Promise<{ data: TensorArray; shape: number[]; dtype: DType }>;
  /** Returns {@link tensorData} and disposes of the tensor. No copy is made if nothing else uses its memory. */
  takeData(tensor: TensorHandle): Promise<{ data: TensorArray; shape: number[]; dtype: DType }>;
}
