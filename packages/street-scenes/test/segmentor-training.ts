/** Training a whole network: what it sees, that it learns, that it goes on, and what it writes. */
import { join } from 'node:path';
import t from 'tap';
import { drawScene } from '../lib/scenes.js';
import { convert } from '../../../lib/model/convert.js';
import { SegmentationModel } from '../../../lib/model/segmentation-model.js';
import { engine } from '../../../lib/native/engine.js';
import { close, sameBits } from '../../../test/helpers/close.js';
import { batchOf, stepOptions, takeSteps, valuesOf, wholeView } from './helpers/scene-batches.js';
import { trainingEngine, type TrainingHandle } from '../lib/training-engine.js';

const e = engine();
const trainer = trainingEngine();
trainer.setThreads(1);
const [width, height, size, count] = [64, 48, 64, 4];

function create(
  changes: Partial<Parameters<typeof trainer.createTraining>[0]> = {},
): Promise<TrainingHandle> {
  return trainer.createTraining({
    ...{ architecture: 'tiny', seed: 3, device: 'cpu', height: size, width: size },
    ...{ sceneHeight: height, sceneWidth: width, capacity: count },
    ...changes,
  });
}

async function drawnScenes() {
  const pixels = width * height;
  const images = new Uint8Array(3 * pixels * count);
  const labels = new Uint8Array(pixels * count);
  const parts = new Uint8Array(pixels * count);
  for (let i = 0; i < count; i++) {
    const scene = await drawScene({ seed: 5, index: i, width, height });
    images.set(scene.image.data, 3 * pixels * i);
    labels.set(scene.ade, pixels * i);
    parts.set(scene.label, pixels * i);
  }
  return { images, labels, parts };
}

function handles({ images, labels, parts }: Record<'images' | 'labels' | 'parts', Uint8Array>) {
  const sizes = [labels.length / (width * height), height, width];
  return {
    images: e.tensor(images, [...sizes, 3]),
    labels: e.tensor(labels, sizes),
    parts: e.tensor(parts, sizes),
  };
}

async function created(): Promise<TrainingHandle> {
  const training = await create();
  await trainer.trainingAdd(training, handles(await drawnScenes()));
  return training;
}

async function trained(steps: number, training?: TrainingHandle): Promise<TrainingHandle> {
  return takeSteps(training ?? (await created()), steps, count);
}

t.test('a view of a whole scene is the scene, normalised, and shares count its pixels', async (t) => {
  const scenes = await drawnScenes();
  const training = await created();
  const { images, shares, counted, classes } = await trainer.trainingViews(training, batchOf([2]), {
    height,
    width,
  });
  const pixels = width * height;
  const [mean, deviation] = [
    [0.485, 0.456, 0.406],
    [0.229, 0.224, 0.225],
  ];
  const expected = Array.from({ length: 3 * pixels }, (_, i) => {
    const channel = Math.floor(i / pixels);
    const value = scenes.images[3 * (2 * pixels + (i % pixels)) + channel]! / 255;
    return (value - mean![channel]!) / deviation![channel]!;
  });
  close(t, 'pixels', await valuesOf(images), expected, { atol: 1e-4 });
  const [cellsWide, cells] = [width / 4, pixels / 16];
  const pair = (i: number) => 256 * scenes.labels[2 * pixels + i]! + scenes.parts[2 * pixels + i]!;
  const segments = [...new Set(Array.from({ length: pixels }, (_, i) => pair(i)))];
  t.same(
    classes[0],
    segments.map((own) => (own >> 8 === 255 ? -1 : own >> 8)),
    'segments by their first pixel, with their classes',
  );
  const expectedShares = new Float64Array(segments.length * cells);
  for (let i = 0; i < pixels; i++) {
    const cell = Math.floor(i / width / 4) * cellsWide + Math.floor((i % width) / 4);
    expectedShares[segments.indexOf(pair(i)) * cells + cell]! += 1 / 16;
  }
  close(t, 'shares', await valuesOf(shares), expectedShares, { atol: 1e-6 });
  t.ok((await valuesOf(counted)).every((value) => value === 1));
});

t.test('a mirrored view is the view, mirrored', async (t) => {
  const training = await created();
  const views = [wholeView, [1, -1, 0, 1, 1, 1, 1, 1, 1]];
  const { images, shares } = await trainer.trainingViews(training, batchOf([1, 1], views), { height, width });
  for (const [name, handle, rowLength] of [
    ['pixels', images, width],
    ['shares', shares, width / 4],
  ] as const) {
    const all = await valuesOf(handle);
    const [plain, mirrored] = [all.subarray(0, all.length / 2), all.subarray(all.length / 2)];
    const turned = plain.map((_, i) => plain[i - (i % rowLength) + rowLength - 1 - (i % rowLength)]!);
    close(t, name, mirrored, turned, { atol: 1e-4 });
  }
});

