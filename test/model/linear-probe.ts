/** The linear probe in use: scores, class maps, files. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { SegmentationDataset } from '../../lib/data/dataset.js';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { encodePng } from '../../lib/data/decode.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { LinearProbe } from '../../lib/model/linear-probe.js';
import { openHead } from '../../lib/model/open-head.js';
import type { ProbeValues } from '../../lib/model/probe-file.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { openSegmenter } from '../../lib/model/segmenter.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { evaluate } from '../../lib/evaluate/evaluate.js';
import { predict } from '../../lib/predict/predict.js';
import { close } from '../helpers/close.js';
import { runCommand } from '../helpers/command-line.js';
import { resize } from '../helpers/dense-loss.js';
import { floats, normals } from '../helpers/heads.js';
import { probeLoss, probeScores, randomFeatures } from '../helpers/probe-loss.js';
import { createRandom } from '../helpers/random-values.js';
import { readSafetensors } from '../helpers/safetensors.js';
import { tinySettings } from '../helpers/tiny-run.js';

const e = engine();
const settings = await tinySettings(t.testdir());
const model = await SegmentationModel.load(settings.model);
const { normalization } = model;
const classSet = await loadClassSet('idd26');
const image = {
  data: Uint8Array.from({ length: 90 * 70 * 3 }, (_, i) => (i * 7919) >> 3),
  width: 90,
  height: 70,
};

function randomValues(classes: number, width: number, seed = 3): ProbeValues {
  const random = createRandom(seed);
  const around = (centre: number, count: number) =>
    normals(random, count, 0.3).map((value) => centre + value);
  return {
    classes,
    width,
    weight: around(0, classes * width),
    bias: around(0, classes),
    gamma: around(1, width),
    beta: around(0, width),
    runningMean: around(0, width),
    runningVar: around(2, width),
  };
}

/** A row of trained parameters, and the statistics that go with it. */
function definitionOf(values: ProbeValues) {
  const { weight, bias, gamma, beta } = values;
  return {
    row: [...weight, ...bias, ...gamma, ...beta],
    statistics: {
      mean: Float64Array.from(values.runningMean),
      variance: Float64Array.from(values.runningVar),
      count: 0,
    },
  };
}

t.test('scores, loss and class map follow the definition', async (t) => {
  const sizes = { batch: 2, channels: 12, classes: 6, h: 4, w: 6, height: 20, width: 33 };
  const values = randomValues(6, 12);
  using probe = await LinearProbe.from(values);
  t.match(probe, {
    classes: 6,
    width: 12,
    device: 'cpu',
    classSet: null,
    metadata: { precision: 'float32' },
  });
  const batch = randomFeatures(sizes, { seed: 2 });
  const features = Tensor.wrap(batch.handles.features);
  const labels = Tensor.wrap(batch.handles.labels);
  const { row, statistics } = definitionOf(values);

  using scores = await probe.forward(features);
  t.same(scores.shape, [2, 6, 4, 6]);
  const native = { ...sizes, height: 4, width: 6 };
  const expected = [0, 1].flatMap((b) => probeScores(native, batch, b, row, statistics));
  const flat = expected.flatMap((map) => [...map]);
  close(t, 'scores', await scores.floats(), flat, { rtol: 1e-6, shape: scores.shape });

  const sums = [0, 1].map((b) => probeLoss(sizes, batch, b, row, statistics));
  const { loss, pixels } = await probe.loss(features, labels);
  t.equal(pixels, sums[0]![1] + sums[1]![1]);
  close(t, 'loss', [loss], [(sums[0]![0] + sums[1]![0]) / pixels], { rtol: 1e-6 });

  using map = await probe.classMap(features, { width: 33, height: 20 });
  t.same(map.shape, [2, 20, 33]);
  const data = await map.data();
  let wrong = 0;
  for (const b of [0, 1]) {
    const resized = probeScores(sizes, batch, b, row, statistics);
    for (let i = 0; i < 20 * 33; i++) {
      const best = Math.max(...resized.map((one) => one[i]!));
      if (best - resized[Number(data[b * 20 * 33 + i])]![i]! > 1e-5) wrong++;
    }
  }
  t.equal(wrong, 0, 'no wrong pixel');
});

