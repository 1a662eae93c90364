/** Patch features of the backbone against the tapped arrays and the reference's recordings. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { convert, exportModel } from '../../lib/model/convert.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import type { TensorHandle } from '../../lib/native/bindings/engine.js';
import { close, sameBits } from '../helpers/close.js';
import { formulaOutputs, formulaTensor } from '../helpers/formula.js';
import { writeFormulaModel } from '../helpers/network.js';
import { readSafetensors, type Stored } from '../helpers/safetensors.js';
import { shared, skipWithout } from '../helpers/temporary.js';

const both = { decoded: true, features: 1 } as const;

const floats = async (handle: TensorHandle) => Tensor.wrap(handle).floats();

/** Tokens B×P×C as a map B×C×P. */
function asMap({ data, shape }: Stored): Float32Array {
  const [batch, patches, width] = shape as [number, number, number];
  const map = new Float32Array(data.length);
  for (let b = 0; b < batch; b++)
    for (let p = 0; p < patches; p++)
      for (let c = 0; c < width; c++)
        map[(b * width + c) * patches + p] = Number(data[(b * patches + p) * width + c]);
  return map;
}

async function checkFeatures(t: Test, path: string, image: Stored, expected: Record<string, Stored>) {
  using model = await SegmentationModel.load(path);
  using images = Tensor.from(image.data, image.shape);
  const last = expected['vit.3.patch']!;
  const [batch, , height, width] = image.shape as [number, number, number, number];
  const shape = [batch, last.shape[2]!, height / 16, width / 16];

  using features = await model.features(images);
  t.same(features.shape, shape);
  t.equal(features.dtype, 'float32');
  const values = await features.floats();
  close(t, 'features', values, asMap(last), { rtol: 1e-5, shape });

  const taps = await engine().taps(model.handle, images.handle);
  using own = Tensor.wrap(taps['vit.3.patch']!);
  t.ok(
    sameBits(values, asMap({ data: await own.data(), shape: [...own.shape] })),
    'are the last tapped layer',
  );

  const all = await engine().outputs(model.handle, images.handle, both);
  using decoded = await model.decode(images);
  t.ok(sameBits(await floats(all.features!), values), 'come with queries and masks');
  t.ok(sameBits(await floats(all.queries!), await decoded.queries.floats()), 'with the queries of decode');
  t.ok(sameBits(await floats(all.masks!), await decoded.masks.floats()), 'and its mask logits');
}

for (const [name, shape] of [
  ['seg-swiglu', [1, 3, 64, 96]],
  ['seg-mlp', [2, 3, 64, 32]],
] as const)
  t.test(`${name} with formula weights`, async (t) => {
    const path = await writeFormulaModel(t.testdir(), name);
    await checkFeatures(t, path, formulaTensor('image', shape), formulaOutputs(name));
  });

for (const name of ['seg-swiglu/case0', 'seg-swiglu/case1', 'seg-mlp/case0']) {
  const skip = skipWithout(`golden/${name}.safetensors`);
  t.test(`${name} from .pth files`, { skip }, async (t) => {
    const folder = join(shared, 'golden', name, '..');
    const out = join(t.testdir(), 'model.pt');
    await convert({ backbone: join(folder, 'backbone.pth'), head: join(folder, 'head.pth'), out });
    const { tensors } = readSafetensors(join(shared, 'golden', `${name}.safetensors`));
    await checkFeatures(t, out, tensors['image']!, tensors);
  });
}

t.test('a network in bfloat16 gives float32 features that stay near', async (t) => {
  const path = await writeFormulaModel(t.testdir());
  using exact = await SegmentationModel.load(path);
  using rounded = await SegmentationModel.load(path, { dtype: 'bfloat16' });
  const { data, shape } = formulaTensor('image', [1, 3, 64, 96]);
  using images = Tensor.from(data, shape);
  const near = await rounded.features(images);
  t.equal(near.dtype, 'float32');
  close(t, 'features', await near.floats(), await (await exact.features(images)).floats(), { rtol: 0.05 });
});

t.test('an exported network has them too', async (t) => {
  const folder = t.testdir();
  using model = await SegmentationModel.load(await writeFormulaModel(folder));
  const out = join(folder, 'exported.pt');
  await exportModel(model, model.ownHead(), out);
  using exported = await SegmentationModel.load(out);
  const { data, shape } = formulaTensor('image', [1, 3, 64, 96]);
  using images = Tensor.from(data, shape);
  const [a, b] = [await model.features(images), await exported.features(images)];
  t.ok(sameBits(await a.floats(), await b.floats()));
});

t.test('a file without the methods says what to do, and runs otherwise', async (t) => {
  const path = join(import.meta.dirname, '../fixtures/torchscript/foreign.pt');
  using model = await SegmentationModel.load(path);
  using images = Tensor.from(new Float32Array(3 * 32 * 64), [1, 3, 32, 64]);
  const error = { code: 'MODEL_FORMAT', message: /no method features\(images\).*Convert it again/ };
  await t.rejects(model.features(images), error);
  await t.rejects(engine().outputs(model.handle, images.handle, both), {
    code: 'MODEL_FORMAT',
    message: /no method decode_with_features/,
  });
  t.same((await model.decode(images)).queries.shape, [1, 5, 8]);
});

t.test('images of a wrong shape are refused, and a signal stops the backbone', async (t) => {
  using model = await SegmentationModel.load(await writeFormulaModel(t.testdir()));
  using odd = Tensor.from(new Float32Array(3 * 64 * 100), [1, 3, 64, 100]);
  await t.rejects(model.features(odd), { code: 'SHAPE', message: /96 or 128/ });
  await t.rejects(engine().outputs(model.handle, odd.handle, both), { code: 'SHAPE' });
  using images = Tensor.from(new Float32Array(3 * 64 * 64), [1, 3, 64, 64]);
  const controller = new AbortController();
  const reason = new Error('enough');
  const call = model.features(images, { signal: controller.signal });
  controller.abort(reason);
  await t.rejects(call, reason);
});