t.test('pixels without label and part are not counted', async (t) => {
  const training = await create();
  const pixels = width * height;
  const labels = new Uint8Array(pixels).fill(7);
  const parts = new Uint8Array(pixels);
  labels.fill(255, 0, pixels / 2);
  parts.fill(255, 0, pixels / 2);
  parts.fill(1, pixels / 2, pixels / 2 + width);
  await trainer.trainingAdd(training, handles({ images: new Uint8Array(3 * pixels), labels, parts }));
  const { shares, counted, classes } = await trainer.trainingViews(training, batchOf([0]), { height, width });
  const cells = pixels / 16;
  t.same(classes, [[7, 7]]);
  t.same(
    [...(await valuesOf(counted))],
    Array.from({ length: cells }, (_, i) => (i < cells / 2 ? 0 : 1)),
  );
  const first = (await valuesOf(shares)).subarray(0, cells);
  t.same(
    [...new Set(first)].sort((a, b) => a - b),
    [0, 0.25],
    'a row of four belongs to the first segment',
  );
});

t.test('steps on a batch make its loss less, and weights without use stay', async (t) => {
  const training = await created();
  const losses: number[] = [];
  for (let step = 0; step < 12; step++) {
    await trainer.trainingStep(training, batchOf([0, 1]), stepOptions);
    losses.push((await trainer.trainingLosses(training)).total);
  }
  t.ok(losses.at(-1)! < 0.85 * losses[0]!, `${losses[0]!.toFixed(1)} → ${losses.at(-1)!.toFixed(1)}`);
  t.ok(losses.every(Number.isFinite));
  t.match(trainer.trainingInfo(training), { steps: 12, scenes: count });
});

t.test('saved and restored it goes on to the same bits', async (t) => {
  const folder = t.testdir();
  const file = (name: string) => join(folder, name);
  const image = e.tensor(new Float32Array(3 * size * size).fill(0.3), [1, 3, size, size]);
  const straight = await trained(5);
  await trainer.trainingSaveState(await trained(3), file('state.safetensors'));
  const resumed = await created();
  await trainer.trainingRestoreState(resumed, file('state.safetensors'));
  t.equal(trainer.trainingInfo(resumed).steps, 3);
  await trained(2, resumed);
  await trainer.trainingSaveState(straight, file('a.safetensors'));
  await trainer.trainingSaveState(resumed, file('b.safetensors'));
  const [a, b] = [await e.readTensors(file('a.safetensors')), await e.readTensors(file('b.safetensors'))];
  for (const name of Object.keys(a.tensors))
    t.ok(sameBits(await valuesOf(a.tensors[name]!), await valuesOf(b.tensors[name]!)), name);
  for (const each of [straight, resumed]) await trainer.trainingCalibrate(each, batchOf([0, 3]));
  const outputs = await Promise.all(
    [straight, resumed].map(async (each) => valuesOf((await trainer.trainingPredictions(each, image)).masks)),
  );
  t.ok(sameBits(outputs[0]!, outputs[1]!), 'and so are the predictions');
});

t.test('what is written converts to a network with the same predictions', async (t) => {
  const folder = t.testdir();
  const paths = { backbone: join(folder, 'backbone.safetensors'), head: join(folder, 'head.safetensors') };
  const training = await trained(3);
  for (let i = 0; i < 20; i++) await trainer.trainingCalibrate(training, batchOf([0, 1, 2, 3]));
  const { images } = await trainer.trainingViews(training, batchOf([0, 1]), { height: size, width: size });
  const own = await trainer.trainingPredictions(training, images);
  const metadata = { origin: 'a test' };
  await trainer.trainingSave(training, { ...paths, dtype: 'float32', metadata });
  await convert({ ...paths, out: join(folder, 'model.pt') });
  using model = await SegmentationModel.load(join(folder, 'model.pt'));
  const forward = await e.forward(model.handle, images);
  for (const [name, all, given] of [
    ['class logits', own.logits, forward.predLogits],
    ['mask logits', own.masks, forward.predMasks],
  ] as const) {
    const [predictions, expected] = [await valuesOf(all), await valuesOf(given)];
    const each = expected.length / 2;
    const layers = predictions.length / expected.length;
    const last = [0, 1].flatMap((b) => [
      ...predictions.subarray(((b + 1) * layers - 1) * each, (b + 1) * layers * each),
    ]);
    close(t, name, last, expected, { rtol: 1e-4 });
  }
  t.match((await e.inspect(paths.head)).metadata, {
    ...metadata,
    architecture: 'tiny',
    seed: '3',
    steps: '3',
  });
  await trainer.trainingSave(training, { ...paths, dtype: 'bfloat16', metadata });
  const { tensors } = await e.inspect(paths.backbone);
  const dtypeOf = (name: string) => tensors.find((tensor) => tensor.name === name)!.dtype;
  t.equal(dtypeOf('blocks.0.attn.qkv.weight'), 'bfloat16');
  t.equal(dtypeOf('blocks.0.norm1.weight'), 'float32');
  await convert({ ...paths, out: join(folder, 'half.pt') });
});

