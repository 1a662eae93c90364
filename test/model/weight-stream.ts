/** Weights that come to the device a matrix at a time: the same bits as with all of them there. On the CPU, with plain copies. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { convert, exportModel } from '../../lib/model/convert.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { DetectionModel } from '../../lib/model/detection-model.js';
import { initModel } from '../../lib/model/init-model.js';
import { LinearProbe } from '../../lib/model/linear-probe.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { runJob } from '../../lib/native/job.js';
import type { ModelHandle, NetworkPlacement, TensorHandle } from '../../lib/native/bindings/engine.js';
import { sameBits } from '../helpers/close.js';
import { formulaTensor } from '../helpers/formula.js';
import { writeFormulaCheckpoints } from '../helpers/network.js';

const folder = t.testdir();
const file = (name: string) => join(folder, name);
const placement: NetworkPlacement = {
  ...{ device: 'cpu', dtype: 'stored', precision: 'tf32', cudaGraphs: false },
};
const imagesOf = (...shape: number[]) => Tensor.from(formulaTensor('image', shape).data, shape);
const images = imagesOf(1, 3, 64, 64);
const four = 4; // blocks of the tiny networks

for (const arch of ['tiny', 'tiny-eomt', 'tiny-backbone'] as const)
  await initModel({ arch: arch as 'tiny', seed: 5, dtype: 'bfloat16', out: file(`${arch}.pt`) });

const load = (name: string, options: Partial<NetworkPlacement> = {}) =>
  engine().loadModel(file(name), { ...placement, ...options });

type Arrays = Record<string, Float32Array>;
async function floatsOf(handles: Record<string, TensorHandle | undefined>): Promise<Arrays> {
  const arrays: Arrays = {};
  for (const [name, handle] of Object.entries(handles))
    if (handle) arrays[name] = await Tensor.wrap(handle).floats();
  return arrays;
}

/** Everything that a network gives of an image, by every method that its file has. */
async function outputsOf(model: ModelHandle): Promise<Arrays> {
  const { provides } = engine().modelInfo(model);
  const all: Arrays = {};
  const decoded = provides.includes('decoded');
  const add = async (name: string, handles: Record<string, TensorHandle | undefined>) => {
    for (const [key, values] of Object.entries(await floatsOf(handles))) all[`${name} ${key}`] = values;
  };
  for (const features of [0, 1, 4] as const) {
    if (features > 0 && !provides.includes(features === 1 ? 'features' : 'layer_features')) continue;
    for (const both of [false, true]) {
      if ((both && !decoded) || (!both && features === 0)) continue;
      const wanted = { decoded: both, features };
      const { watch, ...arrays } = await engine().outputs(model, images.handle, wanted);
      await engine().requireFinite(watch, '', []);
      await add(`${both ? 'decoded ' : ''}${features}`, arrays);
    }
  }
  if (decoded) {
    const { watch, ...arrays } = await engine().forward(model, images.handle);
    await engine().requireFinite(watch, '', []);
    await add('forward', arrays);
    await add('taps', await engine().taps(model, images.handle));
  }
  return all;
}

function checkSame(t: Test, found: Arrays, expected: Arrays, name: string): void {
  t.same(Object.keys(found), Object.keys(expected));
  for (const key of Object.keys(expected)) t.ok(sameBits(found[key]!, expected[key]!), `${name}: ${key}`);
}

for (const arch of ['tiny', 'tiny-eomt', 'tiny-backbone'])
  t.test(`${arch}: the same bits, whichever blocks stay on the device`, async (t) => {
    const resident = await load(`${arch}.pt`);
    const expected = await outputsOf(resident);
    t.ok(Object.keys(expected).length > 1);
    for (let blocks = 0; blocks < four; blocks++) {
      const streamed = await load(`${arch}.pt`, { residentBlocks: blocks });
      const info = engine().modelInfo(streamed);
      t.equal(info.streamedBlocks, four - blocks);
      t.equal(info.parameters, engine().modelInfo(resident).parameters);
      for (const pass of ['first', 'second'])
        checkSame(t, await outputsOf(streamed), expected, `${blocks} resident, ${pass} time`);
      engine().dispose(streamed);
    }
    const all = await load(`${arch}.pt`, { residentBlocks: four });
    t.equal(engine().modelInfo(all).streamedBlocks, 0, 'all of them: nothing is streamed');
    checkSame(t, await outputsOf(all), expected, 'all resident');
  });

