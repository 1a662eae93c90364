/**
 * Segments an image and prints which share of it each class covers.
 *
 *     node esm.mjs MODEL HEAD IMAGE
 *
 * MODEL is a network file of `dinov3-seg convert`, HEAD a head file of `dinov3-seg train` (best.safetensors).
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

// A program that ends here need not: this is for those that go on. TypeScript and Node.js ≥ 24 also have `using`.
segmenter.dispose();
