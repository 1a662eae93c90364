/** Linear chains that are multiplied out when a network is placed: what predicts, against the file's own network (precision `reference`). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ClassHead } from '../../lib/model/class-head.js';
import { convert, exportModel } from '../../lib/model/convert.js';
import type { LoadOptions } from '../../lib/model/load-options.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { close, relativeError, sameBits } from '../helpers/close.js';
import { formulaTensor } from '../helpers/formula.js';
import { writeFormulaModel } from '../helpers/network.js';
import { createRandom } from '../helpers/random-values.js';
import { readSafetensors, type Stored } from '../helpers/safetensors.js';
import { shared, skipWithout } from '../helpers/temporary.js';

const root = t.testdir({ swiglu: {}, mlp: {} });
const path = await writeFormulaModel(join(root, 'swiglu'));
const shape = [1, 3, 64, 96];
const image = formulaTensor('image', shape);

type Arrays = Record<string, Float32Array>;

/** What a network predicts of images, by every method that does. */
async function predictionsOf(file: string, input: Stored, options: LoadOptions): Promise<Arrays> {
  using model = await SegmentationModel.load(file, options);
  using images = Tensor.from(input.data, input.shape);
  const { queries, predLogits, predMasks } = await model.forward(images);
  const decoded = await model.decode(images);
  const one = await engine().outputs(model.handle, images.handle, { decoded: true, features: 1 });
  const all = await engine().outputs(model.handle, images.handle, { decoded: true, features: 4 });
  const tensors = { predLogits, predMasks, forwarded: queries, ...decoded, one: one.masks, all: all.masks };
  const arrays: Arrays = {};
  for (const [name, tensor] of Object.entries(tensors))
    arrays[name] = await (tensor instanceof Tensor ? tensor : Tensor.wrap(tensor!)).floats();
  return arrays;
}

for (const [name, given] of [
  ['seg-swiglu', shape],
  ['seg-mlp', [2, 3, 64, 32]],
  ['seg-swiglu', [1, 3, 32, 160]],
] as const)
  t.test(`${name}, ${given.join('×')}: float32 within 1e-5 of the file's network`, async (t) => {
    const file = name === 'seg-mlp' ? await writeFormulaModel(join(root, 'mlp'), name) : path;
    await checkClose(t, file, formulaTensor('image', given));
  });

for (const name of ['seg-swiglu/case0', 'seg-swiglu/case1', 'seg-mlp/case0']) {
  const skip = skipWithout(`golden/${name}.safetensors`);
  t.test(`${name}: float32 within 1e-5 of the file's network`, { skip }, async (t) => {
    const folder = join(shared, 'golden', name, '..');
    const out = join(t.testdir(), 'model.pt');
    await convert({ backbone: join(folder, 'backbone.pth'), head: join(folder, 'head.pth'), out });
    await checkClose(
      t,
      out,
      readSafetensors(join(shared, 'golden', `${name}.safetensors`)).tensors['image']!,
    );
  });
}

async function checkClose(t: Test, file: string, input: Stored): Promise<void> {
  const folded = await predictionsOf(file, input, {});
  const own = await predictionsOf(file, input, { precision: 'reference' });
  for (const [key, values] of Object.entries(own)) {
    close(t, key, folded[key]!, values, { rtol: 1e-5 });
  }
  t.notOk(sameBits(folded.masks!, own.masks!), 'of other products');
}

t.test('beside a bfloat16 backbone the errors are not larger', async (t) => {
  const inputs = Array.from({ length: 61 }, (_, i) => {
    const random = createRandom(i);
    return { shape, data: Float32Array.from({ length: 3 * 64 * 96 }, () => 4 * random() - 2) };
  });
  const masksOf = async (options: LoadOptions) => {
    using model = await SegmentationModel.load(path, options);
    const masks: Float32Array[] = [];
    for (const { data } of inputs) {
      using images = Tensor.from(data, shape);
      masks.push(await (await model.decode(images)).masks.floats());
    }
    return masks;
  };
  const exact = await masksOf({ precision: 'reference' });
  const medianError = async (options: LoadOptions) => {
    const masks = await masksOf({ dtype: 'bfloat16', ...options });
    const errors = masks.map((values, i) => relativeError(values, exact[i]!));
    return errors.sort((a, b) => a - b)[inputs.length >> 1]!;
  };
  const [folded, own] = [await medianError({}), await medianError({ precision: 'reference' })];
  t.comment(`median relative errors of the masks: ${folded}; unfolded ${own}`);
  t.ok(folded <= 1.05 * own, `${folded} and ${own}`);
});

t.test("taps and features are the file's own", async (t) => {
  using images = Tensor.from(image.data, shape);
  using folded = await SegmentationModel.load(path);
  using own = await SegmentationModel.load(path, { precision: 'reference' });
  const expected = await engine().taps(own.handle, images.handle);
  const taps = await engine().taps(folded.handle, images.handle);
  t.same(Object.keys(taps), Object.keys(expected));
  t.match(Object.keys(taps), new Set(['adapter.f1', 'pixel_decoder.mask_features']));
  for (const [key, values] of Object.entries(expected))
    t.ok(sameBits(await Tensor.wrap(taps[key]!).floats(), await Tensor.wrap(values).floats()), key);
  const features = async ({ handle }: SegmentationModel) =>
    Tensor.wrap(
      (await engine().outputs(handle, images.handle, { decoded: false, features: 4 })).features!,
    ).floats();
  t.ok(sameBits(await features(folded), await features(own)));
});

t.test('an exported file has the weights and the bytes that it has of the unfolded network', async (t) => {
  const folder = t.testdir();
  const bytes: Buffer[] = [];
  for (const precision of ['tf32', 'reference'] as const) {
    using model = await SegmentationModel.load(path, { precision });
    using images = Tensor.from(image.data, shape);
    await model.decode(images);
    using head = ClassHead.create({ hidden: model.hidden, classes: 4, seed: 3 });
    const out = join(folder, `${precision}.pt`);
    await exportModel(model, head, out);
    bytes.push(readFileSync(out));
  }
  t.ok(bytes[0]!.equals(bytes[1]!));
});

t.test('a network made elsewhere runs as it is', async (t) => {
  const foreign = join(import.meta.dirname, '../fixtures/torchscript/foreign.pt');
  const masks = async (precision: 'tf32' | 'reference') => {
    using model = await SegmentationModel.load(foreign, { precision });
    using images = Tensor.from(formulaTensor('image', [1, 3, 32, 64]).data, [1, 3, 32, 64]);
    return (await model.decode(images)).masks.floats();
  };
  t.ok(sameBits(await masks('tf32'), await masks('reference')));
});