t.test('the device holds a ring for the matrices that are streamed', async (t) => {
  const sizes = await engine().networkSizes(file('tiny.pt'), 'stored', 'tf32');
  t.equal(sizes.blocks, four);
  t.same(
    sizes.residentBytes,
    [0, 1, 2, 3, 4].map((resident) => (resident * sizes.blocksBytes) / four),
  );
  t.match(sizes, { width: 64, dtype: 'bfloat16' });
  const [resident, streamed] = [await load('tiny.pt'), await load('tiny.pt', { residentBlocks: 0 })];
  const bytes = (model: ModelHandle) => engine().storageBytes([model]);
  t.equal(bytes(resident), sizes.otherBytes + sizes.decoderBytes + sizes.blocksBytes);
  t.equal(bytes(streamed), sizes.otherBytes + sizes.ringBytes);
  t.equal(engine().modelInfo(streamed).streamedBytes, sizes.blocksBytes + sizes.copiedDecoderBytes);
  const unfolded = await load('tiny.pt', { residentBlocks: 0, precision: 'reference' });
  t.ok(
    sizes.decoderBytes > bytes(unfolded) - sizes.ringBytes,
    'little of the decoder stays, but for products',
  );
  for (const name of ['tiny-eomt.pt', 'tiny-backbone.pt']) {
    const other = await engine().networkSizes(file(name), 'stored', 'tf32');
    t.match(other, { blocks: four, decoderBytes: 0, ringBytes: other.residentBytes[1]! }, name);
  }
  const wide = await engine().networkSizes(file('tiny.pt'), 'float32', 'tf32');
  t.match(wide, { blocksBytes: 2 * sizes.blocksBytes, dtype: 'float32' });
});

t.test('with the pixel decoder in bfloat16', async (t) => {
  const fast = { precision: 'fast' } as const;
  const expected = await outputsOf(await load('tiny.pt', fast));
  const other = await outputsOf(await load('tiny.pt'));
  t.notOk(sameBits(expected['decoded 0 masks']!, other['decoded 0 masks']!), 'which changes bits');
  checkSame(t, await outputsOf(await load('tiny.pt', { ...fast, residentBlocks: 1 })), expected, 'fast');
});

t.test(
  'passes of other parts in turns: what was copied ahead for one is in the way of the next',
  async (t) => {
    const wants = [
      { decoded: false, features: 1 },
      { decoded: true, features: 0 },
      { decoded: true, features: 4 },
    ] as const;
    const passOf = async (model: ModelHandle, turn: number) => {
      const wanted = wants[turn % wants.length]!;
      const { watch: _, ...arrays } = await engine().outputs(model, images.handle, wanted);
      return floatsOf(arrays);
    };
    const [resident, streamed] = [await load('tiny.pt'), await load('tiny.pt', { residentBlocks: 1 })];
    for (const turn of [0, 1, 0, 0, 2, 1, 1, 0, 2])
      checkSame(t, await passOf(streamed, turn), await passOf(resident, turn), `part ${turn}`);
  },
);

t.test('in another dtype than the file', async (t) => {
  for (const dtype of ['float32', 'bfloat16'] as const) {
    const expected = await outputsOf(await load('tiny.pt', { dtype }));
    const streamed = await load('tiny.pt', { dtype, residentBlocks: 1 });
    checkSame(t, await outputsOf(streamed), expected, dtype);
  }
});

t.test('after a pass that was stopped in its middle the next one is right', async (t) => {
  // Large enough to be stopped between two blocks.
  await initModel({ arch: 'deep' as 'tiny', seed: 2, dtype: 'bfloat16', out: file('deep.pt') });
  const large = imagesOf(1, 3, 192, 192);
  const wanted = { decoded: false, features: 1 } as const;
  const passOf = async (model: ModelHandle, signal?: AbortSignal) => {
    const { features } = await runJob({ signal }, (job) =>
      engine().outputs(model, large.handle, wanted, job),
    );
    return Tensor.wrap(features!).floats();
  };
  const resident = await load('deep.pt');
  const expected = await passOf(resident);
  let stopped = 0;
  for (const residentBlocks of [0, 7]) {
    const streamed = await load('deep.pt', { residentBlocks });
    let took = Infinity;
    for (let i = 0; i < 2; i++) {
      const started = performance.now();
      t.ok(sameBits(await passOf(streamed), expected));
      took = Math.min(took, performance.now() - started);
    }
    for (const share of [0.05, 0.2, 0.4, 0.6]) {
      const controller = new AbortController();
      setTimeout(() => controller.abort(new Error('enough')), share * took);
      await passOf(streamed, controller.signal).catch(() => stopped++);
      t.ok(sameBits(await passOf(streamed), expected), `stopped after ${share} of a pass`);
    }
    engine().dispose(streamed);
  }
  t.ok(stopped > 0, `${stopped} of 8 passes were stopped`);
});

