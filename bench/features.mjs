/**
 * Features of an image from end to end: JPEG files of 1920×1080 to rows of a table, 26 percentages by the segmentor alone and 36
 * features by both networks of one backbone, in the default precision and, on a GPU that has it, in fp8. JSON: images per second and
 * what an image takes. Milliseconds an image:
 *   decode    a JPEG, on one thread
 *   network   the segmentor's passes alone, on images that are on the device
 *   counts    class maps of both heads and their counts, the operators alone, on what the network gives
 *   passes    copy to the device, network and counts of decoded images, two passes at a time as in a table
 *   detect    an image by the detector (36 features)
 *   table     the whole; less than `passes` and `detect` together where these overlap
 *   node bench/features.mjs [device] [arch] [detector's arch] [images] [precision,…]
 * Drawn scenes; random weights. UV_THREADPOOL_SIZE: how many images are decoded at a time at most. Default: cpu, tiny,
 * tiny-detector, 6, the default precision and fp8. Half of the images for 36 features.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import {
  ClassHead,
  SegmentationModel,
  decodeImage,
  extractTable,
  imagesOfPaths,
  initModel,
} from '../dist/index.js';
import { loadClassSet } from '../dist/data/class-sets.js';
import { markOwn } from '../dist/data/own-pixels.js';
import { openFeatureExtractor } from '../dist/features/open-extractor.js';
import { defaultPrecision } from '../dist/model/network-precision.js';
import { engine } from '../dist/native/engine.js';
import { drawScene } from '../packages/street-scenes/index.mjs';
import { median, round } from './figures.mjs';

const [device = 'cpu', arch = 'tiny', detectorArch = 'tiny-detector', count = '6', wanted] =
  process.argv.slice(2);
const isCuda = device.startsWith('cuda');
const precisions = wanted?.split(',') ?? [defaultPrecision, ...(isCuda ? ['fp8'] : [])];
const [width, height, distinct] = [1920, 1080, 8];
const size = 512;
const folder = mkdtempSync(join(tmpdir(), 'dinov3-seg-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const at = (name) => join(folder, name);
const e = engine();

const drawn = await Promise.all(
  Array.from({ length: Math.min(distinct, Number(count)) }, async (_, index) => {
    const { image } = await drawScene({ seed: 1, index, width, height });
    return sharp(image.data, { raw: { width, height, channels: 3 } })
      .jpeg({ quality: 92 })
      .toBuffer();
  }),
);
const files = Array.from({ length: Number(count) }, (_, i) => at(`${String(i).padStart(6, '0')}.jpg`));
await Promise.all(files.map((file, i) => writeFile(file, drawn[i % drawn.length])));

const made = { seed: 1, ...(isCuda && { dtype: 'bfloat16', device }) };
const [model, detector, head] = ['segmentor.pt', 'detector.pt', 'head.safetensors'].map(at);
await initModel({ ...made, arch, out: model });
await initModel({ ...made, arch: detectorArch, out: detector });
const network = await SegmentationModel.load(model);
const settings = { classes: await loadClassSet('idd26'), precision: 'bfloat16', seed: 1 };
await ClassHead.create({ hidden: network.hidden, ...settings }).save(head);
network.dispose();

/** Median milliseconds of `run`, which the device is waited for after. */
async function milliseconds(run, repeat = isCuda ? 7 : 1) {
  const times = [];
  for (let i = 0; i < repeat; i++) {
    await e.synchronize(device);
    const started = performance.now();
    await run();
    await e.synchronize(device);
    times.push(performance.now() - started);
  }
  return median(times);
}

const operator = (name, operands, repeat) => e.callOperator(name, operands, repeat);

/** Milliseconds of the operators that make and count the maps of an image of the hybrid of 26 columns. */
async function countsOf({ handle }, images) {
  const { predLogits, predMasks } = await e.forward(handle, images);
  const [logits, masks] = [
    e.slice(predLogits, { first: 0, count: 1 }),
    e.slice(predMasks, { first: 0, count: 1 }),
  ];
  const all = await operator('aten::softmax.int', [logits, -1]);
  const shares = await operator('aten::narrow', [all, -1, 0, e.tensorInfo(all).shape[2] - 1]);
  const [few, probabilities] = [
    await operator('aten::narrow', [shares, -1, 0, 26]),
    await operator('aten::sigmoid', [masks]),
  ];
  const scores = await operator('aten::einsum', ['bqk,bqhw->bkhw', [few, probabilities]]);
  const tables = await operator('aten::to.dtype_layout', [
    e.tensor(
      Uint8Array.from({ length: 512 }, (_, i) => (i % 256) % 26),
      [2, 256],
    ),
    undefined,
    undefined,
    device,
  ]);
  const repeat = isCuda ? 10 : 1;
  const each = async (name, operands) =>
    (await milliseconds(() => operator(`dinov3_seg::${name}`, operands, repeat), 3)) / repeat;
  const ofMasks = await operator('dinov3_seg::argmax_masks', [shares, masks, height, width]);
  const map = await operator('aten::select.int', [ofMasks, 0, 0]);
  return {
    masks: await each('argmax_masks', [shares, masks, height, width]),
    resized: await each('argmax_resized', [scores, height, width]),
    count: await each('count_classes', [[map, map], tables, undefined, 26]),
  };
}

