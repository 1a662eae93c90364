/**
 * Images per second of live and cached training in one run.
 *   node bench/train.mjs [cpu|cuda] [records] [GB/s]     GB/s: the memory's bandwidth, for the floor
 * The demo network is trained on drawn scenes, with and without the cache. For a head of the 7B's size (hidden 2048, 100
 * queries, 128×128 masks, 512×512 labels, 26 classes) the cache holds made-up outputs. Beside it stand the head's own part
 * of a live step, and live steps through a whole network of random weights with such a head: the 7B itself on a GPU, one with
 * DINOv3's smallest backbone on the CPU.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ClassHead, DecodedImages, SegmentationModel, Tensor, train } from '../dist/index.js';
import { writeDemoDataset } from '../packages/street-scenes/index.mjs';
import { engine } from '../dist/native/engine.js';
import { median } from './figures.mjs';
import { setting, toDevice, writeNetwork } from './network.mjs';

const device = process.argv[2] ?? 'cpu';
const isCuda = device.startsWith('cuda');
const e = engine();
const { folder, model } = await writeNetwork();
const described = isCuda ? e.devices().find(({ name }) => name.startsWith(device)).description : 'two cores';
setting(`training on ${device} (${described}), kernels ${e.info().cudaKernels ? 'fused' : 'of the CPU'}`);

const row = (...cells) =>
  console.log(cells.map((cell, i) => (i === 0 ? cell.padEnd(46) : cell.padStart(14))).join(''));

/** Images a second of training: the median of the epochs but the first. */
async function demoRun(name, settings) {
  const out = join(folder, name);
  await train({
    ...{ model, data: join(folder, 'data'), out, device, imageSize: 192, learningRate: 1e-3, patience: 0 },
    ...settings,
  });
  const lines = readFileSync(join(out, 'metrics.jsonl'), 'utf8').trim().split('\n').slice(1);
  return median(lines.map((line) => JSON.parse(line).imagesPerSecond));
}

await writeDemoDataset(join(folder, 'data'), { train: 32, val: 2, seed: 1 });
row('demo network, 192×192', 'live', 'cached', 'ratio');
for (const batchSize of [1, 16]) {
  const live = await demoRun(`live${batchSize}`, { mode: 'live', epochs: 3, batchSize });
  const cached = await demoRun(`cached${batchSize}`, { mode: 'cached', epochs: 12, batchSize });
  row(`  batch ${batchSize}, images/s`, live.toFixed(1), cached.toFixed(0), `${(cached / live).toFixed(0)}×`);
}

/** Seconds of a whole run with the pass that fills its cache. */
async function wholeRun(name, settings) {
  const started = performance.now();
  await train({
    ...{ model, data: join(folder, 'more'), out: join(folder, name), cache: join(folder, `${name}-cache`) },
    ...{ device, imageSize: 192, mode: 'cached', epochs: 20, patience: 0, batchSize: 8, learningRate: 1e-3 },
    ...settings,
  });
  return (performance.now() - started) / 1000;
}

await writeDemoDataset(join(folder, 'more'), { train: 96, val: 8, seed: 1 });
const one = await wholeRun('one', {});
const sweep = await wholeRun('sweep', {
  sweep: 'lr=3e-4,1e-3,3e-3,1e-2;weight-decay=0,1e-4,1e-3,1e-2',
});
row('  20 epochs of 96 images and their pass, s', one.toFixed(1));
row('  the same, a sweep of 16 heads', '', sweep.toFixed(1), `${(sweep / one).toFixed(2)}×`);

// A head of the 7B's size.
const size = { hidden: 2048, queries: 100, grid: 128, label: 512, classes: 26 };
const records = Number(process.argv[3] ?? (isCuda ? 512 : 48));
const bandwidth = Number(process.argv[4] ?? 0);
const distinct = 8;

function noise(length, scale, seed) {
  const values = new Float32Array(length);
  let state = seed * 2654435761 + 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = (state / 2 ** 31 - 1) * scale;
  }
  return values;
}

/** Areas of 40 pixels and more, a twentieth ignored, as in photographs. */
function areas(seed) {
  const { label, classes } = size;
  return Uint8Array.from({ length: label * label }, (_, i) => {
    const [x, y] = [i % label, Math.floor(i / label)];
    if (Math.floor((y + seed) / 25) % 20 === 7) return 255;
    return (Math.floor((x + 13 * seed) / 40) * 7 + Math.floor(y / 60) * 5) % classes;
  });
}

const samples = Array.from({ length: distinct }, (_, i) => ({
  queries: Tensor.from(noise(size.queries * size.hidden, 2, i), [1, size.queries, size.hidden]),
  masks: Tensor.from(noise(size.queries * size.grid ** 2, 6, 100 + i), [
    1,
    size.queries,
    size.grid,
    size.grid,
  ]),
  labels: Tensor.from(areas(i), [1, size.label, size.label]),
}));
const layout = [
  { name: 'queries', shape: [size.queries, size.hidden], dtype: 'bfloat16' },
  { name: 'masks', shape: [size.queries, size.grid, size.grid], dtype: 'bfloat16' },
  { name: 'labels', shape: [size.label, size.label], dtype: 'uint8' },
];
const file = join(folder, 'records.bin');
mkdirSync(folder, { recursive: true });
const id = '0'.repeat(32);
const writer = e.createCacheWriter(layout, id, join(folder, 'lock'));
await e.openShard(writer, file, 0);
const places = [];
for (let i = 0; i < records; i++) {
  const { queries, masks, labels } = samples[i % distinct];
  const parts = { queries: queries.handle, masks: masks.handle, labels: labels.handle };
  places.push(...(await e.appendRecords(writer, [{ parts, images: Uint32Array.of(0) }], size.classes)));
}
const store = e.createRecordStore({
  ...{ layout, cacheId: id, files: [file], device },
  file: new Int32Array(records),
  offset: Float64Array.from(places, ({ offset }) => offset),
  checksum: BigUint64Array.from(places, ({ checksum }) => BigInt(`0x${checksum}`)),
});
const held = await e.loadRecords(store);
const bytes = e.recordBytes(layout);
console.log(
  `\nhead of the 7B's size: ${records} records of ${(bytes / 1e6).toFixed(2)} MB, ${held.onDevice} on the device`,
);

