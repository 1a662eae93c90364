// Trains the detector's head that ships with the package, on the shipped backbone and street scenes that it draws itself.
//   node packages/street-scenes/scripts/pretrain-detector.mjs --out DIR [--backbone F] [--device cuda] [--steps N] [--batch-size N]
//     [--scenes N] [--seed N] [--time-limit S]
// As pretrain.mjs: it needs both addons alone, and stopped it goes on. pretraining.md tells what comes of it.
import { fileURLToPath } from 'node:url';
import '../typescript.mjs';
import { readOptions } from './pretrain/options.mjs';

const { DetectorPretraining } = await import('./pretrain/detector.mjs');
const { runPretraining } = await import('./pretrain/run.mjs');

const backbone = fileURLToPath(new URL('../../../models/street-small/backbone.safetensors', import.meta.url));
const numbers = { steps: 13500, 'batch-size': 16, scenes: 10000, 'image-size': 768, lr: 1e-3 };
await runPretraining(DetectorPretraining, readOptions(numbers, { arch: 'street-small-detector', backbone }));
