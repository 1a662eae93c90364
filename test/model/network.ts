/** The converted network against the reference's recorded arrays, part by part (float32). */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { convert } from '../../lib/model/convert.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { close } from '../helpers/close.js';
import { formulaOutputs, formulaTensor } from '../helpers/formula.js';
import { writeFormulaModel } from '../helpers/network.js';
import { readSafetensors, type Stored } from '../helpers/safetensors.js';
import { shared, skipWithout } from '../helpers/temporary.js';

/** Compares every stored array, in the order in which the network makes them. */
async function checkParts(
  t: Test,
  path: string,
  image: Stored,
  expected: Record<string, Stored>,
): Promise<void> {
  using model = await SegmentationModel.load(path);
  using images = Tensor.from(image.data, image.shape);
  const taps = await engine().taps(model.handle, images.handle);
  const order = ['vit', 'adapter', 'pixel_decoder', 'predictor', 'pred'];
  const rank = (key: string) => order.findIndex((part) => key.startsWith(part));
  const keys = Object.keys(expected).filter((key) => rank(key) >= 0);
  for (const key of keys.sort((a, b) => rank(a) - rank(b))) {
    const { data, shape } = expected[key]!;
    if (!taps[key]) {
      t.fail(`the network has no ${key}`);
      continue;
    }
    const got = Tensor.wrap(taps[key]);
    t.same(got.shape, shape, `${key} is ${shape.join('×')}`);
    close(t, key, await got.floats(), data as Float32Array, { rtol: 1e-5, shape });
  }

  const { queries, predLogits, predMasks } = await model.forward(images);
  const decoded = await model.decode(images);
  for (const [key, tensor] of [
    ['predictor.queries', queries],
    ['pred_logits', predLogits],
    ['pred_masks', predMasks],
    ['predictor.queries', decoded.queries],
    ['pred_masks', decoded.masks],
  ] as const)
    close(t, `forward/decode ${key}`, await tensor.floats(), expected[key]!.data as Float32Array, {
      rtol: 1e-5,
    });

  using head = ClassHead.ofModel(model, { precision: 'float32' });
  const [, , height, width] = image.shape;
  using map = await head.classMap(decoded, { height: height!, width: width!, scoring: 'ade20k' });
  const truth = expected['semseg.reference']!.data as Uint8Array;
  const same = ((await map.data()) as Uint8Array).filter((value, i) => value === truth[i]).length;
  t.ok(same >= 0.999 * truth.length, `ADE20K class map: ${same} of ${truth.length} pixels`);
}

for (const [name, shape] of [
  ['seg-swiglu', [1, 3, 64, 96]],
  ['seg-mlp', [2, 3, 64, 32]],
] as const)
  t.test(`${name} with formula weights gives the recorded arrays`, async (t) => {
    const path = await writeFormulaModel(t.testdir(), name);
    await checkParts(t, path, formulaTensor('image', shape), formulaOutputs(name));
  });

for (const name of ['seg-swiglu/case0', 'seg-swiglu/case1', 'seg-mlp/case0']) {
  const skip = skipWithout(`golden/${name}.safetensors`);
  t.test(`${name} from .pth files gives the recorded arrays`, { skip }, async (t) => {
    const folder = join(shared, 'golden', name, '..');
    const out = join(t.testdir(), 'model.pt');
    await convert({ backbone: join(folder, 'backbone.pth'), head: join(folder, 'head.pth'), out });
    const { tensors } = readSafetensors(join(shared, 'golden', `${name}.safetensors`));
    await checkParts(t, out, tensors['image']!, tensors);
  });
}

t.test('converting twice gives the same bytes, and the model an id that tells files apart', async (t) => {
  const folder = t.testdir({ a: {}, b: {}, c: {} });
  using a = await SegmentationModel.load(await writeFormulaModel(join(folder, 'a')));
  using b = await SegmentationModel.load(await writeFormulaModel(join(folder, 'b')));
  using c = await SegmentationModel.load(await writeFormulaModel(join(folder, 'c'), 'seg-mlp'));
  t.equal(a.id, b.id);
  t.not(a.id, c.id);
});

t.test('bfloat16 keeps the norms and the pixel decoder in float32 and stays near', async (t) => {
  const folder = t.testdir();
  const path = await writeFormulaModel(folder);
  using exact = await SegmentationModel.load(path);
  using rounded = await SegmentationModel.load(path, { dtype: 'bfloat16' });
  const image = formulaTensor('image', [1, 3, 64, 96]);
  using images = Tensor.from(image.data, image.shape);
  const [a, b] = [await exact.decode(images), await rounded.decode(images)];
  close(t, 'queries', await b.queries.floats(), await a.queries.floats(), { rtol: 0.1 });
  t.equal(rounded.dtype, 'bfloat16');
  t.equal(exact.dtype, 'float32');
});