t.test('a probe is what its heads were when trained', async (t) => {
  const sizes = { batch: 2, channels: 12, classes: 6, h: 4, w: 6, height: 16, width: 24 };
  const heads = e.createHeads({ kind: 'linear_probe', width: 12, classes: 6, device: 'cpu', seeds: [1, 2] });
  const step = { learningRate: 1e-2, weightDecay: 0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, maxNorm: 1 };
  for (const seed of [1, 2, 3]) {
    await e.headsAccumulate(heads, randomFeatures(sizes, { seed }).handles, 1);
    await e.headsStep(heads, [step, step], [seed, seed], [true, true]);
  }
  const state = await e.headsState(heads);
  const batch = randomFeatures(sizes, { seed: 9 });
  const { losses } = await e.headsEvaluate(heads, batch.handles);
  for (const n of [0, 1]) {
    const part = async (all: Float32Array) => all.subarray((n * all.length) / 2, ((n + 1) * all.length) / 2);
    const row = await part(await floats(state.value));
    // Weight 6×12, bias 6, gamma and beta 12.
    const [weight, bias, gamma, beta] = [
      [0, 72],
      [72, 78],
      [78, 90],
      [90, 102],
    ].map(([first, end]) => row.slice(first, end));
    const runningMean = await part(await floats(state.runningMean!));
    const runningVar = await part(await floats(state.runningVar!));
    const values = { weight: weight!, bias: bias!, gamma: gamma!, beta: beta!, runningMean, runningVar };
    using probe = await LinearProbe.from({ classes: 6, width: 12, ...values });
    const features = Tensor.wrap(batch.handles.features);
    const { loss, pixels } = await probe.loss(features, Tensor.wrap(batch.handles.labels));
    const expected = (losses[2 * n]! + losses[4 + 2 * n]!) / pixels;
    close(t, `loss of head ${n}`, [loss], [expected], { rtol: 1e-6 });
  }
});

t.test('a file keeps everything, under the names of PyTorch heads', async (t) => {
  const path = join(t.testdir({ sub: {} }), 'sub/probe.safetensors');
  const values = randomValues(26, 64);
  using probe = await LinearProbe.from(values, { metadata: { classSet, modelId: model.id, imageSize: 64 } });
  await probe.save(path, { metadata: { epoch: 4, mIoU: 0.5 } });
  const { tensors, metadata } = readSafetensors(path);
  t.match(metadata, { format: 'dinov3-seg head', kind: 'linear_probe', epoch: '4', mIoU: '0.5' });
  const shapes = Object.fromEntries(Object.entries(tensors).map(([name, { shape }]) => [name, shape]));
  t.same(shapes, {
    'batchnorm_layer.weight': [64],
    'batchnorm_layer.bias': [64],
    'batchnorm_layer.running_mean': [64],
    'batchnorm_layer.running_var': [64],
    'conv_seg.weight': [26, 64, 1, 1],
    'conv_seg.bias': [26],
  });
  using loaded = await LinearProbe.load(path);
  t.same(loaded.values, values);
  t.match(loaded.metadata, { epoch: 4, mIoU: 0.5, modelId: model.id, imageSize: 64, precision: 'float32' });
  t.equal(loaded.classSet?.name, 'idd26');
  t.same(readdirSync(join(path, '..')), ['probe.safetensors'], 'nothing else is left');

  using opened = await openHead(path);
  t.ok(opened instanceof LinearProbe);
  await t.rejects(ClassHead.open(path), {
    code: 'CHECKPOINT_FORMAT',
    message: /holds a linear probe, not a class_embed head\. Use LinearProbe\.load/,
  });
});

