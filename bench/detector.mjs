/**
 * The detector: milliseconds a forward pass by precision, image size and part, errors, and memory alone and beside a segmentor that shares
 * its backbone. JSON; rows as they come on stderr.
 *   node bench/detector.mjs [cpu|cuda] [arch] [TFLOP/s] [precision,…]
 * Random weights in bfloat16 (`init`); on the CPU float32. Images: 768×768, and 2048×1536, what `detect` makes of a 4:3 photograph. arch: a
 * detector of `init`. TFLOP/s: what a bfloat16 matrix product reaches, for the floor of the backbone's linear layers. Precisions: reference,
 * tf32, float16, fp8; one of them in brackets after its name, `float16(batch)`, is also timed with four images a pass.
 * Errors: against the same network in float32, over four drawn scenes of 768×768. Of thousands of proposals the best 1500 become queries, in
 * the order of their scores: at the least rounding some change places, and their boxes jump. Hence medians over queries, and the share
 * of queries whose box stays within a hundredth of the image.
 */
import { readFileSync } from 'node:fs';
import {
  DetectionModel,
  SegmentationModel,
  Tensor,
  architectures,
  detectorArchitectures,
} from '../dist/index.js';
import { drawScene } from '../packages/street-scenes/index.mjs';
import { normalizations } from '../dist/model/normalization.js';
import { engine } from '../dist/native/engine.js';
import { median, round } from './figures.mjs';

const [
  device = 'cpu',
  arch = device === 'cpu' ? 'tiny-detector' : 'dinov3_vit7b16_coco_detr',
  rate = '0',
  only = device === 'cpu' ? 'reference,tf32(batch)' : 'reference,tf32,float16(batch),fp8(batch)',
] = process.argv.slice(2);
const e = engine();
const isCuda = device.startsWith('cuda');
const isTiny = arch === 'tiny-detector';
const dtype = isCuda ? 'bfloat16' : 'float32';
const segmentorArch = architectures[detectorArchitectures.indexOf(arch)];
const [passes, partPasses, scenes, batch] = [7, 3, 4, 4];
const sizes = isTiny
  ? [
      { width: 192, height: 192 },
      { width: 512, height: 384 },
    ]
  : [
      { width: 768, height: 768 },
      { width: 2048, height: 1536 },
    ];
const segmentorSize = isTiny ? { width: 128, height: 128 } : { width: 512, height: 512 };
const gigabytes = (bytes) => round(bytes / 1e9);
const init = (options) => DetectionModel.init({ arch, seed: 1, dtype, device, ...options });

/** Drawn street scenes, normalised, B×3×height×width. */
async function imagesOf({ width, height }, count = 1) {
  const draw = async (_, index) => (await drawScene({ seed: 1, index, width, height })).image;
  const images = await Promise.all(Array.from({ length: count }, draw));
  const augmentations = images.map(() => ({ flip: false, jitter: null }));
  const options = { width, height, augmentations, device, normalization: normalizations.lvd };
  return Tensor.wrap(await e.prepareImages(images, options));
}

/** Milliseconds of work that gives tensors, after three runs that do not count: the second is recorded. */
async function timed(work) {
  const times = [];
  for (let i = -3; i < passes; i++) {
    await e.synchronize(device);
    const started = performance.now();
    const results = await work();
    await e.synchronize(device);
    if (i >= 0) times.push(performance.now() - started);
    for (const tensor of results) tensor.dispose();
  }
  return median(times);
}

const forward = async (detector, images) => Object.values(await detector.forward(images));

/** What `work` returns, with the most memory that was taken meanwhile. */
async function withMemory(work) {
  if (!isCuda) return work();
  e.resetPeakMemory(device);
  const result = await work();
  const { peakAllocatedBytes, peakReservedBytes } = e.memoryStats(device);
  return {
    ...result,
    peakAllocatedGB: gigabytes(peakAllocatedBytes),
    peakReservedGB: gigabytes(peakReservedBytes),
  };
}

/** Multiplications and additions of the backbone's linear layers: two for each weight and token. */
function backboneFlops(weights, { width, height }) {
  const window = (length) => Math.ceil(Math.floor(length / 3) / 16);
  const tokens = (width / 16) * (height / 16) + window(width) * window(height);
  return 2 * weights * tokens;
}

const inputs = [];
for (const size of sizes) inputs.push([size, await imagesOf(size)]);
const several = await imagesOf(sizes[0], batch);
const truthScenes = await imagesOf(sizes[0], scenes);
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const report = {
  bench: 'detector',
  arch,
  dtype,
  device: isCuda ? e.devices().find(({ name }) => name.startsWith(device)) : device,
  versions: { package: version, libtorch: e.info().torch, node: process.version },
  kernels: e.info().cudaKernels,
  rows: [],
};

