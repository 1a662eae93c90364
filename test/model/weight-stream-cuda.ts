/** Weights that come to a GPU a matrix at a time; skips where no CUDA device answers. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { initModel } from '../../lib/model/init-model.js';
import { DetectionModel } from '../../lib/model/detection-model.js';
import { defaultPrecision } from '../../lib/model/network-precision.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import type { ModelHandle, NetworkPlacement } from '../../lib/native/bindings/engine.js';
import { sameBits } from '../helpers/close.js';
import { formulaTensor } from '../helpers/formula.js';

const skip = engine().info().cudaAvailable ? false : 'no CUDA device answers';
const device = 'cuda:0';
const folder = t.testdir();
const path = join(folder, 'deep.pt');
const detectorPath = join(folder, 'detector.pt');
const segmentorPath = join(folder, 'segmentor.pt');
const placement: NetworkPlacement = { device, dtype: 'stored', precision: 'tf32', cudaGraphs: false };
const images = Tensor.from(formulaTensor('image', [2, 3, 128, 128]).data, [2, 3, 128, 128]);

async function outputsOf(model: ModelHandle, wanted = { decoded: true, features: 4 } as const) {
  const { queries, masks, features } = await engine().outputs(model, images.handle, wanted);
  return Promise.all([queries!, masks!, features!].map((handle) => Tensor.wrap(handle).floats()));
}

function checkSame(t: Test, found: Float32Array[], expected: Float32Array[], name: string) {
  t.ok(
    found.every((values, i) => sameBits(values, expected[i]!)),
    name,
  );
}

t.before(async () => {
  if (skip) return;
  await initModel({ arch: 'deep' as 'tiny', seed: 2, dtype: 'bfloat16', out: path });
  await initModel({ arch: 'tiny-detector', seed: 2, dtype: 'bfloat16', out: detectorPath });
  await initModel({ arch: 'tiny', seed: 2, dtype: 'bfloat16', out: segmentorPath });
});

t.test('the same bits as resident, also of passes that follow one another at once', { skip }, async (t) => {
  const resident = await engine().loadModel(path, placement);
  const expected = await outputsOf(resident);
  for (const residentBlocks of [0, 1, 2, 21, 36]) {
    const streamed = await engine().loadModel(path, { ...placement, residentBlocks, cudaGraphs: true });
    const { streamedBytes, pinnedBytes } = engine().modelInfo(streamed);
    t.equal(pinnedBytes, streamedBytes, 'all in pinned memory');
    const many = await Promise.all(Array.from({ length: 6 }, () => outputsOf(streamed)));
    for (const found of many) checkSame(t, found, expected, `${residentBlocks} resident`);
    const features = { decoded: false, features: 1 } as const;
    const alone = await engine().outputs(streamed, images.handle, features);
    const whole = await engine().outputs(resident, images.handle, features);
    checkSame(
      t,
      [await Tensor.wrap(alone.features!).floats()],
      [await Tensor.wrap(whole.features!).floats()],
      'features alone',
    );
    engine().dispose(streamed);
  }
});

t.test('in another dtype than the file', { skip }, async (t) => {
  const wide = { ...placement, dtype: 'float32' } as const;
  const expected = await outputsOf(await engine().loadModel(path, wide));
  const streamed = await engine().loadModel(path, { ...wide, residentBlocks: 10 });
  checkSame(t, await outputsOf(streamed), expected, 'float32');
});

t.test('with the pixel decoder in bfloat16', { skip }, async (t) => {
  const fast = { ...placement, precision: 'fast' } as const;
  const expected = await outputsOf(await engine().loadModel(path, fast));
  const streamed = await engine().loadModel(path, { ...fast, residentBlocks: 10 });
  checkSame(t, await outputsOf(streamed), expected, 'fast');
});

t.test('passes of other parts in turns, one at once after the other', { skip }, async (t) => {
  const wants = [
    { decoded: false, features: 1 },
    { decoded: true, features: 0 },
    { decoded: true, features: 4 },
  ] as const;
  const turns = [0, 1, 0, 0, 2, 1, 1, 0, 2].map((turn) => wants[turn]!);
  const passesOf = async (model: ModelHandle) => {
    const given = await Promise.all(turns.map((want) => engine().outputs(model, images.handle, want)));
    const handles = given.flatMap(({ queries, masks, features }) => [queries, masks, features]);
    return Promise.all(handles.flatMap((handle) => (handle ? [Tensor.wrap(handle).floats()] : [])));
  };
  const expected = await passesOf(await engine().loadModel(path, placement));
  for (const residentBlocks of [0, 13]) {
    const streamed = await engine().loadModel(path, { ...placement, residentBlocks });
    for (const time of ['first', 'second'])
      checkSame(t, await passesOf(streamed), expected, `${residentBlocks} resident, ${time} time`);
  }
});

t.test('replicas on one GPU at once, and a detector that shares the ring of each', { skip }, async (t) => {
  using alone = await DetectionModel.load(detectorPath, { device });
  const input = Tensor.from(formulaTensor('image', [1, 3, 112, 144]).data, [1, 3, 112, 144]);
  const expected = await (await alone.forward(input)).predLogits.floats();
  using model = await SegmentationModel.load(segmentorPath, { device: [device, device], weights: 'stream' });
  using detector = await DetectionModel.load(detectorPath, { shareWith: model });
  const resident = { ...placement, precision: defaultPrecision };
  const decoded = await outputsOf(await engine().loadModel(segmentorPath, resident));
  for (let turn = 0; turn < 3; turn++) {
    const [a, b, ...found] = await Promise.all([
      ...model.replicas.map(({ handle }) => outputsOf(handle)),
      ...Array.from({ length: 4 }, async () => [await (await detector.forward(input)).predLogits.floats()]),
    ]);
    for (const outputs of [a!, b!]) checkSame(t, outputs, decoded, 'a replica');
    for (const outputs of found) checkSame(t, outputs, [expected], 'the detector');
  }
});

t.test('a detector with a stream of its own', { skip }, async (t) => {
  const input = Tensor.from(formulaTensor('image', [1, 3, 112, 144]).data, [1, 3, 112, 144]);
  const [whole, streamed] = await Promise.all(
    (['resident', 'stream'] as const).map((weights) =>
      DetectionModel.load(detectorPath, { device, weights }),
    ),
  );
  const [a, b] = [await whole!.forward(input), await streamed!.forward(input)];
  t.ok(sameBits(await a.predLogits.floats(), await b.predLogits.floats()));
  t.ok(sameBits(await a.predBoxes.floats(), await b.predBoxes.floats()));
});

t.test('a cap is kept: what is beyond is out of memory', { skip }, async (t) => {
  await t.rejects(SegmentationModel.load(path, { device, gpuMemory: '700MB' }), {
    code: 'INVALID_ARGUMENT',
    message: /more than 800 MB/,
  });
  await t.rejects(SegmentationModel.load(path, { device, weights: 'stream', gpuMemory: '850MB' }), {
    code: 'OUT_OF_MEMORY',
    message: /--gpu-memory \d\.\dGB is the minimum/,
  });
  using model = await SegmentationModel.load(path, { device, gpuMemory: '4GB' });
  const { totalBytes, freeBytes } = engine().memoryRoom(device);
  t.equal(totalBytes, 3.2e9);
  t.ok(freeBytes <= 3.2e9);
  const large = Tensor.from(new Float32Array(64 * 3 * 512 * 512), [64, 3, 512, 512]);
  await t.rejects(model.forward(large), { code: 'OUT_OF_MEMORY' });
  t.ok(engine().memoryStats(device).peakReservedBytes <= 3.2e9);
  await outputsOf(model.handle);
});