t.test('files without a fitting probe are refused', async (t) => {
  const folder = t.testdir();
  const at = (name: string) => join(folder, `${name}.safetensors`);
  using head = ClassHead.create({ hidden: 8, classes: 3 });
  await head.save(at('head'));
  await t.rejects(LinearProbe.load(at('head')), {
    code: 'CHECKPOINT_FORMAT',
    message: /holds a class_embed head, not a linear probe\. Use ClassHead\.load/,
  });
  using opened = await openHead(at('head'));
  t.ok(opened instanceof ClassHead);

  const metadata = {
    format: 'dinov3-seg head',
    formatVersion: '1',
    precision: 'float32',
    kind: 'linear_probe',
  };
  const weight = Tensor.from(new Float32Array(6), [3, 2, 1, 1]);
  await e.writeSafetensors(at('part'), { 'conv_seg.weight': weight.handle }, metadata);
  await t.rejects(LinearProbe.load(at('part')), { code: 'CHECKPOINT_KEYS', message: /conv_seg\.bias/ });
  const row = Tensor.from(new Float32Array(3), [3]).handle;
  const keys = ['weight', 'bias', 'running_mean', 'running_var'].map((key) => `batchnorm_layer.${key}`);
  const wide = Object.fromEntries([...keys, 'conv_seg.bias'].map((key) => [key, row]));
  await e.writeSafetensors(at('wide'), { ...wide, 'conv_seg.weight': weight.handle }, metadata);
  await t.rejects(LinearProbe.load(at('wide')), {
    code: 'HEAD_MISMATCH',
    message: /batchnorm_layer\.weight .* is 3; .*3×2×1×1 here/,
  });
  await e.writeSafetensors(at('forest'), { row }, { ...metadata, kind: 'forest' });
  await t.rejects(LinearProbe.load(at('forest')), { code: 'CHECKPOINT_FORMAT', message: /kind "forest"/ });
  await t.rejects(LinearProbe.load(at('absent')), { code: 'FILE_NOT_FOUND' });
  await t.rejects(LinearProbe.from({ ...randomValues(3, 4), beta: new Float32Array(5) }), { code: 'SHAPE' });
  await t.rejects(LinearProbe.from(randomValues(256, 2)), { code: 'HEAD_MISMATCH', message: /255 classes/ });
  await t.rejects(LinearProbe.from(randomValues(3, 4), { metadata: { classSet } }), {
    code: 'HEAD_MISMATCH',
  });
  await t.rejects(LinearProbe.from(randomValues(3, 4), { device: 'cuda:99' }), { code: 'DEVICE' });
});

t.test('a probe segments an image at its own size', async (t) => {
  using probe = await LinearProbe.from(randomValues(5, 64));
  const place = { width: 96, height: 64, device: 'cpu', normalization };
  using images = Tensor.wrap(await e.prepareImages([image], place));
  using features = await model.features(images);
  const scores = await (await probe.forward(features)).floats();
  const size: [number, number] = [70, 90];
  const resized = [0, 1, 2, 3, 4].map((k) => resize(scores.subarray(k * 24, (k + 1) * 24), [4, 6], size));
  const { data, width, height } = await probe.segment(model, image, { imageSize: place });
  t.same([width, height, data.length], [90, 70, 6300]);
  const behind = data.map((k, i) =>
    Number(Math.max(...resized.map((map) => map[i]!)) - resized[k]![i]! > 1e-5),
  );
  t.equal(
    behind.reduce((sum, one) => sum + one, 0),
    0,
    'the best class everywhere',
  );
  t.same((await model.segment(image, { head: probe, imageSize: place })).data, data);
  const given = await model.scores(image, { head: probe, imageSize: place });
  t.match(given, { classes: 5, width: 90, height: 70 });
  close(
    t,
    'scores',
    given.data,
    resized.flatMap((map) => [...map]),
    { rtol: 1e-6 },
  );
});

t.test('sliding windows average the scores of a probe', async (t) => {
  using probe = await LinearProbe.from(randomValues(5, 64));
  // The image is one window high and two wide, 26 columns apart.
  const wide = { data: image.data.subarray(0, 90 * 64 * 3), width: 90, height: 64 };
  const { data } = await probe.segment(model, wide, { imageSize: 64, mode: 'slide', stride: 64 });
  const normalised = Tensor.wrap(
    await e.prepareImages([wide], { width: 90, height: 64, device: 'cpu', normalization }),
  );
  const pixels = await normalised.floats();
  const sums = Array.from({ length: 5 }, () => new Float64Array(64 * 90));
  const windows = new Float64Array(64 * 90);
  for (const left of [0, 26]) {
    const crop = Float32Array.from({ length: 3 * 64 * 64 }, (_, i) => {
      const [row, x] = [Math.floor(i / 64), i % 64];
      return pixels[row * 90 + left + x]!;
    });
    using input = Tensor.from(crop, [1, 3, 64, 64]);
    const scores = await (await probe.forward(await model.features(input))).floats();
    for (let k = 0; k < 5; k++)
      resize(scores.subarray(k * 16, (k + 1) * 16), [4, 4], [64, 64]).forEach((value, i) => {
        sums[k]![Math.floor(i / 64) * 90 + left + (i % 64)]! += value;
      });
    for (let i = 0; i < 64 * 64; i++) windows[Math.floor(i / 64) * 90 + left + (i % 64)]!++;
  }
  let wrong = 0;
  data.forEach((k, i) => {
    const best = Math.max(...sums.map((sum) => sum[i]! / windows[i]!));
    if (best - sums[k]![i]! / windows[i]! > 1e-5) wrong++;
  });
  t.equal(wrong, 0, 'no wrong pixel');
});

