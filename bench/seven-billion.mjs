/**
 * The whole job with a network of random weights: time and GPU memory of each step, and what happens where memory runs
 * out. JSON.
 *   node bench/seven-billion.mjs [folder] [arch] [device] [images]
 * Writes the network (15.7 GB for the 7B in bfloat16) and drawn street scenes to the folder, a new one under the
 * temporary folder without it.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  SegmentationDataset,
  SegmentationModel,
  Tensor,
  evaluate,
  initModel,
  makeCache,
  openSegmenter,
  predict,
  train,
} from '../dist/index.js';
import { writeDemoDataset } from '../packages/street-scenes/index.mjs';
import { engine } from '../dist/native/engine.js';
import { round } from './figures.mjs';
import { toDevice } from './network.mjs';

const [given, arch = 'dinov3_vit7b16_ade20k_m2f', device = 'cuda', images = '64'] = process.argv.slice(2);
const folder = given || mkdtempSync(join(tmpdir(), 'dinov3-seg-bench-'));
mkdirSync(folder, { recursive: true });
if (!given) process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const e = engine();
const isCuda = device.startsWith('cuda');
const at = (name) => join(folder, name);
const model = at('network.pt');
const report = {
  bench: 'seven-billion',
  arch,
  device,
  libtorch: e.info().torch,
  kernels: e.info().cudaKernels,
  steps: {},
};

/** Does a step; notes its seconds, the most that tensors and the allocator took, and what it returns. */
async function step(name, work) {
  if (isCuda) e.resetPeakMemory(device);
  const started = performance.now();
  const said = await work();
  const seconds = (performance.now() - started) / 1000;
  const { peakAllocatedBytes, peakReservedBytes } = isCuda ? e.memoryStats(device) : {};
  report.steps[name] = {
    seconds: round(seconds),
    ...(isCuda && {
      peakAllocatedGB: round(peakAllocatedBytes / 1e9),
      peakReservedGB: round(peakReservedBytes / 1e9),
    }),
    ...said,
  };
  console.error(name, JSON.stringify(report.steps[name]));
}

async function refused(work) {
  try {
    await work();
  } catch (error) {
    return { code: error.code, message: error.message.slice(0, 400) };
  }
  throw new Error('it should have run out of memory');
}

const size = isCuda ? 512 : 128;
const place = { device, dtype: 'stored' };
await step('init', async () => {
  const plan = await initModel({ arch, seed: 1, dtype: 'bfloat16', device, out: model });
  return {
    bytes: statSync(model).size,
    frozenParameters: plan.frozenParameters,
    trainedParameters: plan.trainedParameters,
  };
});
await step('load', async () => {
  const loaded = await SegmentationModel.load(model, place);
  loaded.dispose();
  return { residentGB: round(process.memoryUsage().rss / 1e9) };
});
await step('data', async () => {
  await writeDemoDataset(at('data'), { train: Number(images), val: 4, width: 1280, height: 720 });
  return {};
});
const run = { model, data: at('data'), imageSize: size, epochs: 1, ...place, saveEverySeconds: 1000 };
await step('train live, batch 1', async () => {
  await train({ ...run, out: at('live'), mode: 'live', batchSize: 1 });
  return {};
});
await step('cache', async () => {
  const { made, seconds } = await makeCache({ ...run, cache: at('cache'), out: at('unused') });
  return { made, imagesPerSecond: round(made / seconds) };
});
await step('train cached, 20 epochs', async () => {
  await train({ ...run, out: at('cached'), mode: 'cached', cache: at('cache'), epochs: 20, patience: 0 });
  return {};
});
const segmenter = await openSegmenter({ model, head: at('cached/last.safetensors'), ...place });
await step('eval', async () => {
  const data = await SegmentationDataset.open(at('data'), 'val', segmenter.classSet);
  const { mIoU } = await evaluate(segmenter.model, segmenter.head, data, { imageSize: size });
  return { mIoU };
});
await step('predict', async () => {
  const scenes = readdirSync(at('data/leftImg8bit/val/scene')).map((name) =>
    at(`data/leftImg8bit/val/scene/${name}`),
  );
  const { head, classSet, scoring } = segmenter;
  const options = { head, classSet, scoring, imageSize: size, output: at('predictions') };
  const { written } = await predict(segmenter.model, scenes, options);
  return { images: written.length };
});
if (isCuda) {
  const images = async (batch) =>
    Tensor.wrap(
      await toDevice(
        Tensor.from(new Float32Array(batch * 3 * size * size), [batch, 3, size, size]).handle,
        device,
      ),
    );
  await step('forward without room', async () => {
    const many = await images(400);
    const error = await refused(() => segmenter.model.decode(many));
    many.dispose();
    return { error };
  });
  await step('a smaller forward after that', async () => {
    const one = await images(1);
    (await segmenter.model.decode(one)).dispose();
    one.dispose();
    return {};
  });
  await step('load without room', async () => {
    const held = [];
    const error = await refused(async () => {
      for (let i = 0; i < 8; i++) held.push(await SegmentationModel.init({ arch, dtype: 'float32', device }));
    });
    for (const each of held) each.dispose();
    return { loaded: held.length, error };
  });
  await step('training without room', async () => {
    const side = 2048; // its scores take 0.4 GB
    const decoded = await segmenter.model.decode(await images(1));
    const labels = Tensor.wrap(
      await toDevice(Tensor.from(new Uint8Array(side * side), [1, side, side]).handle, device),
    );
    const held = [];
    const fill = (values) =>
      refused(async () => {
        for (;;)
          held.push(
            Tensor.wrap(await toDevice(Tensor.from(new Float32Array(values), [values]).handle, device)),
          );
      });
    await fill(2 ** 28);
    const error = await fill(2 ** 25); // 134 MB
    const { loss } = await segmenter.head
      .accumulate(decoded, labels)
      .catch((cause) => ({ loss: `${cause.code}` }));
    held.forEach((tensor) => tensor.dispose());
    return {
      error,
      lossWithFullMemory: loss,
      lossAfter: (await segmenter.head.accumulate(decoded, labels)).loss,
    };
  });
}
segmenter[Symbol.dispose]();
console.log(JSON.stringify(report, null, 2));
process.exit(0);
