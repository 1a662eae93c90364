// Trains the small network that ships with the package, on street scenes that it draws itself.
//   node scripts/pretrain.mjs --out DIR [--device cuda] [--steps N] [--batch-size N] [--scenes N] [--seed N] [--time-limit S]
// Needs the built package (`npm run build:ts`, the addon) and nothing else. Stopped or out of time it goes on where it was when
// the same command is given again. docs/pretrained.md tells what comes of it.
import { readOptions } from './pretrain/options.mjs';
import { runPretraining } from './pretrain/run.mjs';
import { SegmentorPretraining } from './pretrain/segmentor.mjs';

const numbers = { steps: 4000, 'batch-size': 64, scenes: 12000, 'image-size': 256, lr: 1.5e-3 };
await runPretraining(SegmentorPretraining, readOptions(numbers, { arch: 'street-small' }));
