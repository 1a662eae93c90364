/** The converted detector against the reference's recorded arrays (float32), and what it takes. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { convert } from '../../lib/model/convert.js';
import { DetectionModel } from '../../lib/model/detection-model.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { close, sameBits } from '../helpers/close.js';
import { formulaOutputs, formulaTensor } from '../helpers/formula.js';
import { writeFormulaCheckpoints, writeFormulaModel } from '../helpers/network.js';
import { readSafetensors, type Stored } from '../helpers/safetensors.js';
import { shared, skipWithout } from '../helpers/temporary.js';

const rtol = 1e-4;
const images = (shape: readonly number[]) => Tensor.from(formulaTensor('image', shape).data, shape);

/** Every stored detection has one of the same label, score and place: those of nearly equal scores may change places. */
function sameDetections(t: Test, got: Record<'scores' | 'labels' | 'boxes', number[]>, stored: typeof got) {
  const { scores, labels, boxes } = stored;
  const missing = scores.filter((score, i) => {
    const box = boxes.slice(4 * i, 4 * i + 4);
    return !got.scores.some(
      (other, j) =>
        Math.abs(other - score) <= rtol * score &&
        got.labels[j] === labels[i] &&
        box.every((edge, k) => Math.abs(got.boxes[4 * j + k]! - edge) < 0.05),
    );
  });
  t.same(missing, [], `all ${scores.length} detections`);
  const inOrder = labels.filter((label, i) => got.labels[i] === label).length;
  t.ok(inOrder >= 0.9 * labels.length, `${inOrder} of ${labels.length} in the stored order`);
}

async function checkOutputs(t: Test, path: string, image: Stored, expected: Record<string, Stored>) {
  using model = await DetectionModel.load(path);
  using input = Tensor.from(image.data, image.shape);
  using features = await model.features(input);
  t.same(features.shape, expected['features']!.shape);
  close(t, 'features', await features.floats(), expected['features']!.data, { rtol });

  const { predLogits, predBoxes } = await model.forward(input);
  for (const [key, tensor] of [
    ['pred_logits', predLogits],
    ['pred_boxes', predBoxes],
  ] as const) {
    const { data, shape } = expected[key]!;
    t.same(tensor.shape, shape);
    close(t, key, await tensor.floats(), data, { rtol, shape });
  }
  t.equal(model.queries, predLogits.shape[1]);

  const [, , height, width] = image.shape as [number, number, number, number];
  const top = expected['scores']!.shape[0]!;
  const best = await engine().bestDetections(predLogits.handle, predBoxes.handle, { width, height, top });
  const numbers = async (name: 'scores' | 'labels' | 'boxes') =>
    Array.from(await Tensor.wrap(best[name]).data(), Number);
  const [scores, labels, boxes] = [await numbers('scores'), await numbers('labels'), await numbers('boxes')];
  const stored = (name: string) => Array.from(expected[name]!.data as ArrayLike<number>, Number);
  close(t, 'scores', scores, stored('scores'), { rtol });
  sameDetections(
    t,
    { scores, labels, boxes },
    { scores: stored('scores'), labels: stored('labels'), boxes: stored('boxes') },
  );
}

t.test('det with formula weights gives the recorded arrays', async (t) => {
  const path = await writeFormulaModel(t.testdir(), 'det');
  await checkOutputs(t, path, formulaTensor('image', [1, 3, 144, 192]), formulaOutputs('det'));
});

for (const name of ['case0', 'case1']) {
  const skip = skipWithout(`golden/det/${name}.safetensors`);
  t.test(`det/${name} from .pth files gives the recorded arrays`, { skip }, async (t) => {
    const folder = join(shared, 'golden/det');
    const out = join(t.testdir(), 'detector.pt');
    const plan = await convert({
      backbone: join(folder, 'backbone.pth'),
      head: join(folder, 'head.pth'),
      out,
      task: 'detection',
    });
    t.equal(plan.dims['queries'], 60);
    const { tensors } = readSafetensors(join(folder, `${name}.safetensors`));
    await checkOutputs(t, out, tensors['image']!, tensors);
  });
}