t.test('two networks in turns', async (t) => {
  const [a, b] = [
    await load('tiny.pt', { residentBlocks: 0 }),
    await load('tiny-eomt.pt', { residentBlocks: 1 }),
  ];
  const expected = [await outputsOf(await load('tiny.pt')), await outputsOf(await load('tiny-eomt.pt'))];
  for (let turn = 0; turn < 2; turn++) {
    checkSame(t, await outputsOf(a), expected[0]!, 'the first');
    checkSame(t, await outputsOf(b), expected[1]!, 'the second');
  }
  const both = await Promise.all([outputsOf(a), outputsOf(b)]);
  both.forEach((found, i) => checkSame(t, found, expected[i]!, 'at once'));
});

t.test('the times of parts', async (t) => {
  const streamed = await load('tiny.pt', { residentBlocks: 1 });
  const expected = await outputsOf(await load('tiny.pt'));
  const times = await engine().partTimes(streamed, images.handle, { repeat: 1 });
  t.ok(times.backbone > 0 && times.predictor! > 0);
  checkSame(t, await outputsOf(streamed), expected, 'after them');
});

/** Checkpoints of a segmentor and of a detector of one backbone, as networks. */
async function writeBoth(t: Test) {
  const root = t.testdir({ seg: {}, det: {} });
  const segmentation = await writeFormulaCheckpoints(join(root, 'seg'));
  const { head } = await writeFormulaCheckpoints(join(root, 'det'), 'det');
  const [segmentor, detector] = [join(root, 'seg.pt'), join(root, 'det.pt')];
  await convert({ ...segmentation, out: segmentor });
  await convert({ backbone: segmentation.backbone, head, out: detector, task: 'detection' });
  return { segmentor, detector };
}

async function detectionsOf(detector: DetectionModel): Promise<Arrays> {
  const input = imagesOf(1, 3, 112, 144);
  const { predLogits, predBoxes } = await detector.forward(input);
  const features = await detector.features(input);
  return {
    predLogits: await predLogits.floats(),
    predBoxes: await predBoxes.floats(),
    features: await features.floats(),
  };
}

t.test("a detector shares the segmentor's stream, whichever is disposed of first", async (t) => {
  const files = await writeBoth(t);
  using alone = await DetectionModel.load(files.detector);
  const expected = await detectionsOf(alone);
  using own = await DetectionModel.load(files.detector, { weights: 'stream' });
  t.ok(engine().detectorInfo(own.handle).streamedBlocks > 0);
  checkSame(t, await detectionsOf(own), expected, 'a stream of its own');

  using plain = await SegmentationModel.load(files.segmentor);
  const before = await outputsOf(plain.handle);
  const segmentor = await SegmentationModel.load(files.segmentor, { weights: 'stream' });
  const first = await DetectionModel.load(files.detector, { shareWith: segmentor });
  using second = await DetectionModel.load(files.detector, { shareWith: segmentor });
  t.equal(
    engine().detectorInfo(first.handle).streamedBlocks,
    engine().modelInfo(segmentor.handle).streamedBlocks,
  );
  for (let turn = 0; turn < 2; turn++) {
    checkSame(t, await detectionsOf(first), expected, 'the detector');
    checkSame(t, await outputsOf(segmentor.handle), before, 'the segmentor');
  }
  first.dispose();
  checkSame(t, await outputsOf(segmentor.handle), before, 'without the first detector');
  segmentor.dispose();
  checkSame(t, await detectionsOf(second), expected, 'without the segmentor');
});

