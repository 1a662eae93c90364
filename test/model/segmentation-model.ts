import { join } from 'node:path';
import { copyFileSync } from 'node:fs';
import t from 'tap';
import { encodePng } from '../../lib/data/decode.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { exportModel } from '../../lib/model/convert.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { close } from '../helpers/close.js';
import { formulaOutputs, formulaTensor } from '../helpers/formula.js';
import { writeFormulaModel } from '../helpers/network.js';
import { agreement } from '../helpers/passes.js';

const root = t.testdir();
const path = await writeFormulaModel(root);
const model = await SegmentationModel.load(path);
const width = 90;
const height = 70;
const picture = {
  data: Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7919) >> 3),
  width,
  height,
};

t.test('a model tells what it is', async (t) => {
  t.match(model, { path, device: 'cpu', dtype: 'float32', width: 64, hidden: 64, classes: 151 });
  t.match(model.id, /^[0-9a-f]{64}$/);
  const copy = join(root, 'copy.pt');
  copyFileSync(path, copy);
  using other = await SegmentationModel.load(copy);
  t.equal(other.id, model.id, 'the id is of the contents');
});

t.test('forward and decode give the recorded outputs', async (t) => {
  const golden = formulaOutputs('seg-swiglu');
  const { data, shape } = formulaTensor('image', [1, 3, 64, 96]);
  using images = Tensor.from(data, shape);
  const { queries, predLogits, predMasks } = await model.forward(images);
  using decoded = await model.decode(images);
  const arrays = { 'predictor.queries': queries, pred_logits: predLogits, pred_masks: predMasks };
  for (const [name, tensor] of Object.entries(arrays)) {
    const expected = golden[name]!;
    t.same(tensor.shape, expected.shape);
    const actual = await tensor.floats();
    close(t, name, actual, expected.data as Float32Array, { rtol: 1e-5, shape: tensor.shape });
  }
  t.same(await decoded.queries.data(), await queries.data());
  t.same(await decoded.masks.data(), await predMasks.data());
  using logits = await model.ownHead().forward(decoded.queries);
  close(t, 'own head', await logits.floats(), await predLogits.floats(), { rtol: 1e-6 });
});

t.test('images of a wrong shape are refused', async (t) => {
  const shapes: [number[], RegExp][] = [
    [[1, 3, 64, 100], /width 96 or 128 instead of 100/],
    [[1, 3, 31, 64], /height 32 instead of 31/],
    [[3, 64, 64], /B×3×H×W, got 3×64×64/],
    [[1, 4, 64, 64], /got 1×4×64×64/],
  ];
  for (const [shape, message] of shapes) {
    using images = Tensor.from(new Float32Array(shape.reduce((a, b) => a * b)), shape);
    await t.rejects(model.forward(images), { code: 'SHAPE', message });
    await t.rejects(model.decode(images), { code: 'SHAPE', message });
  }
});

t.test('segment gives a class map of the image’s own size, from pixels, bytes or a file', async (t) => {
  const bytes = await encodePng(picture.data, width, height, 3);
  const map = await model.segment(picture, { imageSize: 64 });
  t.match(map, { width, height });
  t.equal(map.data.length, width * height);
  t.ok(map.data.every((index) => index < 150));
  t.same(await model.segment(bytes, { imageSize: 64 }), map);
  const wide = await model.segment(picture, { imageSize: { width: 96, height: 64 } });
  t.equal(wide.data.length, width * height);
});

t.test('a sliding window works with its default and other strides', async (t) => {
  for (const stride of [undefined, 32, { x: 20, y: 64 }]) {
    const map = await model.segment(picture, { imageSize: 64, mode: 'slide', ...(stride && { stride }) });
    t.equal(map.data.length, width * height);
  }
  await t.rejects(model.segment(picture, { imageSize: 64, mode: 'slide', stride: 0 }), {
    code: 'INVALID_ARGUMENT',
  });
});

t.test('segment refuses a size that the network cannot take', async (t) => {
  await t.rejects(model.segment(picture, { imageSize: 100 }), { code: 'SHAPE', message: /96 or 128/ });
});

