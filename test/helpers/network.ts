/** Small networks for tests, converted from weights that are a formula. */
import { join } from 'node:path';
import { convert } from '../../lib/model/convert.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import type { ShapeTable } from '../../lib/native/surface.js';
import { formulaKeys, formulaTensor } from './formula.js';

type FormulaCase = 'seg-swiglu' | 'seg-mlp' | 'det';

/** Writes `backbone.safetensors` and `head.safetensors` of a formula case to a folder. */
export async function writeFormulaCheckpoints(
  folder: string,
  name: FormulaCase = 'seg-swiglu',
): Promise<{ backbone: string; head: string }> {
  const keys = formulaKeys(name);
  const paths = {
    backbone: join(folder, 'backbone.safetensors'),
    head: join(folder, 'head.safetensors'),
  };
  for (const part of ['backbone', 'head'] as const) {
    const tensors = Object.entries(keys[part]).map(([key, shape]) => {
      const { data } = formulaTensor(keys.same_tensor_as?.[key] ?? key, shape);
      // The counters of batch norm are integers.
      const stored = key.endsWith('num_batches_tracked') ? BigInt64Array.from(data, BigInt) : data;
      return [key, Tensor.from(stored, shape).handle] as const;
    });
    await engine().writeSafetensors(paths[part], Object.fromEntries(tensors), {});
  }
  return paths;
}

/** Converts a formula case; returns the network file. */
export async function writeFormulaModel(folder: string, name: FormulaCase = 'seg-swiglu'): Promise<string> {
  const checkpoints = await writeFormulaCheckpoints(folder, name);
  const out = join(folder, 'model.pt');
  await convert({ ...checkpoints, out, task: name === 'det' ? 'detection' : 'segmentation' });
  return out;
}

/** Keys, shapes and dtypes of a formula case, as `inspect` would list them. */
export function formulaTables(name: FormulaCase): { backbone: ShapeTable; head: ShapeTable } {
  const keys = formulaKeys(name);
  const table = (shapes: Record<string, number[]>): ShapeTable =>
    Object.fromEntries(
      Object.entries(shapes).map(([key, shape]) => [
        key,
        { shape, dtype: key.endsWith('num_batches_tracked') ? 'int64' : 'float32' },
      ]),
    );
  return { backbone: table(keys.backbone), head: table(keys.head) };
}