t.test('replicas have rings of their own', async (t) => {
  const files = await writeBoth(t);
  using alone = await DetectionModel.load(files.detector);
  const detections = await detectionsOf(alone);
  using plain = await SegmentationModel.load(files.segmentor);
  const expected = await outputsOf(plain.handle);
  using model = await SegmentationModel.load(files.segmentor, { device: ['cpu', 'cpu'], weights: 'stream' });
  using detector = await DetectionModel.load(files.detector, { shareWith: model });
  t.equal(model.replicas.length, 2);
  const [first, second] = model.replicas.map(({ handle }) => handle);
  const bytes = (...models: ModelHandle[]) => engine().storageBytes(models);
  const { ringBytes } = await engine().networkSizes(files.segmentor, 'stored', 'tf32');
  t.equal(bytes(first!, second!), bytes(first!) + ringBytes, 'and share all else');
  for (let turn = 0; turn < 3; turn++) {
    const found = await Promise.all([
      ...[first!, second!].map((replica) => outputsOf(replica)),
      ...Array.from({ length: 3 }, () => detectionsOf(detector)),
    ]);
    found.slice(0, 2).forEach((one, i) => checkSame(t, one, expected, `replica ${i}`));
    found.slice(2).forEach((one) => checkSame(t, one, detections, 'the detector'));
  }
  const input = new Uint8Array(3 * 80 * 60).map((_, i) => i % 251);
  const image = { data: input, width: 80, height: 60, channels: 3 as const };
  const detect = (one: DetectionModel) => one.detect(image, { threshold: 0, top: 5, imageSize: 96 });
  const [whole, ...shared] = await Promise.all([detect(alone), ...[1, 2, 3, 4].map(() => detect(detector))]);
  for (const found of shared) t.same(found, whole, 'on whichever replica');
});

t.test('what is written of a streamed network are its true weights', async (t) => {
  for (const name of ['whole', 'streamed']) mkdirSync(file(name));
  const [whole, streamed] = [
    await SegmentationModel.load(file('tiny.pt')),
    await SegmentationModel.load(file('tiny.pt'), { weights: 'stream' }),
  ];
  using head = await ClassHead.create({ hidden: whole.hidden, classes: 5, seed: 1 });
  const { width } = whole;
  const [weight, ones] = [new Float32Array(5 * width).fill(0.1), new Float32Array(width).fill(1)];
  const norm = { gamma: ones, beta: ones, runningMean: ones, runningVar: ones };
  using probe = await LinearProbe.from({ classes: 5, width, weight, bias: ones.slice(0, 5), ...norm });
  for (const [kind, given] of [
    ['class_embed', head],
    ['linear probe', probe],
  ] as const) {
    // The file's name is in it.
    const paths = [file('whole/network.pt'), file('streamed/network.pt')] as const;
    const written = [whole, streamed].map((model, i) => exportModel(model, given, paths[i]!));
    await Promise.all(written);
    t.ok(readFileSync(paths[0]).equals(readFileSync(paths[1])), `${kind}: the same bytes`);
  }
  using after = streamed;
  checkSame(t, await outputsOf(after.handle), await outputsOf(whole.handle), 'and it still runs');
});

t.test('what cannot be streamed is refused', async (t) => {
  const foreign = join(import.meta.dirname, '../fixtures/torchscript/foreign.pt');
  await t.rejects(SegmentationModel.load(foreign, { weights: 'stream' }), {
    code: 'MODEL_FORMAT',
    message: /has no blocks whose weights can be streamed\. Use a network made by convert/,
  });
  await t.rejects(engine().loadModel(foreign, { ...placement, residentBlocks: 0 }), { code: 'MODEL_FORMAT' });
  await t.rejects(SegmentationModel.load(file('none.pt'), { weights: 'stream' }), { code: 'FILE_NOT_FOUND' });
  await t.rejects(SegmentationModel.load(file('none.pt')), { code: 'FILE_NOT_FOUND' });
  await t.rejects(SegmentationModel.load(file('tiny.pt'), { device: 'cpu', gpuMemory: '8GB' }), {
    code: 'INVALID_ARGUMENT',
    message: /cap on GPU memory was given for the device cpu/,
  });
  for (const gpuMemory of ['8', 'eight', '-1GB', 0, NaN, '8 gigabytes'])
    await t.rejects(SegmentationModel.load(file('tiny.pt'), { gpuMemory }), {
      code: 'INVALID_ARGUMENT',
      message: /a number of bytes or a text such as "8GB"/,
    });
  await t.rejects(SegmentationModel.load(file('tiny.pt'), { weights: 'host' as 'stream' }), {
    code: 'INVALID_ARGUMENT',
  });
});
