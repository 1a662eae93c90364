/**
 * A whole training from files to the best head: seconds of the pass that fills the cache, of the epochs and of all, the cache's size
 * and the most memory that the GPU gave. Random weights. JSON.
 *   node bench/whole-training.mjs [cpu|cuda] [arch] [images] [epochs] [size] [cache dtype] [layers] [folder]
 * Default: cpu, tiny-backbone, 24 images, 4 epochs, 64; on cuda dinov3_vitl16, 500 images, 20 epochs, 512, weights in bfloat16. A network
 * with a decoder trains class_embed, a backbone alone a linear probe. Everything else is the recipe: also flipped images, batches of 1.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { initModel, listCaches, train } from '../dist/index.js';
import { engine } from '../dist/native/engine.js';
import { round } from './figures.mjs';
import { writeScenes } from './scenes.mjs';

const isCuda = (process.argv[2] ?? 'cpu').startsWith('cuda');
const [
  device = 'cpu',
  arch = isCuda ? 'dinov3_vitl16' : 'tiny-backbone',
  images = isCuda ? '500' : '24',
  epochs = isCuda ? '20' : '4',
  size = isCuda ? '512' : '64',
  cacheDtype = 'bfloat16',
  layers = '1',
  given,
] = process.argv.slice(2);
const folder = given ?? mkdtempSync(join(tmpdir(), 'dinov3-seg-bench-'));
mkdirSync(folder, { recursive: true });
if (!given) process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const at = (name) => join(folder, name);
const e = engine();

await writeScenes(at('data'), { train: Number(images), val: Math.max(1, Math.round(Number(images) / 10)) });
const model = at('network.pt');
await initModel({ arch, seed: 1, ...(isCuda && { dtype: 'bfloat16', device }), out: model });
if (isCuda) e.resetPeakMemory(device);
/** When each phase was first and last heard of, in ms since the start. */
const phases = {};
const started = performance.now();
const since = () => performance.now() - started;
const { best } = await train(
  {
    ...{ model, data: at('data'), out: at('run'), cache: at('cache'), device, imageSize: Number(size) },
    ...{ epochs: Number(epochs), patience: 0, learningRate: 1e-3, cacheDtype, layers: Number(layers) },
  },
  {
    onProgress: ({ phase }) => {
      phases[phase] ??= { first: since() };
      phases[phase].last = since();
    },
    onLog: (line) => console.error(line),
  },
);
const seconds = since() / 1000;
const lines = readFileSync(at('run/metrics.jsonl'), 'utf8').trim().split('\n');
const [cache] = await listCaches(at('cache'));
const report = {
  ...{
    bench: 'whole-training',
    arch,
    device: e.devices().find(({ name }) => name.startsWith(device)).description,
  },
  ...{
    processors: cpus().length,
    images: Number(images),
    epochs: lines.length,
    size: Number(size),
    cacheDtype,
  },
  contents: cache.key.contents,
  records: cache.records,
  cacheGB: round(cache.sizeBytes / 1e9),
  passSize: cache.passSize,
  loadingAndCachingSeconds: round((phases.cache?.last ?? 0) / 1000),
  trainingSeconds: round(lines.reduce((sum, line) => sum + JSON.parse(line).seconds, 0)),
  wholeSeconds: round(seconds),
  ...(isCuda && { peakReservedGB: round(e.memoryStats(device).peakReservedBytes / 1e9) }),
  mIoU: best?.mIoU ?? null,
};
console.log(JSON.stringify(report, null, 2));
process.exit(0);
