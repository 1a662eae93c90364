/** Networks in e4m3 on a GPU; skips without one that has such products. */
import { join } from 'node:path';
import t from 'tap';
import { DetectionModel } from '../../lib/model/detection-model.js';
import { initModel } from '../../lib/model/init-model.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import type { ModelHandle, NetworkPlacement } from '../../lib/native/bindings/engine.js';
import { close, relativeError, sameBits } from '../helpers/close.js';
import { cudaWithE4m3 } from '../helpers/e4m3.js';
import { formulaTensor } from '../helpers/formula.js';

const { skip } = cudaWithE4m3;
const device = 'cuda:0';
const folder = t.testdir();
const [path, detectorPath] = [join(folder, 'deep.pt'), join(folder, 'detector.pt')];
const fp8: NetworkPlacement = { device, dtype: 'stored', precision: 'fp8', cudaGraphs: false };
const images = Tensor.from(formulaTensor('image', [2, 3, 128, 128]).data, [2, 3, 128, 128]);

async function featuresOf(model: ModelHandle): Promise<Float32Array> {
  const { features } = await engine().outputs(model, images.handle, { decoded: false, features: 1 });
  return Tensor.wrap(features!).floats();
}

t.before(async () => {
  if (skip) return;
  await initModel({ arch: 'deep' as 'tiny', seed: 2, dtype: 'bfloat16', out: path });
  await initModel({ arch: 'tiny-detector', seed: 2, dtype: 'bfloat16', out: detectorPath });
});

t.test("as near to bfloat16 as the CPU's fp8, with and without recorded passes", { skip }, async (t) => {
  const load = (options: Partial<NetworkPlacement>) => engine().loadModel(path, { ...fp8, ...options });
  const exact = await featuresOf(await load({ precision: 'reference' }));
  const onCpu = await featuresOf(await load({ device: 'cpu' }));
  const found = await featuresOf(await load({}));
  const [error, errorOnCpu] = [relativeError(found, exact), relativeError(onCpu, exact)];
  t.comment(`relative errors of features: ${error}, on the CPU ${errorOnCpu}`);
  t.ok(error > 1e-4 && error < 1.2 * errorOnCpu, `${error} and ${errorOnCpu}`);
  const recorded = await load({ cudaGraphs: true });
  for (const pass of ['first', 'recorded', 'replayed'])
    close(t, pass, await featuresOf(recorded), found, { rtol: 1e-6 });
});

t.test('the same bits streamed, and from replicas', { skip }, async (t) => {
  const model = await engine().loadModel(path, fp8);
  const expected = await featuresOf(model);
  for (const residentBlocks of [0, 21]) {
    const streamed = await engine().loadModel(path, { ...fp8, residentBlocks });
    t.ok(engine().modelInfo(streamed).streamedBlocks > 0);
    for (let pass = 0; pass < 2; pass++)
      t.ok(sameBits(await featuresOf(streamed), expected), `${residentBlocks} blocks resident`);
    engine().dispose(streamed);
  }
  const copy = await engine().copyModel(model, { device, replica: 1 });
  t.ok(sameBits(await featuresOf(copy), expected), 'a replica');
  const bytes = engine().storageBytes([model]);
  const plain = await engine().loadModel(path, { ...fp8, precision: 'float16' });
  const wide = engine().storageBytes([plain]);
  const { blocksBytes } = await engine().networkSizes(path, 'stored', 'reference');
  t.ok(bytes < wide - 0.45 * blocksBytes, `${bytes} bytes, and ${wide} in bfloat16`);
});

t.test('models and detectors of the library', { skip }, async (t) => {
  const options = { device, precision: 'fp8' } as const;
  using model = await SegmentationModel.load(path, options);
  t.equal(model.precision, 'fp8');
  t.equal(model.dtype, 'bfloat16');
  using decoded = await model.decode(images);
  t.ok((await decoded.masks.floats()).every(Number.isFinite));
  t.match(model.float16, { passes: 1, runAgain: 0 }, 'the pixel decoder in float16');
  using made = await SegmentationModel.init({ arch: 'tiny', seed: 1, dtype: 'bfloat16', ...options });
  using again = await made.decode(images);
  t.ok((await again.masks.floats()).every(Number.isFinite));
  using detector = await DetectionModel.load(detectorPath, options);
  const input = Tensor.from(formulaTensor('image', [1, 3, 112, 144]).data, [1, 3, 112, 144]);
  const { predLogits } = await detector.forward(input);
  t.ok((await predLogits.floats()).every(Number.isFinite));
});