/** Milliseconds of the segmentor's parts, an image. */
async function partsOf({ of: inner }) {
  const { features, passSize } = inner;
  const decoded = [];
  const decode = await milliseconds(async () => {
    for (const file of files.slice(0, drawn.length)) decoded.push(markOwn(await decodeImage(file)));
  }, 1);
  const group = Array.from({ length: passSize }, (_, i) => decoded[i % decoded.length]);
  const images = await e.prepareImages(group, {
    ...{ width: size, height: size, device },
    normalization: features.model.normalization,
  });
  const outputs = { decoded: true, features: 0 };
  const pass = async () => {
    const { queries, masks } = await e.outputs(features.model.handle, images, outputs);
    for (const handle of [queries, masks]) e.dispose(handle);
  };
  await pass();
  await pass();
  const networkMs = (await milliseconds(pass)) / passSize;
  const passes = isCuda ? 6 : 2;
  const several = await milliseconds(async () => {
    const turn = async () => {
      for (let i = 0; i < passes; i++) await features.on(features.model, group, {});
    };
    await Promise.all([turn(), turn()]);
  }, 1);
  const counts = await countsOf(features.model, images);
  e.dispose(images);
  return {
    decode: round(decode / drawn.length),
    network: round(networkMs),
    counts: round(counts.masks + counts.resized + counts.count),
    countsBy: Object.fromEntries(Object.entries(counts).map(([name, time]) => [name, round(time)])),
    passes: round(several / (2 * passes * passSize)),
  };
}

async function detectMs({ of: { detector } }) {
  const image = await decodeImage(files[0]);
  const detect = () => detector.detect(image, { imageSize: { width: 768, height: 768 } });
  await detect();
  return round(await milliseconds(detect));
}

const threads = Math.min(availableParallelism(), Number(process.env.UV_THREADPOOL_SIZE ?? 4));
const report = {
  ...{ bench: 'features', arch, detectorArch, device, threads, rows: [] },
  deviceName: isCuda ? e.devices().find(({ name }) => name.startsWith('cuda'))?.description : undefined,
};
for (const precision of precisions)
  for (const [name, networks, images] of [
    ['26 percentages', {}, files],
    ['36 features', { detector }, files.slice(0, Math.ceil(files.length / 2))],
  ]) {
    if (isCuda) e.resetPeakMemory(device);
    const opened = { model, head, device, precision, imageSize: size, ...networks };
    const extractor = await openFeatureExtractor(opened).catch((error) => {
      // Not every GPU has it.
      if (wanted !== undefined || precision !== 'fp8') throw error;
      console.error(`fp8: skipped: ${error.message}`);
    });
    if (!extractor) continue;
    // Libraries set themselves up, and passes are recorded, before anything counts.
    const warm = await imagesOfPaths(files.slice(0, 2 * extractor.passSize));
    const output = at(`${name}-${precision}.csv`);
    await extractTable(extractor, warm, { output: at(`warm-${name}-${precision}.csv`), threads });
    const summary = await extractTable(extractor, await imagesOfPaths(images), { output, threads });
    const parts = networks.detector ? { detect: await detectMs(extractor) } : await partsOf(extractor);
    report.rows.push({
      name,
      precision,
      passSize: extractor.passSize,
      images: images.length,
      imagesPerSecond: round(summary.imagesPerSecond),
      waitingShare: round(summary.waitingShare),
      milliseconds: { ...parts, table: round(1000 / summary.imagesPerSecond) },
      ...(isCuda && { peakAllocatedGB: round(e.memoryStats(device).peakAllocatedBytes / 1e9) }),
    });
    console.error(JSON.stringify(report.rows.at(-1)));
    await extractor[Symbol.asyncDispose]();
  }
console.log(JSON.stringify(report, null, 2));
process.exit(0);