t.test('windows of several sizes see what the backbone sees of each alone', async (t) => {
  const folder = t.testdir({ det: {}, seg: {} });
  using model = await DetectionModel.load(await writeFormulaModel(join(folder, 'det'), 'det'));
  // The same formula: the same backbone.
  using alone = await SegmentationModel.load(await writeFormulaModel(join(folder, 'seg')));
  const side = 160;
  const { data } = formulaTensor('image', [1, 3, side, side]);
  using input = Tensor.from(data, [1, 3, side, side]);
  using features = await model.features(input);
  const found = await features.floats();
  const [layers, channels, patches] = [4, 64, side / 16];
  const starts = [0, 64, 128, 160];
  for (const [row, top] of starts.slice(0, 3).entries())
    for (const [column, left] of starts.slice(0, 3).entries()) {
      const [height, width] = [starts[row + 1]! - top, starts[column + 1]! - left];
      const pixels = new Float32Array(3 * height * width);
      for (let i = 0; i < pixels.length; i++) {
        const [c, y, x] = [Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width];
        pixels[i] = data[(c * side + top + y) * side + left + x]!;
      }
      using crop = Tensor.from(pixels, [1, 3, height, width]);
      const taps = await engine().taps(alone.handle, crop.handle);
      const [actual, expected]: number[][] = [[], []];
      for (let layer = 0; layer < layers; layer++) {
        const tokens = await Tensor.wrap(taps[`vit.${layer}.patch`]!).floats();
        for (let i = 0; i < tokens.length; i++) {
          const [patch, channel] = [Math.floor(i / channels), i % channels];
          const y = top / 16 + Math.floor(patch / (width / 16));
          const x = left / 16 + (patch % (width / 16));
          const plane = layers * channels + layer * channels + channel;
          actual!.push(found[(plane * patches + y) * patches + x]!);
          expected!.push(tokens[i]!);
        }
      }
      close(t, `window ${row}, ${column}`, actual!, expected!, { rtol: 1e-5 });
    }
});

t.test('images of a batch get what each gets alone', async (t) => {
  using model = await DetectionModel.load(await writeFormulaModel(t.testdir(), 'det'));
  using both = images([2, 3, 112, 144]);
  const together = await model.forward(both);
  for (const i of [0, 1]) {
    using one = both.slice(i, 1);
    const alone = await model.forward(one);
    for (const key of ['predLogits', 'predBoxes'] as const)
      close(t, `${key} ${i}`, await together[key].slice(i, 1).floats(), await alone[key].floats(), { rtol });
  }
});

t.test('detect gives boxes in the pixels of the image, best first', async (t) => {
  using model = await DetectionModel.load(await writeFormulaModel(t.testdir(), 'det'));
  const [width, height] = [384, 432];
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7919) % 251);
  const image = { data, width, height };
  const imageSize = { width: 192, height: 144 };
  const prepared = await engine().prepareImages([image], {
    ...imageSize,
    device: 'cpu',
    normalization: model.normalization,
  });
  const { predLogits, predBoxes } = await model.forward(Tensor.wrap(prepared));
  const best = await engine().bestDetections(predLogits.handle, predBoxes.handle, { ...imageSize, top: 20 });
  const scores = await Tensor.wrap(best.scores).floats();
  const labels = Array.from(await Tensor.wrap(best.labels).data(), Number);
  const boxes = await Tensor.wrap(best.boxes).floats();

  const found = await model.detect(image, { imageSize, top: 20, threshold: 0 });
  t.equal(found.length, 20);
  const flat = found.flatMap(({ x, y, width, height }) => [x / 2, y / 3, (x + width) / 2, (y + height) / 3]);
  close(t, 'boxes', flat, boxes, { rtol: 1e-5 });
  close(
    t,
    'scores',
    found.map(({ score }) => score),
    scores,
    { rtol: 1e-6 },
  );
  t.same(
    found.map(({ label }) => label),
    labels,
  );
  for (const { x, y, width: w, height: h } of found)
    t.ok(x >= 0 && y >= 0 && x + w <= width + 1e-3 && y + h <= height + 1e-3, 'lies within the image');
  t.type(found[0]!.name, 'string');

  const threshold = found[9]!.score;
  const some = await model.detect(image, { imageSize, top: 20, threshold });
  t.ok(some.length >= 10 && some.every(({ score }) => score >= threshold), 'from the threshold on');
  t.ok(
    (await model.detect(image, { imageSize: 100, threshold: 0, top: 3 })).length === 3,
    'by the short side',
  );
});

