/** Drawn street scenes as a camera's files, for the benches. */
import { mkdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { encodePng } from '../dist/data/decode.js';
import { drawScene } from '../packages/street-scenes/index.mjs';

const [width, height, distinct] = [1920, 1080, 16];

/** Writes JPEGs of 1920×1080 and their labels as one split of a data set; every scene several times, in another light. */
export async function writeScenes(folder, split, files, first) {
  const at = (name) => join(folder, name);
  const scenes = await Promise.all(
    Array.from({ length: Math.min(distinct, files) }, (_, i) =>
      drawScene({ seed: 1, index: first + i, width, height }),
    ),
  );
  for (const kind of ['leftImg8bit', 'gtFine']) mkdirSync(at(`${kind}/${split}/scene`), { recursive: true });
  const labels = await Promise.all(scenes.map(({ label }) => encodePng(label, width, height, 1)));
  const write = async (i) => {
    const { image } = scenes[i % scenes.length];
    const frame = `${split}/scene/${String(i).padStart(6, '0')}`;
    const light = 0.7 + 0.6 * ((i * 0.618) % 1);
    const jpeg = sharp(image.data, { raw: { width, height, channels: 3 } }).modulate({ brightness: light });
    await writeFile(at(`leftImg8bit/${frame}_leftImg8bit.jpg`), await jpeg.jpeg({ quality: 92 }).toBuffer());
    await writeFile(at(`gtFine/${frame}_gtFine_labellevel3Ids.png`), labels[i % scenes.length]);
  };
  for (let i = 0; i < files; i += 32)
    await Promise.all(Array.from({ length: Math.min(32, files - i) }, (_, k) => write(i + k)));
}
