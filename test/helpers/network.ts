/** Small networks for tests, converted from weights that are a formula. */
import { join } from 'node:path';
import { convert } from '../../lib/model/convert.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import type { ShapeTable } from '../../lib/native/bindings/engine.js';
import { formulaKeys, formulaTensor, type FormulaKeys } from './formula.js';
import { madeOnce } from './made-once.js';

/** `seg-shallow`: `seg-swiglu` with one layer each in pixel decoder and predictor, which takes a third of the time. No outputs are stored. */
type FormulaCase = 'seg-swiglu' | 'seg-shallow' | 'seg-mlp' | 'det';

function keysOf(name: FormulaCase): FormulaKeys {
  if (name !== 'seg-shallow') return formulaKeys(name);
  const { backbone, head } = formulaKeys('seg-swiglu');
  const isFurtherLayer = /\.(encoder\.encoder\.layers|transformer_\w+_layers)\.[1-9]/;
  return {
    backbone,
    head: Object.fromEntries(Object.entries(head).filter(([key]) => !isFurtherLayer.test(key))),
  };
}

const checkpointsIn = (folder: string) => ({
  backbone: join(folder, 'backbone.safetensors'),
  head: join(folder, 'head.safetensors'),
});

/** Writes `backbone.safetensors` and `head.safetensors` of a formula case to a folder. */
export async function writeFormulaCheckpoints(
  folder: string,
  name: FormulaCase = 'seg-swiglu',
): Promise<{ backbone: string; head: string }> {
  await madeOnce(`checkpoints ${name}`, folder, (aside) => makeCheckpoints(aside, name));
  return checkpointsIn(folder);
}

async function makeCheckpoints(folder: string, name: FormulaCase): Promise<void> {
  const keys = keysOf(name);
  const paths = checkpointsIn(folder);
  for (const part of ['backbone', 'head'] as const) {
    const tensors = Object.entries(keys[part]).map(([key, shape]) => {
      const { data } = formulaTensor(keys.same_tensor_as?.[key] ?? key, shape);
      // The counters of batch norm are integers.
      const stored = key.endsWith('num_batches_tracked') ? BigInt64Array.from(data, BigInt) : data;
      return [key, Tensor.from(stored, shape).handle] as const;
    });
    await engine().writeSafetensors(paths[part], Object.fromEntries(tensors), {});
  }
}

/** Converts a formula case; returns the network file. Its checkpoints are beside it. */
export async function writeFormulaModel(folder: string, name: FormulaCase = 'seg-swiglu'): Promise<string> {
  const modelIn = (folder: string) => join(folder, 'model.pt');
  await madeOnce(`model ${name}`, folder, async (aside) => {
    const checkpoints = await writeFormulaCheckpoints(aside, name);
    const task = name === 'det' ? 'detection' : 'segmentation';
    await convert({ ...checkpoints, out: modelIn(aside), task });
  });
  return modelIn(folder);
}

/** Converts the backbone of a formula case alone; returns the network file. */
export async function writeFormulaBackbone(
  folder: string,
  name: 'seg-swiglu' | 'seg-mlp' = 'seg-swiglu',
  dtype: 'float32' | 'bfloat16' = 'float32',
): Promise<string> {
  const { backbone } = await writeFormulaCheckpoints(folder, name);
  const out = join(folder, `backbone-${dtype}.pt`);
  await convert({ backbone, out, dtype });
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
