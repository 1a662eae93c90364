/**
 * The detector: milliseconds a forward pass, of the backbone and of the head, and memory alone and beside a segmentor that shares its
 * backbone. JSON.
 *   node bench/detector.mjs [cpu|cuda] [arch] [TFLOP/s]
 * Random weights in bfloat16 (`init`); on the CPU float32. Images: 768×768, and 2048×1536, what `detect` makes of a 4:3 photograph. arch: a
 * detector of `init`. TFLOP/s: what a bfloat16 matrix product reaches, for the floor of the backbone's linear layers.
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

const [device = 'cpu', arch = device === 'cpu' ? 'tiny-detector' : 'dinov3_vit7b16_coco_detr', rate = '0'] =
  process.argv.slice(2);
const e = engine();
const isCuda = device.startsWith('cuda');
const isTiny = arch === 'tiny-detector';
const dtype = isCuda ? 'bfloat16' : 'float32';
const segmentorArch = architectures[detectorArchitectures.indexOf(arch)];
const passes = 11;
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
const place = { seed: 1, dtype, device };

/** A drawn street scene, normalised, 1×3×height×width. */
async function sceneOf({ width, height }) {
  const { image } = await drawScene({ seed: 1, index: 0, width, height });
  const augmentations = [{ flip: false, jitter: null }];
  return Tensor.wrap(
    await e.prepareImages([image], {
      width,
      height,
      augmentations,
      device,
      normalization: normalizations.lvd,
    }),
  );
}

/** Milliseconds of work that gives tensors, after two runs that do not count. */
async function timed(work) {
  const times = [];
  for (let i = -2; i < passes; i++) {
    await e.synchronize(device);
    const started = performance.now();
    const results = await work();
    await e.synchronize(device);
    if (i >= 0) times.push(performance.now() - started);
    for (const tensor of results) tensor.dispose();
  }
  return median(times);
}

const boxesOf = async (detector, images) => Object.values(await detector.forward(images));

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
for (const size of sizes) inputs.push([size, await sceneOf(size)]);
const photo = await sceneOf(segmentorSize);
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const report = {
  bench: 'detector',
  arch,
  dtype,
  device: isCuda ? e.devices().find(({ name }) => name.startsWith(device)) : device,
  versions: { package: version, libtorch: e.info().torch, node: process.version },
  kernels: e.info().cudaKernels,
};

async function measured(detector, [size, images], backboneWeights) {
  const forward = await timed(() => boxesOf(detector, images));
  const backbone = await timed(async () => [await detector.features(images)]);
  const floor = Number(rate) > 0 && backboneFlops(backboneWeights, size) / (Number(rate) * 1e9);
  return {
    size: `${size.width}×${size.height}`,
    forwardMs: round(forward),
    backboneMs: round(backbone),
    headMs: round(forward - backbone),
    ...(floor && { backboneFloorMs: round(floor) }),
  };
}

// Once without counting: libraries set themselves up.
const started = performance.now();
const alone = await DetectionModel.init({ arch, ...place });
await e.synchronize(device);
report.initSeconds = round((performance.now() - started) / 1000);
report.parameters = alone.parameters;
report.weightsGB = gigabytes(e.storageBytes([alone.handle]));
await boxesOf(alone, inputs[0][1]).then((tensors) => tensors.forEach((tensor) => tensor.dispose()));
// All but the head, which has far less than a hundredth of the released network's.
report.alone = [];
for (const input of inputs)
  report.alone.push(await withMemory(() => measured(alone, input, alone.parameters)));
alone.dispose();
await e.synchronize(device);

const segmentor = await SegmentationModel.init({ arch: segmentorArch, ...place, cudaGraphs: false });
const segmentorBytes = e.storageBytes([segmentor.handle]);
const detector = await DetectionModel.init({ arch, ...place, shareWith: segmentor });
const both = [segmentor.handle, detector.handle];
report.together = {
  segmentor: segmentorArch,
  segmentorWeightsGB: gigabytes(segmentorBytes),
  weightsGB: gigabytes(e.storageBytes(both)),
  sharedGB: gigabytes(detector.sharedBytes),
  passes: await withMemory(async () => {
    const segmentorMs = await timed(async () => [await segmentor.decode(photo)]);
    const detectorMs = await timed(() => boxesOf(detector, inputs[0][1]));
    return { segmentorMs: round(segmentorMs), detectorMs: round(detectorMs) };
  }),
};
if (isCuda) {
  const recorded = await DetectionModel.init({ arch, ...place, shareWith: segmentor, cudaGraphs: true });
  report.cudaGraphs = [];
  for (const [size, images] of inputs) {
    const row = { size: `${size.width}×${size.height}` };
    try {
      report.cudaGraphs.push(
        await withMemory(async () => ({
          ...row,
          forwardMs: round(await timed(() => boxesOf(recorded, images))),
        })),
      );
    } catch (error) {
      report.cudaGraphs.push({ ...row, error: `${error.code}: ${error.message}`.slice(0, 600) });
    }
  }
}
console.log(JSON.stringify(report, null, 2));
process.exit(0);
