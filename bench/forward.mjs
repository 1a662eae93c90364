/**
 * The network's forward pass: milliseconds an image, by batch size, precision and part, memory and accuracy. JSON.
 *   node bench/forward.mjs [cpu|cuda] [arch] [TFLOP/s] [images] [precision,…]
 * From normalised images to the class of each pixel (dense scores, resized to 512×512, and their best class). arch: see
 * `init`; random weights. TFLOP/s: what a bfloat16 matrix product reaches, for the floor of 20 TFLOP an image of the 7B.
 * images: also the errors against the same network in float32, over so many drawn scenes; the share of pixels with the same class
 * differs by tenths of a percent from scene to scene, so that it takes hundreds to tell two precisions apart by it; these
 * precisions alone, then. Precisions: tf32, float16, fast, reference. A row of float16 has the largest magnitude that it met.
 */
import { readFileSync } from 'node:fs';
import { SegmentationModel, Tensor } from '../dist/index.js';
import { prefetch } from '../dist/data/prefetch.js';
import { DecodedImages } from '../dist/model/decoded-images.js';
import { drawScene } from '../packages/street-scenes/index.mjs';
import { normalizations } from '../dist/model/normalization.js';
import { engine } from '../dist/native/engine.js';
import { median, round } from './figures.mjs';

const [
  device = 'cpu',
  arch = device === 'cpu' ? 'tiny' : 'dinov3_vit7b16_ade20k_m2f',
  rate = '0',
  truth = '0',
  only = '',
] = process.argv.slice(2);
const e = engine();
const isCuda = device.startsWith('cuda');
const size = arch === 'tiny' ? 128 : 512;
const passes = 21;
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
      normalization: normalizations.lvd,
      device,
    }),
  );
}

const load = (dtype, precision, cudaGraphs = true) =>
  SegmentationModel.init({ arch, seed: 1, dtype, precision, device, cudaGraphs });

const classMap = (model, decoded) =>
  model.ownHead().classMap(decoded, { width: size, height: size, scoring: 'ade20k' });

async function pass(model, images) {
  const decoded = await model.decode(images);
  const map = await classMap(model, decoded);
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

/** What errors are measured on, on the device. */
const truthScenes = [];
for await (const images of prefetch(Array(Number(truth)).keys(), (i) => scenes(1, 100 + i), {
  ahead: 16,
  concurrency: 16,
}))
  truthScenes.push(images);

/** Class logits, mask logits and class map of the drawn scenes, one after the other. */
async function* outputsOf(model) {
  for (const images of truthScenes) {
    const { queries, predLogits, predMasks } = await model.forward(images);
    const decoded = new DecodedImages({ queries: queries.handle, masks: predMasks.handle });
    const map = await classMap(model, decoded);
    yield [await predLogits.floats(), await predMasks.floats(), (await e.tensorData(map.handle)).data];
    [map, predLogits, decoded].forEach((each) => each.dispose());
  }
}

function relative(actual, expected) {
  let [error, norm] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    error += (actual[i] - expected[i]) ** 2;
    norm += expected[i] ** 2;
  }
  return Math.sqrt(error / norm);
}

/** Mean over the scenes, and its standard error. */
function meanOf(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return {
    mean: round(mean),
    standardError: round(Math.sqrt(squares / (values.length - 1) / values.length)),
  };
}

/** A network's errors against the exact outputs. */
async function errorsOf(model, exact) {
  const errors = { predLogits: [], predMasks: [], samePixels: [] };
  let i = 0;
  for await (const [logits, masks, map] of outputsOf(model)) {
    const truth = exact[i++];
    errors.predLogits.push(relative(logits, truth[0]));
    errors.predMasks.push(relative(masks, truth[1]));
    errors.samePixels.push(
      map.reduce((same, value, pixel) => same + (value === truth[2][pixel]), 0) / map.length,
    );
  }
  return Object.fromEntries(Object.entries(errors).map(([name, values]) => [name, meanOf(values)]));
}

const exact = [];
if (truth > 0) {
  const model = await load('float32', 'reference');
  for await (const outputs of outputsOf(model)) exact.push(outputs);
  await model[Symbol.asyncDispose]();
}

for (const [precision, cudaGraphs] of isCuda
  ? [
      ['tf32', true],
      ['tf32', false],
      ['float16', true],
      ['float16', false],
      ['fast', true],
      ['fp8', true],
      ['reference', true],
    ]
  : [
      ['tf32', false],
      ['fast', false],
    ]) {
  if (only && !only.split(',').includes(precision)) continue;
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
    if (truth > 0) row.errors = await errorsOf(model, exact);
  }
  // The largest magnitude that went into a product in float16, and passes that were run again without it.
  row.float16 = model.float16;
  await model[Symbol.asyncDispose]();
  report.rows.push(row);
  console.error(JSON.stringify(row));
}

console.log(JSON.stringify(report, null, 2));
process.exit(0);
