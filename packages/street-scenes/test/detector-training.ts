/** Training a detector's head on a backbone that is there: what it sees, that it learns, that it goes on, what it writes. */
import { join } from 'node:path';
import t from 'tap';
import { drawScene } from '../lib/scenes.js';
import { convert } from '../../../lib/model/convert.js';
import { DetectionModel } from '../../../lib/model/detection-model.js';
import { engine } from '../../../lib/native/engine.js';
import { close, sameBits } from '../../../test/helpers/close.js';
import { batchOf, stepOptions, takeSteps, valuesOf } from './helpers/scene-batches.js';
import { trainingEngine, type TrainingHandle } from '../lib/training-engine.js';

const e = engine();
const trainer = trainingEngine();
trainer.setThreads(1);
const [width, height, size, count] = [64, 48, 96, 4];
const folder = t.testdir();
const file = (name: string) => join(folder, name);
const backbone = file('backbone.safetensors');

t.before(async () => {
  const segmentor = await trainer.createTraining({
    ...{ architecture: 'tiny', seed: 1, device: 'cpu', height: 64, width: 64 },
    ...{ sceneHeight: height, sceneWidth: width, capacity: 1 },
  });
  const paths = { backbone, head: file('segmentor-head.safetensors') };
  await trainer.trainingSave(segmentor, { ...paths, dtype: 'bfloat16', metadata: {} });
});

function create(
  changes: Partial<Parameters<typeof trainer.createTraining>[0]> = {},
): Promise<TrainingHandle> {
  return trainer.createTraining({
    ...{ architecture: 'tiny-detector', backbone, seed: 3, device: 'cpu', height: size, width: size },
    ...{ sceneHeight: height, sceneWidth: width, capacity: count },
    ...changes,
  });
}

interface Boxed {
  images: Uint8Array;
  /** Of each scene: COCO's id, then the corners. */
  objects: (readonly [id: number, x0: number, y0: number, x1: number, y1: number])[][];
}

async function drawnScenes(): Promise<Boxed> {
  const scenes = await Promise.all(
    Array.from({ length: count }, (_, index) => drawScene({ seed: 5, index, width, height })),
  );
  return {
    images: Uint8Array.from(scenes.flatMap(({ image }) => [...image.data])),
    objects: scenes.map(({ objects }) => objects.map(({ id, box }) => [id, ...box] as const)),
  };
}

function handles({ images, objects }: Boxed) {
  const all = objects.flat();
  return {
    images: e.tensor(images, [objects.length, height, width, 3]),
    boxes: e.tensor(Float32Array.from(all.flatMap(([, ...box]) => box)), [all.length, 4]),
    classes: e.tensor(
      Int32Array.from(all, ([id]) => id),
      [all.length],
    ),
    counts: e.tensor(
      Int32Array.from(objects, ({ length }) => length),
      [objects.length],
    ),
  };
}

const oneScene = (objects: Boxed['objects'][number]): Boxed => ({
  images: new Uint8Array(3 * width * height),
  objects: [objects],
});

async function created(): Promise<TrainingHandle> {
  const training = await create();
  await trainer.trainingAddBoxes(training, handles(await drawnScenes()));
  return training;
}

async function trained(steps: number, training?: TrainingHandle): Promise<TrainingHandle> {
  return takeSteps(training ?? (await created()), steps, count);
}

/** Boxes and classes of views, without those that fill up. */
async function boxesOf(training: TrainingHandle, batch: ReturnType<typeof batchOf>) {
  const views = await trainer.trainingBoxViews(training, batch, { height: size, width: size });
  const all = await valuesOf(views.boxes);
  const most = all.length / 4 / views.classes.length;
  return views.classes.map((classes, b) =>
    classes.map((ownClass, i) => [ownClass, ...all.slice(4 * (b * most + i), 4 * (b * most + i) + 4)]),
  );
}

t.test('a view of a whole scene has its boxes, by centre and size in pixels of the view', async (t) => {
  const { objects } = await drawnScenes();
  t.ok(objects.every(({ length }) => length > 0));
  const [across, down] = [size / width, size / height];
  const found = await boxesOf(await created(), batchOf([0, 1, 2, 3]));
  found.forEach((boxes, scene) =>
    close(
      t,
      `scene ${scene}`,
      boxes.flat(),
      objects[scene]!.flatMap(([id, x0, y0, x1, y1]) => [
        ...[id, ((x0 + x1) / 2) * across, ((y0 + y1) / 2) * down],
        ...[(x1 - x0) * across, (y1 - y0) * down],
      ]),
      { rtol: 1e-6 },
    ),
  );
});