/** Logits and boxes of each scene, and how many logits a query has. */
async function* outputsOf(detector) {
  for (let i = 0; i < scenes; i++) {
    const images = truthScenes.slice(i, 1);
    const { predLogits, predBoxes } = await detector.forward(images);
    yield {
      classes: predLogits.shape[2],
      logits: await predLogits.floats(),
      boxes: await predBoxes.floats(),
    };
    [images, predLogits, predBoxes].forEach((each) => each.dispose());
  }
}

const exact = [];
{
  const truth = await init({ dtype: 'float32', precision: 'reference', cudaGraphs: false });
  report.parameters = truth.parameters;
  for await (const outputs of outputsOf(truth)) exact.push(outputs);
  await truth[Symbol.asyncDispose]();
}

/** Medians over the queries of all scenes. */
async function errorsOf(detector) {
  const [logitErrors, boxErrors] = [[], []];
  const far = Math.max(sizes[0].width, sizes[0].height) / 100;
  let scene = 0;
  for await (const { classes, logits, boxes } of outputsOf(detector)) {
    const truth = exact[scene++];
    for (let query = 0; query < boxes.length / 4; query++) {
      let [error, norm, moved] = [0, 0, 0];
      for (let k = query * classes; k < (query + 1) * classes; k++) {
        error += (logits[k] - truth.logits[k]) ** 2;
        norm += truth.logits[k] ** 2;
      }
      for (let k = 4 * query; k < 4 * query + 4; k++)
        moved = Math.max(moved, Math.abs(boxes[k] - truth.boxes[k]));
      logitErrors.push(Math.sqrt(error / norm));
      boxErrors.push(moved);
    }
  }
  return {
    medianLogits: round(median(logitErrors)),
    medianBoxPixels: round(median(boxErrors)),
    queriesNearby: round(boxErrors.filter((moved) => moved < far).length / boxErrors.length),
  };
}

async function sizeRow(detector, [size, images]) {
  const floor = Number(rate) > 0 && backboneFlops(detector.parameters, size) / (Number(rate) * 1e9);
  const ms = await timed(() => forward(detector, images));
  const parts = await e.detectorPartTimes(detector.handle, images.handle, { repeat: partPasses });
  return {
    size: `${size.width}×${size.height}`,
    forwardMs: round(ms),
    ...(floor && { backboneFloorMs: round(floor) }),
    parts: Object.fromEntries(Object.entries(parts).map(([name, time]) => [name, round(time)])),
  };
}

for (const entry of only.split(',')) {
  const precision = entry.replace('(batch)', '');
  const started = performance.now();
  const detector = await init({ precision });
  await e.synchronize(device);
  const row = {
    precision,
    initSeconds: round((performance.now() - started) / 1000),
    weightsGB: gigabytes(e.storageBytes([detector.handle])),
    sizes: [],
  };
  for (const input of inputs) row.sizes.push(await withMemory(() => sizeRow(detector, input)));
  if (entry !== precision)
    row.batch = await withMemory(async () => ({
      images: batch,
      msPerImage: round((await timed(() => forward(detector, several))) / batch),
    }));
  // From pixels to the best hundred detections in the image's own pixels: with what comes before and after the network.
  const { image } = await drawScene({ seed: 1, index: 0, width: 1920, height: 1080 });
  row.detectMs = round(await timed(async () => (await detector.detect(image, { imageSize: sizes[0] }), [])));
  row.errors = await errorsOf(detector);
  // The largest magnitude that went into a product in float16, and passes that were run again without it.
  row.float16 = detector.float16;
  await detector[Symbol.asyncDispose]();
  report.rows.push(row);
  console.error(JSON.stringify(row));
}

const segmentor = await SegmentationModel.init({ arch: segmentorArch, seed: 1, dtype, device });
const segmentorBytes = e.storageBytes([segmentor.handle]);
const detector = await init({ shareWith: segmentor });
const photo = await imagesOf(segmentorSize);
report.together = {
  segmentor: segmentorArch,
  precision: detector.precision,
  segmentorWeightsGB: gigabytes(segmentorBytes),
  weightsGB: gigabytes(e.storageBytes([segmentor.handle, detector.handle])),
  sharedGB: gigabytes(detector.sharedBytes),
  passes: await withMemory(async () => {
    const segmentorMs = await timed(async () => [await segmentor.decode(photo)]);
    const detectorMs = await timed(() => forward(detector, inputs[0][1]));
    return { segmentorMs: round(segmentorMs), detectorMs: round(detectorMs) };
  }),
};
console.log(JSON.stringify(report, null, 2));
process.exit(0);
