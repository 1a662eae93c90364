// Trains the small network that ships with the package, on street scenes that it draws itself.
//   node packages/street-scenes/scripts/pretrain.mjs --out DIR [--device cuda] [--steps N] [--batch-size N] [--scenes N] [--seed N] [--time-limit S]
// Needs both addons (`npm run setup`, build.mjs) and nothing else. Stopped or out of time it goes on where it was when the same
// command is given again. pretraining.md tells what comes of it.
import '../typescript.mjs';
import { readOptions } from './pretrain/options.mjs';

const { runPretraining } = await import('./pretrain/run.mjs');
const { SegmentorPretraining } = await import('./pretrain/segmentor.mjs');

const numbers = { steps: 4000, 'batch-size': 64, scenes: 12000, 'image-size': 256, lr: 1.5e-3 };
await runPretraining(SegmentorPretraining, readOptions(numbers, { arch: 'street-small' }));