t.test(
  'a part of a scene, mirrored: boxes are cut, and gone where less than a quarter is left',
  async (t) => {
    const training = await create();
    const objects = [
      [1, 0, 0, 20, 20], // outside of the right half
      [2, 28, 12, 36, 24], // half of it is seen
      [3, 31, 0, 64, 48], // all that is seen is its own
      [4, 20, 10, 35, 20], // a fifth of it is seen
      [91 - 1, 40, 6, 48, 12],
    ] as const;
    await trainer.trainingAddBoxes(training, handles(oneScene([...objects])));
    const right = [0.5, 0.5, 0, 1, 1, 1, 1, 1, 1];
    const mirrored = [1, -0.5, 0, 1, 1, 1, 1, 1, 1];
    const [plain, turned] = await boxesOf(training, batchOf([0, 0], [right, mirrored]));
    const expected = [
      [2, 6, 36, 12, 24],
      [3, 48, 48, 96, 96],
      [90, 36, 18, 24, 12],
    ];
    t.same(plain, expected);
    t.same(
      turned,
      expected.map(([id, x, ...others]) => [id, size - x!, ...others]),
    );
  },
);

t.test('a mirrored view shows what its boxes say', async (t) => {
  const training = await create();
  const scene = oneScene([[3, 8, 12, 24, 36]]);
  for (let y = 12; y < 36; y++) scene.images.fill(255, 3 * (y * width + 8), 3 * (y * width + 24));
  await trainer.trainingAddBoxes(training, handles(scene));
  const mirrored = [0.9, -0.8, 0.1, 0.85, 1, 1, 1, 1, 1];
  const batch = batchOf([0], [mirrored]);
  const [[[, x, y, w, h] = []] = []] = await boxesOf(training, batch);
  const { images } = await trainer.trainingBoxViews(training, batch, { height: size, width: size });
  const pixels = (await valuesOf(images)).subarray(0, size * size);
  const bright = [...pixels.keys()].filter((i) => pixels[i]! > 0);
  const columns = bright.map((i) => i % size);
  const rows = bright.map((i) => Math.floor(i / size));
  const seen = [Math.min(...columns), Math.min(...rows), Math.max(...columns) + 1, Math.max(...rows) + 1];
  close(t, 'edges', seen, [x! - w! / 2, y! - h! / 2, x! + w! / 2, y! + h! / 2], { atol: 1 });
});

t.test('steps on a batch make its loss less', async (t) => {
  const training = await created();
  const losses: number[] = [];
  for (let step = 0; step < 20; step++) {
    await trainer.trainingStep(training, batchOf([0, 1, 2, 3]), stepOptions);
    const { total, classes, l1, giou, gradientNorm } = await trainer.trainingLosses(training);
    t.ok([total, classes, l1, giou, gradientNorm].every(Number.isFinite));
    losses.push(total);
  }
  t.ok(losses.at(-1)! < 0.8 * losses[0]!, `${losses[0]!.toFixed(1)} → ${losses.at(-1)!.toFixed(1)}`);
  t.match(trainer.trainingInfo(training), { steps: 20, scenes: count });
});

t.test('scenes without a box are learnt from too', async (t) => {
  const training = await create();
  await trainer.trainingAddBoxes(training, handles(oneScene([])));
  await trainer.trainingStep(training, batchOf([0, 0]), stepOptions);
  t.match(await trainer.trainingLosses(training), { l1: 0, giou: 0 });
});

t.test('saved and restored it goes on to the same bits', async (t) => {
  const straight = await trained(5);
  await trainer.trainingSaveState(await trained(3), file('state.safetensors'));
  const resumed = await created();
  await trainer.trainingRestoreState(resumed, file('state.safetensors'));
  t.equal(trainer.trainingInfo(resumed).steps, 3);
  await trained(2, resumed);
  await trainer.trainingSaveState(straight, file('a.safetensors'));
  await trainer.trainingSaveState(resumed, file('b.safetensors'));
  const [a, b] = [await e.readTensors(file('a.safetensors')), await e.readTensors(file('b.safetensors'))];
  t.same(Object.keys(a.tensors).sort(), ['average', 'exp_avg', 'exp_avg_sq', 'value']);
  for (const name of Object.keys(a.tensors))
    t.ok(sameBits(await valuesOf(a.tensors[name]!), await valuesOf(b.tensors[name]!)), name);
});