t.test('what does not fit is refused', async (t) => {
  using probe = await LinearProbe.from(randomValues(5, 48));
  await t.rejects(probe.segment(model, image, { imageSize: 64 }), {
    code: 'HEAD_MISMATCH',
    message: /expects features of width 48, but the network .* of width 64\. Use a probe trained on/,
  });
  using fitting = await LinearProbe.from(randomValues(5, 64));
  await t.rejects(model.segment(image, { head: fitting, imageSize: 64, scoring: 'ade20k' }), {
    code: 'INVALID_ARGUMENT',
    message: /recipe/,
  });
  const foreign = join(import.meta.dirname, '../fixtures/torchscript/foreign.pt');
  using without = await SegmentationModel.load(foreign);
  await t.rejects(fitting.segment(without, image, { imageSize: 64 }), {
    code: 'MODEL_FORMAT',
    message: /Convert it again/,
  });
  const gone = await LinearProbe.from(randomValues(5, 64));
  gone.dispose();
  gone.dispose();
  await t.rejects(gone.segment(model, image, { imageSize: 64 }), {
    code: 'DISPOSED',
    message: /linear probe was used after dispose/,
  });
});

t.test('eval and predict take a probe where they take a head', async (t) => {
  const folder = t.testdir();
  const path = join(folder, 'probe.safetensors');
  using probe = await LinearProbe.from(randomValues(26, 64), { metadata: { classSet, imageSize: 64 } });
  await probe.save(path);
  const dataset = await SegmentationDataset.open(settings.data, 'val', classSet);
  const result = await evaluate(model, probe, dataset, { imageSize: 64 });
  let [loss, images] = [0, 0];
  const total = new Float64Array(26 * 26);
  for (let i = 0; i < dataset.length; i++) {
    const { image, label } = await dataset.load(i);
    const place = { width: 64, height: 64, device: 'cpu', normalization };
    using inputs = Tensor.wrap(await e.prepareImages([image], place));
    using labels = Tensor.wrap(await e.prepareLabels([label], place));
    using features = await model.features(inputs);
    loss += (await probe.loss(features, labels)).loss;
    images++;
    using map = await probe.classMap(features, { width: 64, height: 64 });
    (await e.confusion(map.handle, labels.handle, 26)).forEach((count, k) => (total[k]! += count));
  }
  t.same(result.confusion.flat(), [...total]);
  close(t, 'loss', [result.loss!], [loss / images], { rtol: 1e-12 });

  const measured = await runCommand([
    'eval',
    ...['--model', settings.model, '--head', path, '--data', settings.data, '--device', 'cpu', '--json'],
  ]);
  t.equal(measured.code, 0, measured.stderr);
  t.match(JSON.parse(measured.stdout), { mIoU: result.mIoU, images: 2 });

  using opened = await openSegmenter({ model: settings.model, head: path });
  t.match(opened, { scoring: 'recipe', imageSize: 64, classSet: { name: 'idd26' } });
  const picture = await encodePng(image.data, 90, 70, 3);
  const input = join(t.testdir({ 'in.png': picture }), 'in.png');
  const { head, scoring } = opened;
  const options = { head, classSet, scoring, output: join(folder, 'out') };
  const { written } = await predict(opened.model, [input], options);
  t.equal(written.length, 1);
  using other = await LinearProbe.from(randomValues(27, 64));
  await t.rejects(evaluate(model, other, dataset, { imageSize: 64 }), {
    code: 'HEAD_MISMATCH',
    message: /Expected 26 outputs for recipe scoring/,
  });
});
