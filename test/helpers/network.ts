/** Small networks for tests, converted from weights that are a formula. */
import { join } from 'node:path';
import { convert } from '../../lib/model/convert.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { formulaKeys, formulaTensor } from './formula.js';

/** Writes `backbone.safetensors` and `head.safetensors` of a formula case to a folder. */
export async function writeFormulaCheckpoints(
  folder: string,
  name: 'seg-swiglu' | 'seg-mlp' = 'seg-swiglu',
): Promise<{ backbone: string; head: string }> {
  const keys = formulaKeys(name);
  const paths = {
    backbone: join(folder, 'backbone.safetensors'),
    head: join(folder, 'head.safetensors'),
  };
  for (const part of ['backbone', 'head'] as const) {
    const tensors = Object.entries(keys[part]).map(([key, shape]) => {
      const { data } = formulaTensor(key, shape);
      // The counters of batch norm are integers.
      const stored = key.endsWith('num_batches_tracked') ? BigInt64Array.from(data, BigInt) : data;
      return [key, Tensor.from(stored, shape).handle] as const;
    });
    await engine().writeSafetensors(paths[part], Object.fromEntries(tensors), {});
  }
  return paths;
}

/** Converts a formula case; returns the network file. */
export async function writeFormulaModel(
  folder: string,
  name: 'seg-swiglu' | 'seg-mlp' = 'seg-swiglu',
): Promise<string> {
  const checkpoints = await writeFormulaCheckpoints(folder, name);
  const out = join(folder, 'model.pt');
  await convert({ ...checkpoints, out });
  return out;
}
