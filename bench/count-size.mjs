/**
 * How far percentages move when large images are counted at 4 or 1 megapixels: drawn scenes of 12 megapixels under the package's small
 * trained network, against counts at full size. Percentage points. JSON.
 *   node bench/count-size.mjs [images]
 * Default: 12.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { convert, openFeatureExtractor } from '../dist/index.js';
import { drawScene } from '../packages/street-scenes/index.mjs';
import { round } from './figures.mjs';

const [width, height] = [4000, 3000];
const images = Number(process.argv[2] ?? 12);
const folder = mkdtempSync(join(tmpdir(), 'dinov3-seg-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const files = [];
for (let index = 0; index < images; index++) {
  const { image } = await drawScene({ seed: 1, index, width, height });
  files.push(join(folder, `${index}.jpg`));
  await sharp(image.data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 92 })
    .toFile(files[index]);
}

const model = join(folder, 'model.pt');
const weights = (name) => join(import.meta.dirname, '../models/street-small', name);
await convert({ backbone: weights('backbone.safetensors'), head: weights('head.safetensors'), out: model });

/** Percentages of each image, and seconds an image. */
async function percentages(countSize) {
  const extractor = await openFeatureExtractor({ model, imageSize: 256, device: 'cpu', countSize });
  const started = performance.now();
  const rows = [];
  for (const file of files) {
    const [{ values }] = await extractor.extract([await extractor.readImage(file)], {});
    rows.push(values);
  }
  const seconds = (performance.now() - started) / 1000 / images;
  await extractor[Symbol.asyncDispose]();
  return { rows, seconds };
}

const whole = await percentages(1000);
const rows = [{ countSize: 'full', secondsAnImage: round(whole.seconds) }];
for (const countSize of [4, 1]) {
  const found = await percentages(countSize);
  const differences = found.rows.flatMap((row, i) =>
    row.map((value, k) => Math.abs(value - whole.rows[i][k])),
  );
  const mean = differences.reduce((sum, value) => sum + value, 0) / differences.length;
  rows.push({
    ...{ countSize, secondsAnImage: round(found.seconds) },
    ...{ mean: round(mean), largest: round(Math.max(...differences)) },
  });
}
console.log(JSON.stringify({ bench: 'count-size', images, width, height, rows }, null, 2));
