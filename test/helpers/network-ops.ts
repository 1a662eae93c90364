/** Tensors of the dtypes that the network's operators take, and what they are compared by. */
import { engine } from '../../lib/native/engine.js';
import type { TensorHandle } from '../../lib/native/bindings/engine.js';
import { valuesOf } from './op-devices.js';
import { type ComputedDType, moved } from './operators.js';
import { createRandom } from './random-values.js';

export const dtypes: readonly ComputedDType[] = ['float32', 'bfloat16', 'float16', 'float64'];

/** Relative errors of one rounding to a dtype, and of a sum computed in it. */
export const tolerances: Record<ComputedDType, number> = {
  float32: 2e-6,
  bfloat16: 3e-3,
  float16: 4e-4,
  float64: 1e-13,
};

/** What values of a dtype are computed in. */
export const computedIn = (dtype: ComputedDType): ComputedDType => (dtype === 'float64' ? dtype : 'float32');

export const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Numbers between −scale and scale. */
export function randomValues(seed: number, length: number, scale = 1): Float64Array {
  const random = createRandom(seed);
  return Float64Array.from({ length }, () => scale * (2 * random() - 1));
}

export async function place(
  data: Float64Array,
  shape: readonly number[],
  dtype: ComputedDType,
  device: string,
): Promise<TensorHandle> {
  return moved(engine().tensor(data, [...shape]), { dtype, device });
}

/** The values that a tensor of a dtype holds for these. */
export async function rounded(data: Float64Array, dtype: ComputedDType): Promise<Float64Array> {
  const values = await valuesOf(await place(data, [data.length], dtype, 'cpu'));
  return Float64Array.from(values as Float32Array);
}
