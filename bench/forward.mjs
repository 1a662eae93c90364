/**
 * The network's forward pass: milliseconds an image, by batch size, precision and part, memory and accuracy. JSON.
 *   node bench/forward.mjs [cpu|cuda] [arch] [TFLOP/s] [truth]
 * From normalised images to the class of each pixel (dense scores, resized to 512×512, and their best class). arch: see
 * `init`; random weights. TFLOP/s: what a bfloat16 matrix product reaches, for the floor of 20 TFLOP an image of the 7B.
 * truth: also the errors against the same network in float32.
 */
import { readFileSync } from 'node:fs';
import { SegmentationModel, Tensor } from '../dist/index.js';
import { drawScene } from '../dist/demo/scenes.js';
import { engine } from '../dist/native/engine.js';

const [device = 'cpu', arch = device === 'cpu' ? 'tiny' : 'dinov3_vit7b16_ade20k_m2f', rate = '0', truth] =
  process.argv.slice(2);
const e = engine();
const isCuda = device.startsWith('cuda');
const size = arch === 'tiny' ? 128 : 512;
const passes = 21;
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const round = (value) => Number(value.toPrecision(4));
const spread = (values) => ({
  median: round(median(values)),
  least: round(Math.min(...values)),
  most: round(Math.max(...values)),
});

/** Drawn street scenes, normalised, B×3×size×size. */
async function scenes(batch, first = 0) {
  const images = await Promise.all(
    Array.from(
      { length: batch },
      async (_, i) => (await drawScene({ seed: 1, index: first + i, width: size, height: size })).image,
    ),
  );
  return Tensor.wrap(
    await e.prepareImages(images, {
      width: size,
      height: size,
      augmentations: images.map(() => ({ flip: false, jitter: null })),
      device,
    }),
  );
}

const load = (dtype, precision, cudaGraphs = true) =>
  SegmentationModel.init({ arch, seed: 1, dtype, precision, device, cudaGraphs });

async function pass(model, images) {
  const decoded = await model.decode(images);
  const map = await model.ownHead().classMap(decoded, { width: size, height: size, scoring: 'ade20k' });
  decoded.dispose();
  return map;
}

async function timed(model, images) {
  for (let i = 0; i < 3; i++) (await pass(model, images)).dispose();
  await e.synchronize(device);
  const times = [];
  for (let i = 0; i < passes; i++) {
    const started = performance.now();
    (await pass(model, images)).dispose();
    await e.synchronize(device);
    times.push((performance.now() - started) / images.shape[0]);
  }
  return spread(times);
}

const gigabytes = (bytes) => round(bytes / 1e9);
const memory = () => {
  if (!isCuda) return undefined;
  const { peakAllocatedBytes, peakReservedBytes } = e.memoryStats(device);
  return { peakAllocatedGB: gigabytes(peakAllocatedBytes), peakReservedGB: gigabytes(peakReservedBytes) };
};

const inputs = [];
for (const batch of isCuda ? [1, 4, 8] : [1]) inputs.push([batch, await scenes(batch)]);
const floor = 20e3 / Number(rate); // ms of 20 TFLOP
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const report = {
  bench: 'forward',
  arch,
  device: isCuda ? e.devices().find(({ name }) => name.startsWith(device)) : device,
  versions: { package: version, libtorch: e.info().torch, node: process.version },
  kernels: e.info().cudaKernels,
  size,
  rows: [],
};
const outputs = {};
async function outputsOf(model) {
  const result = [];
  for (let i = 0; i < 8; i++) {
    const images = await scenes(1, 100 + i);
    const { queries, predLogits, predMasks } = await model.forward(images);
    const map = await pass(model, images);
    result.push([await predLogits.floats(), await predMasks.floats(), (await e.tensorData(map.handle)).data]);
    [images, map, queries, predLogits, predMasks].forEach((tensor) => tensor.dispose());
  }
  return result;
}

for (const [precision, cudaGraphs] of isCuda
  ? [
      ['tf32', true],
      ['tf32', false],
      ['fast', true],
      ['reference', true],
    ]
  : [
      ['tf32', false],
      ['fast', false],
    ]) {
  const started = performance.now();
  const model = await load('bfloat16', precision, cudaGraphs);
  await e.synchronize(device);
  const row = {
    precision,
    cudaGraphs,
    parameters: model.parameters,
    initSeconds: round((performance.now() - started) / 1000),
  };
  // The reference's own precision is there to be compared with: one row is enough.
  for (const [batch, images] of precision === 'reference' ? inputs.slice(0, 1) : inputs) {
    if (isCuda) e.resetPeakMemory(device);
    const times = await timed(model, images);
    row[`batch${batch}`] = {
      msPerImage: times,
      ...(rate > 0 && { overFloor: round(times.median / floor) }),
      ...memory(),
    };
  }
  if (cudaGraphs === isCuda) {
    row.parts = Object.fromEntries(
      Object.entries(await e.partTimes(model.handle, inputs[0][1].handle, { repeat: passes })).map(
        ([k, v]) => [k, round(v)],
      ),
    );
    if (truth) outputs[precision] = await outputsOf(model);
  }
  await model[Symbol.asyncDispose]();
  report.rows.push(row);
  console.error(JSON.stringify(row));
}

if (truth) {
  const model = await load('float32', 'reference');
  const exact = await outputsOf(model);
  model.dispose();
  const relative = (actual, expected) => {
    let [error, norm] = [0, 0];
    for (let i = 0; i < expected.length; i++) {
      error += (actual[i] - expected[i]) ** 2;
      norm += expected[i] ** 2;
    }
    return Math.sqrt(error / norm);
  };
  report.errors = {};
  for (const [precision, results] of Object.entries(outputs)) {
    const all = results.map(([logits, masks, map], i) => [
      relative(logits, exact[i][0]),
      relative(masks, exact[i][1]),
      map.reduce((same, value, pixel) => same + (value === exact[i][2][pixel]), 0) / map.length,
    ]);
    const mean = (column) => all.reduce((sum, row) => sum + row[column], 0) / all.length;
    report.errors[precision] = {
      predLogits: round(mean(0)),
      predMasks: round(mean(1)),
      samePixels: round(mean(2)),
    };
  }
}
console.log(JSON.stringify(report, null, 2));
process.exit(0);
