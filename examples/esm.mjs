/**
 * Segments an image and prints which share of it each class covers.
 *
 *     node esm.mjs MODEL HEAD IMAGE
 *
 * MODEL is a network file of `dinov3-seg convert`, HEAD a head file of `dinov3-seg train` (best.safetensors).
 */
import { ClassHead, SegmentationModel, classPercentages, classSetOf } from 'dinov3-seg';

const [modelPath, headPath, imagePath] = process.argv.slice(2);
if (!imagePath) {
  console.error('usage: node esm.mjs MODEL HEAD IMAGE');
  process.exit(2);
}

const model = await SegmentationModel.load(modelPath, { device: 'auto' });
const head = await ClassHead.open(headPath, { device: model.device });
const classSet = await classSetOf(head);
// At the size that the head was trained at.
const map = await model.segment(imagePath, { head, imageSize: head.metadata.imageSize ?? 512 });
for (const { name, percent } of classPercentages(map.data, classSet))
  if (percent > 0) console.log(`${name}: ${percent.toFixed(2)} %`);

// A program that ends here need not: this is for those that go on. TypeScript and Node.js ≥ 24 also have `using`.
head.dispose();
model.dispose();
