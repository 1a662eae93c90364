// Trains the detector's head that ships with the package, on the shipped backbone and street scenes that it draws itself.
//   node scripts/pretrain-detector.mjs --out DIR [--backbone F] [--device cuda] [--steps N] [--batch-size N] [--scenes N]
//     [--seed N] [--time-limit S]
// As scripts/pretrain.mjs: it needs the built package alone, and stopped it goes on. docs/pretrained.md tells what comes of it.
import { fileURLToPath } from 'node:url';
import { DetectorPretraining } from './pretrain/detector.mjs';
import { readOptions } from './pretrain/options.mjs';
import { runPretraining } from './pretrain/run.mjs';

const backbone = fileURLToPath(new URL('../models/street-small/backbone.safetensors', import.meta.url));
const numbers = { steps: 13500, 'batch-size': 16, scenes: 10000, 'image-size': 768, lr: 1e-3 };
await runPretraining(DetectorPretraining, readOptions(numbers, { arch: 'street-small-detector', backbone }));