t.test('the same seed begins with the same weights, another with others', async (t) => {
  const image = e.tensor(new Float32Array(3 * size * size).fill(0.1), [1, 3, size, size]);
  const masksOf = async (seed: number) =>
    valuesOf((await trainer.trainingPredictions(await create({ seed }), image)).masks);
  const first = await masksOf(1);
  t.ok(first.every(Number.isFinite));
  t.ok(sameBits(first, await masksOf(1)));
  t.notOk(sameBits(first, await masksOf(2)));
});

t.test('what cannot be is refused', async (t) => {
  const folder = t.testdir();
  const scenes = await drawnScenes();
  await t.rejects(create({ architecture: 'tinny' }), {
    code: 'INVALID_ARGUMENT',
    message: /Unknown network tinny/,
  });
  await t.rejects(create({ device: 'tpu' }), { code: 'DEVICE' });
  await t.rejects(create({ width: 50 }), { code: 'SHAPE', message: /multiples of 32/ });
  await t.rejects(create({ capacity: 0 }), { code: 'INVALID_ARGUMENT' });
  await t.rejects(create({ seed: -1 }), { code: 'INVALID_ARGUMENT', message: /seed/ });
  const training = await created();
  await t.rejects(trainer.trainingAdd(training, handles(scenes)), {
    code: 'INVALID_ARGUMENT',
    message: /room for 4/,
  });
  const empty = await create();
  await t.rejects(trainer.trainingAdd(empty, handles({ ...scenes, labels: scenes.labels.map(() => 150) })), {
    code: 'LABEL_VALUE',
    message: /labels hold 150/,
  });
  const { labels, ...others } = handles(scenes);
  const wrong = e.tensor(scenes.labels, [count, width, height]);
  await t.rejects(trainer.trainingAdd(empty, { ...others, labels: wrong }), { code: 'SHAPE' });
  t.equal(trainer.trainingInfo(empty).scenes, 0, 'nothing of what was refused is there');
  e.dispose(labels);
  await t.rejects(trainer.trainingStep(training, batchOf([4]), stepOptions), {
    code: 'INVALID_ARGUMENT',
    message: /4 scenes/,
  });
  await t.rejects(
    trainer.trainingStep(training, { ...batchOf([1, 2]), scenes: batchOf([1]).scenes }, stepOptions),
    {
      code: 'SHAPE',
    },
  );
  await t.rejects(trainer.trainingPredictions(training, e.tensor(new Float32Array(3), [1, 3, 1, 1])), {
    code: 'SHAPE',
  });
  const file = join(folder, 'state.safetensors');
  await trainer.trainingSaveState(training, file);
  const other = await create({ architecture: 'street-small' });
  await t.rejects(trainer.trainingRestoreState(other, file), {
    code: 'CHECKPOINT_KEYS',
    message: /street-small/,
  });
  await t.rejects(trainer.trainingRestoreState(other, join(folder, 'none')), { code: 'FILE_NOT_FOUND' });
  trainer.disposeTraining(other);
  t.throws(() => trainer.trainingInfo(other), { code: 'DISPOSED' });
});

t.test('training that diverges says so', async (t) => {
  const training = await created();
  const wild = { ...stepOptions, learningRate: 1e30, maxNorm: 0 };
  await t.rejects(
    (async () => {
      for (let step = 0; step < 6; step++) await trainer.trainingStep(training, batchOf([0, 1]), wild);
    })(),
    { code: 'INVALID_ARGUMENT', message: /diverged/ },
  );
});
