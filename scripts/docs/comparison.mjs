// Makes docs/comparison.png, the picture of README.md, of one unseen scene that the demo has predicted: scene, prediction, overlay.
//   npm run demo && node scripts/docs/comparison.mjs [DEMO_FOLDER]
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';

const root = fileURLToPath(new URL('../..', import.meta.url));
const demo = process.argv[2] ?? join(root, 'demo-output');
const prediction = join(demo, 'predictions/000002_leftImg8bit_segmentation');
const gap = 8; // pixels between two panels, transparent
const opacity = 0.55; // of the prediction in the overlay

const scene = await sharp(join(prediction, 'original.png')).removeAlpha().png().toBuffer();
const colored = await sharp(join(prediction, 'segmentation_colored.png')).removeAlpha().png().toBuffer();
const overlay = await sharp(scene)
  .composite([{ input: await sharp(colored).ensureAlpha(opacity).png().toBuffer() }])
  .png()
  .toBuffer();

const { width, height } = await sharp(scene).metadata();
const panels = [scene, colored, overlay].map((input, i) => ({ input, left: i * (width + gap), top: 0 }));
const canvas = { width: 3 * width + 2 * gap, height, channels: 4, background: '#0000' };
await sharp({ create: canvas })
  .composite(panels)
  .png({ palette: true, colours: 256, effort: 10 })
  .toFile(join(root, 'docs/comparison.png'));