t.test('detectBatch gives each image what detect gives it, whatever the sizes and passes', async (t) => {
  using model = await DetectionModel.load(await writeFormulaModel(t.testdir(), 'det'));
  const picture = (width: number, height: number, seed: number) => ({
    data: Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7919 + seed * 31) % 251),
    ...{ width, height },
  });
  const pictures = [
    picture(160, 120, 1),
    picture(120, 160, 2),
    picture(320, 240, 3),
    picture(160, 120, 4),
    picture(300, 225, 5),
  ];
  const options = { imageSize: 96, top: 20, threshold: 0 };
  const alone = [];
  for (const image of pictures) alone.push(await model.detect(image, options));
  t.notSame(alone[0], alone[3], 'images differ');
  for (const passSize of [undefined, 1, 2, 8]) {
    const together = await model.detectBatch(pictures, { ...options, ...(passSize && { passSize }) });
    t.equal(together.length, pictures.length);
    for (const [i, found] of together.entries()) {
      const flat = (of: typeof found) =>
        of.flatMap(({ x, y, width, height, score }) => [x, y, width, height, score]);
      t.equal(found.length, 20);
      close(t, `image ${i} in passes of ${passSize}`, flat(found), flat(alone[i]!), { rtol });
    }
  }
  const threshold = alone[2]![4]!.score;
  const counts = (await model.detectBatch(pictures, { ...options, threshold })).map(({ length }) => length);
  t.same(
    counts,
    alone.map((found) => found.filter(({ score }) => score >= threshold).length),
    'each image has its own number of them',
  );
  t.same(
    await model.detectBatch([pictures[0]!], { ...options, threshold: 1 }),
    [[]],
    'none, of an image without',
  );

  await t.rejects(model.detectBatch([]), { code: 'INVALID_ARGUMENT', message: /at least one image/ });
  await t.rejects(model.detectBatch('a.jpg' as never), {
    code: 'INVALID_ARGUMENT',
    message: /an array of images/,
  });
  await t.rejects(model.detectBatch(pictures, { passSize: 0 }), {
    code: 'INVALID_ARGUMENT',
    message: /passSize/,
  });
});

t.test('a backbone in bfloat16 has a head in float32', async (t) => {
  const folder = t.testdir();
  const checkpoints = await writeFormulaCheckpoints(folder, 'det');
  const out = join(folder, 'detector.pt');
  await convert({ ...checkpoints, out, task: 'detection', dtype: 'bfloat16' });
  const { tensors } = await engine().inspect(out);
  const dtypeOf = (key: string) => tensors.find(({ name }) => name === key)?.dtype;
  t.equal(dtypeOf('backbone.0._backbone.backbone.blocks.0.mlp.w1.weight'), 'bfloat16');
  t.equal(dtypeOf('backbone.0._backbone.backbone.norm.weight'), 'float32');
  for (const key of ['transformer.decoder.layers.0.linear1.weight', 'bbox_embed.6.layers.2.weight'])
    t.equal(dtypeOf(key), 'float32', key);
  t.equal(dtypeOf('transformer.decoder.bbox_embed.6.layers.2.weight'), undefined, 'repeats are left out');

  using rounded = await DetectionModel.load(out);
  const path = await writeFormulaModel(folder, 'det');
  using exact = await DetectionModel.load(path);
  using cast = await DetectionModel.load(path, { dtype: 'bfloat16' });
  t.equal(cast.dtype, exact.dtype, 'most weights are of the head here');
  using input = images([1, 3, 112, 144]);
  const features = await (await rounded.features(input)).floats();
  close(t, 'features', features, await (await exact.features(input)).floats(), { rtol: 0.05 });
  t.ok(sameBits(await (await cast.features(input)).floats(), features), 'cast on loading as in converting');
});
