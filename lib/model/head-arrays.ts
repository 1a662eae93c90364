/** State of heads in the engine as arrays: N heads side by side have N rows in each. */
import { engine } from '../native/engine.js';
import type { HeadsHandle, HeadsState } from '../native/bindings/engine.js';
import { withTensors, type ShapedFloats } from './float-file.js';
import { Tensor } from './tensor.js';

/** Parameters, gradients and AdamW's moments N×P, and the running statistics N×C of linear probes. */
export type HeadArrays = Record<'value' | 'gradient' | 'expAvg' | 'expAvgSq', Float32Array> &
  Partial<Record<'runningMean' | 'runningVar', Float32Array>>;

/** A copy of what the engine holds. */
export async function readArrays(handle: HeadsHandle): Promise<HeadArrays> {
  const arrays: Partial<HeadArrays> = {};
  for (const [name, tensor] of Object.entries(await engine().headsState(handle)))
    arrays[name as keyof HeadArrays] = (await Tensor.wrap(tensor).take()) as Float32Array;
  return arrays as HeadArrays;
}

/** Replaces all that `heads` heads hold. @throws DinoSegError HEAD_MISMATCH, SHAPE */
export async function writeArrays(handle: HeadsHandle, heads: number, arrays: HeadArrays): Promise<void> {
  const shaped: Record<string, ShapedFloats> = {};
  for (const [name, data] of Object.entries(arrays))
    shaped[name] = { data, shape: [heads, data.length / heads] };
  await withTensors(shaped, (tensors) => engine().headsRestore(handle, tensors as unknown as HeadsState));
}

/** The row of one of `heads` heads in each array. */
export function rowOf<T extends Partial<HeadArrays>>(arrays: T, heads: number, head: number): T {
  const rows = Object.entries(arrays).map(([name, array]) => {
    const length = array.length / heads;
    return [name, array.slice(head * length, (head + 1) * length)] as const;
  });
  return Object.fromEntries(rows) as T;
}

/** One array after the other. */
export function joined(...parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let end = 0;
  for (const part of parts) {
    all.set(part, end);
    end += part.length;
  }
  return all;
}

/** Weight K×C and bias K of a row that begins with one after the other. */
export function layerOf(
  row: Float32Array,
  { classes, width }: { classes: number; width: number },
): { weight: Float32Array; bias: Float32Array } {
  const weights = classes * width;
  return { weight: row.slice(0, weights), bias: row.slice(weights, weights + classes) };
}