function makeHeads(count) {
  return e.createHeads({
    ...{ kind: 'class_embed', width: size.hidden, classes: size.classes, device, precision: 'bfloat16' },
    ...{ losses: new Array(count).fill('cross-entropy'), seeds: new Array(count).fill(1) },
  });
}

const adamw = { learningRate: 1e-4, weightDecay: 1e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, maxNorm: 1 };

/** Milliseconds an image: the median over rounds of all records. */
async function cachedTime(count, batchSize) {
  const heads = makeHeads(count);
  const order = Int32Array.from({ length: records }, (_, i) => (i * 7919) % records);
  const steps = Math.ceil(records / batchSize);
  const plan = {
    ...{ records: order, batchSize, accumulate: 1, steps: new Array(count).fill(0) },
    learningRates: new Float64Array(steps * count).fill(1e-4),
    options: new Array(count).fill(adamw),
  };
  const times = [];
  for (let round = 0; round < (isCuda ? 9 : 4); round++) {
    const started = performance.now();
    await e.trainCached(heads, store, plan, Infinity);
    times.push((performance.now() - started) / records);
  }
  e.dispose(heads);
  return median(times.slice(1));
}

/** Milliseconds of the head's part of a live step, its inputs on the device. */
async function liveTime() {
  const head = ClassHead.create({ hidden: size.hidden, classes: size.classes, device, seed: 1 });
  const place = async ({ queries, masks, labels }) => ({
    decoded: new DecodedImages({
      queries: await toDevice(queries.handle, device),
      masks: await toDevice(masks.handle, device),
    }),
    labels: Tensor.wrap(await toDevice(labels.handle, device)),
  });
  const placed = await Promise.all(samples.map(place));
  const times = [];
  for (let i = 0; i < (isCuda ? 60 : 12); i++) {
    const { decoded, labels } = placed[i % distinct];
    const started = performance.now();
    await head.accumulate(decoded, labels);
    await head.step();
    times.push(performance.now() - started);
  }
  head.dispose();
  return median(times.slice(2));
}

/** Milliseconds an image of live steps, images on the device: the network's pass, the head's loss, gradient and step. */
async function liveNetworkTime(model, batchSize) {
  const { hidden } = model;
  const head = ClassHead.create({ hidden, classes: size.classes, device, seed: 1 });
  const side = size.label;
  const pixels = Tensor.from(noise(batchSize * 3 * side * side, 2, 7), [batchSize, 3, side, side]);
  const truth = new Uint8Array(batchSize * side * side);
  for (let i = 0; i < batchSize; i++) truth.set(areas(i), i * side * side);
  const [images, labels] = await Promise.all(
    [pixels, Tensor.from(truth, [batchSize, side, side])].map(async ({ handle }) =>
      Tensor.wrap(await toDevice(handle, device)),
    ),
  );
  const times = [];
  for (let i = 0; i < (isCuda ? 26 : batchSize === 1 ? 4 : 2); i++) {
    const started = performance.now();
    const decoded = await model.decode(images);
    await head.accumulate(decoded, labels);
    await head.step();
    times.push((performance.now() - started) / batchSize);
    decoded.dispose();
  }
  [head, pixels, images, labels].forEach((each) => each.dispose());
  return median(times.slice(isCuda ? 4 : 1));
}

const floor = bandwidth > 0 ? bytes / (bandwidth * 1e6) : NaN; // ms to read a record once
if (bandwidth > 0) console.log(`reading a record once at ${bandwidth} GB/s takes ${floor.toFixed(5)} ms`);
const live = await liveTime();
row('', 'ms an image', 'images/s', 'over the floor');
const show = (name, ms) =>
  row(name, ms.toFixed(4), (1000 / ms).toFixed(0), bandwidth > 0 ? `${(ms / floor).toFixed(0)}×` : '–');
show("  the head's part of a live step, batch 1", live);
const single = {};
for (const batchSize of [1, 16]) {
  single[batchSize] = await cachedTime(1, batchSize);
  show(`  cached, one head, batch ${batchSize}`, single[batchSize]);
}
for (const batchSize of [1, 16]) {
  const sixteen = await cachedTime(16, batchSize);
  show(`  cached, a sweep of 16 heads, batch ${batchSize}`, sixteen);
  console.log(`    16 heads cost ${(sixteen / single[batchSize]).toFixed(2)} times one`);
}
e.dispose(store);
e.dispose(writer);
const arch = isCuda ? 'dinov3_vit7b16_ade20k_m2f' : 'dinov3_vits16_m2f';
const network = await SegmentationModel.init({ arch, seed: 1, dtype: 'bfloat16', device });
for (const batchSize of [1, 16]) {
  const whole = await liveNetworkTime(network, batchSize);
  show(`  live, ${arch}, batch ${batchSize}`, whole);
  console.log(`    ${(whole / single[batchSize]).toFixed(0)} times a cached step`);
}
network.dispose();
process.exit(0);
