/**
 * Segments an image and prints the percentage of each class.
 *
 *     node esm.mjs MODEL HEAD IMAGE
 *
 * MODEL is a network file from `dinov3-seg convert`, HEAD a head file from `dinov3-seg train` (best.safetensors).
 */
import { openSegmenter } from 'dinov3-seg';

const [model, head, image] = process.argv.slice(2);
if (!image) {
  console.error('usage: node esm.mjs MODEL HEAD IMAGE');
  process.exit(2);
}

const segmenter = await openSegmenter({ model, head });
for (const [name, percent] of Object.entries(await segmenter.percentages(image)))
  if (percent > 0) console.log(`${name}: ${percent.toFixed(2)} %`);

// Frees the memory at once. This is only needed in a program that continues. TypeScript and Node.js ≥ 24 also have `using`.
segmenter.dispose();