t.test('a head that is written converts to a detector with the same predictions', async (t) => {
  const head = file('head.safetensors');
  const training = await trained(3);
  const { images } = await trainer.trainingBoxViews(training, batchOf([0, 1]), { height: size, width: size });
  const own = await trainer.trainingDetections(training, images);
  const metadata = { origin: 'a test' };
  await trainer.trainingSave(training, { head, dtype: 'float32', metadata });
  await convert({ task: 'detection', backbone, head, out: file('detector.pt') });
  using detector = await DetectionModel.load(file('detector.pt'));
  const forward = await e.detectorForward(detector.handle, images);
  for (const [name, all, given] of [
    ['class logits', own.logits, forward.predLogits],
    ['boxes', own.boxes, forward.predBoxes],
  ] as const) {
    const [predictions, expected] = [await valuesOf(all), await valuesOf(given)];
    const each = expected.length / 2;
    const layers = predictions.length / expected.length;
    const last = [0, 1].flatMap((b) => [
      ...predictions.subarray(((b + 1) * layers - 1) * each, (b + 1) * layers * each),
    ]);
    close(t, name, last, expected, { rtol: 1e-4, atol: 1e-3 });
  }
  const written = await e.inspect(head);
  t.match(written.metadata, { ...metadata, architecture: 'tiny-detector', seed: '3', steps: '3' });
  await trainer.trainingSave(training, { head, dtype: 'bfloat16', metadata });
  const { tensors } = await e.inspect(head);
  const dtypeOf = (name: string) => tensors.find((tensor) => tensor.name === name)!.dtype;
  t.equal(dtypeOf('transformer.decoder.class_embed.0.weight'), 'bfloat16');
  t.equal(dtypeOf('class_embed.0.bias'), 'float32');
  await convert({ task: 'detection', backbone, head, out: file('half.pt') });
});

t.test('what cannot be is refused', async (t) => {
  await t.rejects(create({ width: 104 }), { code: 'SHAPE', message: /multiples of 16 from 80/ });
  await t.rejects(create({ backbone: file('none') }), { code: 'FILE_NOT_FOUND' });
  await t.rejects(create({ backbone: file('segmentor-head.safetensors') }), { code: 'CHECKPOINT_KEYS' });
  await t.rejects(create({ architecture: 'street-small-detector', width: 112 }), { code: 'CHECKPOINT_KEYS' });
  const training = await create();
  const add = (scene: Boxed, changes: Partial<ReturnType<typeof handles>> = {}) =>
    trainer.trainingAddBoxes(training, { ...handles(scene), ...changes });
  await t.rejects(add(oneScene([[91, 0, 0, 5, 5]])), { code: 'LABEL_VALUE', message: /0 to 90/ });
  for (const box of [
    [1, 5, 5, 5, 9],
    [1, 0, 0, width + 1, 9],
    [1, -1, 0, 3, 9],
  ] as const)
    await t.rejects(add(oneScene([box])), { code: 'LABEL_VALUE', message: /within scenes of 64×48/ });
  const two = e.tensor(Int32Array.from([2]), [1]);
  await t.rejects(add(oneScene([[1, 0, 0, 5, 5]]), { counts: two }), { code: 'SHAPE', message: /sum M/ });
  await t.rejects(add(oneScene([]), { images: e.tensor(new Uint8Array(12), [1, 2, 2, 3]) }), {
    code: 'SHAPE',
  });
  t.equal(trainer.trainingInfo(training).scenes, 0, 'nothing of what was refused is there');
  await t.rejects(trainer.trainingAdd(training, {} as never), { code: 'INVALID_ARGUMENT' });
  const images = e.tensor(new Float32Array(3 * 64 * 64), [1, 3, 64, 64]);
  await t.rejects(trainer.trainingDetections(training, images), { code: 'SHAPE' });
  await t.rejects(trainer.trainingPredictions(training, images), {
    code: 'INVALID_ARGUMENT',
    message: /this is a detector's/,
  });
  const saved = { head: file('x'), dtype: 'float32', metadata: {} } as const;
  await t.rejects(trainer.trainingSave(training, { ...saved, backbone: file('y') }), {
    code: 'INVALID_ARGUMENT',
  });
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