t.test('a head for another hidden size is refused with both figures and what to do', async (t) => {
  using head = ClassHead.create({ hidden: 2048, classes: 26 });
  const message = /width 2048, but the network .* width 64.*train one with `dinov3-seg train`/;
  await t.rejects(model.segment(picture, { head, imageSize: 64 }), { code: 'HEAD_MISMATCH', message });
  await t.rejects(exportModel(model, head, join(root, 'x.pt')), { code: 'HEAD_MISMATCH', message });
});

t.test('an exported model holds the head', async (t) => {
  const out = join(root, 'sub/exported.pt');
  using head = ClassHead.create({ hidden: 64, classes: 26, precision: 'float32', seed: 2 });
  await exportModel(model, head, out);
  using exported = await SegmentationModel.load(out);
  t.match(exported, { hidden: 64, classes: 26 });
  t.not(exported.id, model.id);
  const { data, shape } = formulaTensor('image', [1, 3, 64, 96]);
  using images = Tensor.from(data, shape);
  const { queries, predLogits } = await exported.forward(images);
  using expected = await head.forward(queries);
  close(t, 'logits', await predLogits.floats(), await expected.floats(), { rtol: 1e-6 });
  await t.rejects(exportModel(model, head, model.path), {
    code: 'INVALID_ARGUMENT',
    message: /the network itself/,
  });
});

t.test('an unknown device is refused, never replaced by the CPU', async (t) => {
  for (const device of ['gpu', 'cuda:99', ''])
    await t.rejects(SegmentationModel.load(path, { device }), { code: 'DEVICE' }, `"${device}"`);
});

t.test('bfloat16 weights give about the same maps', async (t) => {
  using half = await SegmentationModel.load(path, { dtype: 'bfloat16' });
  t.equal(half.dtype, 'bfloat16');
  const map = await half.segment(picture, { imageSize: 64 });
  t.equal(map.data.length, width * height);
});

t.test('a disposed model refuses everything', async (t) => {
  const other = await SegmentationModel.load(path);
  const own = other.ownHead();
  other.dispose();
  other.dispose();
  await t.rejects(other.segment(picture), {
    code: 'DISPOSED',
    message: /model of .* was used after dispose/,
  });
  t.throws(() => own.handle, { code: 'DISPOSED' });
});

t.test('images of a batch get class maps of their own sizes, those that they get alone', async (t) => {
  const wide = {
    data: new Uint8Array(120 * 40).map((_, i) => i * 31),
    width: 120,
    height: 40,
    channels: 1,
  } as const;
  const file = await encodePng(picture.data, width, height, 3);
  for (const mode of ['whole', 'slide'] as const) {
    const options = { mode, imageSize: 64, passSize: 3 };
    const maps = await model.segmentBatch([picture, wide, file], options);
    t.same(
      maps.map((map) => [map.width, map.height, map.data.length]),
      [
        [90, 70, 6300],
        [120, 40, 4800],
        [90, 70, 6300],
      ],
    );
    t.equal(agreement(maps[2]!.data, maps[0]!.data), 1, 'the same image twice');
    for (const [i, image] of [picture, wide].entries()) {
      const alone = await model.segment(image, { mode, imageSize: 64 });
      const share = agreement(maps[i]!.data, alone.data);
      t.ok(share > 0.999, `${mode}, image ${i}: ${share}`);
    }
  }
});

t.test('a batch tells each of its images as done', async (t) => {
  const told: [number, number][] = [];
  const onProgress = (done: number, total: number) => told.push([done, total]);
  await model.segmentBatch([picture, picture], { imageSize: 64, onProgress });
  t.same(told.at(-1), [2, 2]);
});

t.test('a batch of nothing, and one with what is no image, are refused', async (t) => {
  await t.rejects(model.segmentBatch([]), { code: 'INVALID_ARGUMENT', message: /at least one image/ });
  const none = model.segmentBatch([picture, { width: 3 } as never], { imageSize: 64 });
  await t.rejects(none, { code: 'INVALID_ARGUMENT', message: /Expected an image as a path/ });
  const short = model.segmentBatch([picture, { ...picture, width: 91 }], { imageSize: 64 });
  await t.rejects(short, { code: 'SHAPE' });
  await t.rejects(model.segment(picture, { passSize: 0 }), { code: 'INVALID_ARGUMENT' });
});
