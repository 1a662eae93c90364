/**
 * The network's forward pass: milliseconds an image, by batch size, precision and part, memory and accuracy. JSON.
 *   node bench/forward.mjs [cpu|cuda] [arch] [TFLOP/s] [scenes] [precision,…] [reference-forward.json]
 * From normalised images to the class of each pixel (dense scores, resized to 512×512, and their best class). arch: see
 * `init`; random weights. TFLOP/s: what a bfloat16 matrix product reaches, for the floor of 20 TFLOP an image of the 7B.
 * scenes: also the errors against the same network in float32, over so many drawn scenes, and those of each precision beside
 * those of `reference` on the same scenes: the share of pixels with the same class differs by tenths of a percent from scene to
 * scene, which the standard error of the difference leaves out. Precisions: float16, tf32, fast, fp8, reference; then these alone,
 * and none without CUDA graphs. The file is what bench/reference-forward.py wrote, for ratios to its first row. A row with a pixel
 * decoder in float16 has the largest magnitude that it met. Each finding is a line on stderr as soon as it is there.
 * On an H200, 200 scenes and four precisions of the 7B take some 6 minutes, of which the float32 network takes half.
 */
import { readFileSync } from 'node:fs';
import { SegmentationModel, Tensor } from '../dist/index.js';
import { prefetch } from '../dist/data/prefetch.js';
import { DecodedImages } from '../dist/model/decoded-images.js';
import { drawScene } from '../packages/street-scenes/index.mjs';
import { normalizations } from '../dist/model/normalization.js';
import { engine } from '../dist/native/engine.js';
import { paired, relative, same, summary } from './accuracy.mjs';
import { median, round } from './figures.mjs';

const [
  device = 'cpu',
  arch = device === 'cpu' ? 'tiny' : 'dinov3_vit7b16_ade20k_m2f',
  rate = '0',
  truth = '0',
  only = '',
  published,
] = process.argv.slice(2);
const e = engine();
const isCuda = device.startsWith('cuda');
const size = arch === 'tiny' ? 128 : 512;
const started = performance.now();
const seconds = () => round((performance.now() - started) / 1000);
const say = (finding) => console.error(JSON.stringify({ seconds: seconds(), ...finding }));
const spread = (values) => ({
  median: round(median(values)),
  least: round(Math.min(...values)),
  most: round(Math.max(...values)),
});

/** Drawn street scenes, normalised, B×3×size×size. */
async function scenes(batch, first, place) {
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
      device: place,
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

async function timed(model, images, passes) {
  for (let i = 0; i < 3; i++) (await pass(model, images)).dispose();
  await e.synchronize(device);
  const times = [];
  for (let i = 0; i < passes; i++) {
    const begun = performance.now();
    (await pass(model, images)).dispose();
    await e.synchronize(device);
    times.push((performance.now() - begun) / images.shape[0]);
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
for (const batch of isCuda ? [1, 4, 8] : [1]) inputs.push([batch, await scenes(batch, 0, device)]);
const floor = 20e3 / Number(rate); // ms of 20 TFLOP
const other = published && JSON.parse(readFileSync(published, 'utf8')).rows[0];
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const report = {
  bench: 'forward',
  arch,
  device: isCuda ? e.devices().find(({ name }) => name.startsWith(device)) : device,
  versions: { package: version, libtorch: e.info().torch, node: process.version },
  kernels: e.info().cudaKernels,
  size,
  ...(other && { reference: other }),
  rows: [],
};

/** Class logits, mask logits and class map of the drawn scenes, one after the other. The scenes are on the host: peaks are a pass's. */
async function* outputsOf(model, images) {
  for await (const image of images) {
    const { queries, predLogits, predMasks } = await model.forward(image);
    const decoded = new DecodedImages({ queries: queries.handle, masks: predMasks.handle });
    const map = await classMap(model, decoded);
    yield [await predLogits.floats(), await predMasks.floats(), (await e.tensorData(map.handle)).data];
    [map, predLogits, decoded].forEach((each) => each.dispose());
  }
}

const truthScenes = [];
const exact = [];
if (truth > 0) {
  const drawn = prefetch(Array(Number(truth)).keys(), (i) => scenes(1, 100 + i, 'cpu'), {
    ahead: 16,
    concurrency: 16,
  });
  const kept = async function* () {
    for await (const image of drawn) {
      truthScenes.push(image);
      yield image;
    }
  };
  const model = await load('float32', 'reference');
  for await (const outputs of outputsOf(model, kept())) {
    exact.push(outputs);
    if (exact.length % 25 === 0) say({ float32: exact.length });
  }
  await model[Symbol.asyncDispose]();
}

/** A network's errors against the exact outputs, scene by scene. */
async function errorsOf(model) {
  const errors = { predLogits: [], predMasks: [], samePixels: [] };
  for await (const [logits, masks, map] of outputsOf(model, truthScenes)) {
    const expected = exact[errors.predLogits.length];
    errors.predLogits.push(relative(logits, expected[0]));
    errors.predMasks.push(relative(masks, expected[1]));
    errors.samePixels.push(same(map, expected[2]));
  }
  return errors;
}

const medianOf = (row, batch) => row?.[`batch${batch}`]?.msPerImage?.median;
const settings = isCuda
  ? [
      ['reference', true],
      ['float16', true],
      ['tf32', true],
      ['fp8', true],
      ['fast', true],
      ['float16', false],
    ]
  : [
      ['reference', false],
      ['float16', false],
      ['fast', false],
    ];
const wanted = only.split(',');
let reference; // row and errors of the precision `reference`
for (const [precision, cudaGraphs] of settings) {
  if (only && !(wanted.includes(precision) && cudaGraphs === isCuda)) continue;
  // It takes three times as long as the others.
  const passes = precision === 'reference' ? 11 : 21;
  const begun = performance.now();
  const model = await load('bfloat16', precision, cudaGraphs);
  await e.synchronize(device);
  const row = {
    precision,
    cudaGraphs,
    parameters: model.parameters,
    initSeconds: round((performance.now() - begun) / 1000),
  };
  for (const [batch, images] of inputs) {
    if (isCuda) e.resetPeakMemory(device);
    const times = await timed(model, images, passes);
    const ratio = (ms) => ms && round(times.median / ms);
    row[`batch${batch}`] = {
      msPerImage: times,
      ...(rate > 0 && { overFloor: ratio(floor) }),
      overPrecisionReference: ratio(medianOf(reference?.row, batch)),
      overReference: ratio(medianOf(other, batch)),
      ...memory(),
    };
    say({ precision, cudaGraphs, batch, ...row[`batch${batch}`] });
  }
  let errors;
  if (cudaGraphs === isCuda) {
    row.parts = Object.fromEntries(
      Object.entries(await e.partTimes(model.handle, inputs[0][1].handle, { repeat: passes })).map(
        ([k, v]) => [k, round(v)],
      ),
    );
    if (truth > 0) {
      errors = await errorsOf(model);
      row.errors = Object.fromEntries(
        Object.entries(errors).map(([name, values]) => [
          name,
          reference?.errors ? paired(values, reference.errors[name]) : summary(values),
        ]),
      );
    }
  }
  // The largest magnitude that went into a product in float16, and passes that were run again without it.
  row.float16 = model.float16;
  await model[Symbol.asyncDispose]();
  if (precision === 'reference') reference = { row, errors };
  report.rows.push(row);
  say(row);
}

console.log(JSON.stringify({ ...report, seconds: seconds() }, null, 2));
process.exit(0);
