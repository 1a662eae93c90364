/**
 * 36 features of an image from end to end: JPEG files of 1920×1080 to rows of a table, with both networks of one backbone
 * and with the segmentor alone; images per second. JSON.
 *   node bench/features.mjs [device] [arch] [detector's arch] [images]
 * Drawn scenes; random weights. UV_THREADPOOL_SIZE: how many images are decoded at a time at most. Default: cpu, tiny,
 * tiny-detector, 6.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { ClassHead, SegmentationModel, extractTable, imagesOfPaths, initModel } from '../dist/index.js';
import { loadClassSet } from '../dist/data/class-sets.js';
import { drawScene } from '../packages/street-scenes/index.mjs';
import { openFeatureExtractor } from '../dist/features/open-extractor.js';
import { engine } from '../dist/native/engine.js';
import { round } from './figures.mjs';

const [device = 'cpu', arch = 'tiny', detectorArch = 'tiny-detector', count = '6'] = process.argv.slice(2);
const isCuda = device.startsWith('cuda');
const [width, height, distinct] = [1920, 1080, 8];
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

const report = { bench: 'features', arch, detectorArch, device, images: files.length, rows: [] };
for (const [name, networks] of [
  ['26 percentages', {}],
  ['36 features', { detector }],
]) {
  if (isCuda) e.resetPeakMemory(device);
  const extractor = await openFeatureExtractor({ model, head, device, imageSize: 512, ...networks });
  const threads = Math.min(availableParallelism(), Number(process.env.UV_THREADPOOL_SIZE ?? 4));
  // Libraries set themselves up, and passes are recorded, before anything counts.
  const warm = await imagesOfPaths(files.slice(0, 2 * extractor.passSize));
  await extractTable(extractor, warm, { output: at(`warm-${name}.csv`), threads });
  const summary = await extractTable(extractor, await imagesOfPaths(files), {
    output: at(`${name}.csv`),
    threads,
  });
  report.rows.push({
    name,
    passSize: extractor.passSize,
    imagesPerSecond: round(summary.imagesPerSecond),
    waitingShare: round(summary.waitingShare),
    ...(isCuda && { peakAllocatedGB: round(e.memoryStats(device).peakAllocatedBytes / 1e9) }),
  });
  console.error(JSON.stringify(report.rows.at(-1)));
  await extractor[Symbol.asyncDispose]();
}
console.log(JSON.stringify(report, null, 2));
process.exit(0);
