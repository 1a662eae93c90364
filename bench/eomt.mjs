/**
 * An EoMT network's forward pass: milliseconds an image, parts, memory. JSON.
 *   node bench/eomt.mjs [cpu|cuda] [arch] [size]
 * From normalised images size×size to class and mask logits (`forward`), and to the class of each pixel (`map`). arch: an EoMT network of
 * `init`, random weights in bfloat16 (on the CPU float32). `bench/eomt-transformers.py` measures the same network in transformers.
 */
import { readFileSync } from 'node:fs';
import { SegmentationModel, Tensor } from '../dist/index.js';
import { engine } from '../dist/native/engine.js';
import { median, round } from './figures.mjs';
import { toDevice } from './network.mjs';

const [device = 'cpu', arch = device === 'cpu' ? 'tiny-eomt' : 'dinov3_vitl16_eomt', side = ''] =
  process.argv.slice(2);
const e = engine();
const isCuda = device.startsWith('cuda');
const size = Number(side) || (arch.startsWith('tiny') ? 128 : 512);
const [warmup, passes] = [5, 41];

/** Smooth values of the size of normalised pixels, batch×3×size×size. */
async function imagesOf(batch) {
  const shape = [batch, 3, size, size];
  const values = Float32Array.from({ length: batch * 3 * size * size }, (_, i) => {
    const [x, y] = [i % size, Math.floor(i / size) % size];
    return 1.5 * Math.sin(x / 37 + i / (size * size)) * Math.cos(y / 23);
  });
  const images = Tensor.from(values, shape);
  if (!isCuda) return images;
  return Tensor.wrap(await toDevice(images.handle, device));
}

async function timed(batch, work) {
  for (let i = 0; i < warmup; i++) for (const tensor of await work()) tensor.dispose();
  await e.synchronize(device);
  const times = [];
  for (let i = 0; i < passes; i++) {
    const started = performance.now();
    const results = await work();
    await e.synchronize(device);
    times.push((performance.now() - started) / batch);
    for (const tensor of results) tensor.dispose();
  }
  return {
    median: round(median(times)),
    least: round(Math.min(...times)),
    most: round(Math.max(...times)),
  };
}

function memory() {
  if (!isCuda) return {};
  const { peakAllocatedBytes, peakReservedBytes } = e.memoryStats(device);
  return {
    peakAllocatedGB: round(peakAllocatedBytes / 1e9),
    peakReservedGB: round(peakReservedBytes / 1e9),
  };
}

async function mapOf(model, images) {
  const decoded = await model.decode(images);
  const map = await model.ownHead().classMap(decoded, { width: size, height: size, scoring: 'ade20k' });
  decoded.dispose();
  return [map];
}

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const report = {
  bench: 'eomt',
  arch,
  size,
  device: isCuda ? e.devices().find(({ name }) => name.startsWith(device)) : device,
  versions: { package: version, libtorch: e.info().torch, node: process.version },
  kernels: e.info().cudaKernels,
  rows: [],
};
for (const cudaGraphs of isCuda ? [true, false] : [false]) {
  const dtype = isCuda ? 'bfloat16' : 'float32';
  const model = await SegmentationModel.init({ arch, seed: 1, dtype, device, cudaGraphs });
  report.parameters = model.parameters;
  const row = { cudaGraphs };
  for (const batch of isCuda ? [1, 8] : [1]) {
    const images = await imagesOf(batch);
    if (isCuda) e.resetPeakMemory(device);
    const forward = await timed(batch, async () => Object.values(await model.forward(images)));
    row[`batch${batch}`] = {
      forward,
      ...memory(),
      map: await timed(batch, () => mapOf(model, images)),
    };
    if (cudaGraphs === isCuda)
      row[`batch${batch}`].partsOfBatch = Object.fromEntries(
        Object.entries(await e.partTimes(model.handle, images.handle, { repeat: passes })).map(([k, v]) => [
          k,
          round(v),
        ]),
      );
    images.dispose();
  }
  await model[Symbol.asyncDispose]();
  report.rows.push(row);
  console.error(JSON.stringify(row));
}
console.log(JSON.stringify(report, null, 2));
process.exit(0);
