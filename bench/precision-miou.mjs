/**
 * What precisions cost in mIoU on drawn scenes: heads are trained on a network in precision `reference` (bfloat16, the pixel decoder in
 * float32), and each precision is compared with it on scenes that they have not seen, beside their labels. JSON.
 *   node bench/precision-miou.mjs [cpu|cuda] [network] [precision,…] [train scenes] [unseen scenes] [epochs] [folder]
 * network: `shipped` (models/street-small, trained on drawn scenes, 256×256), or an architecture of `init` with random weights, at
 * 512×512: what its heads learn is in the pixels' features alone. Two kinds of heads: class_embed from the network's own 151 classes,
 * and a linear probe. Each row has the mIoU of both precisions and their difference with its standard error (jackknife over scenes).
 * Default: cpu, shipped, float16; on cuda fp8 and float16. With 160 and 64 scenes, the 7B takes some two minutes on an H200.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compare, convert, initModel, train } from '../dist/index.js';
import { streetSmall, streetSmallSize } from '../dist/demo/network.js';
import { engine } from '../dist/native/engine.js';
import { writeDemoDataset } from '../packages/street-scenes/index.mjs';
import { round } from './figures.mjs';

const isCuda = (process.argv[2] ?? 'cpu').startsWith('cuda');
const [
  device = 'cpu',
  network = 'shipped',
  precisions = isCuda ? 'fp8,float16' : 'float16',
  scenes = '160',
  unseen = '64',
  epochs = '20',
  given,
] = process.argv.slice(2);
const folder = given ?? mkdtempSync(join(tmpdir(), 'dinov3-seg-bench-'));
mkdirSync(folder, { recursive: true });
if (!given) process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const at = (name) => join(folder, name);
const started = performance.now();
const say = (finding) =>
  console.error(JSON.stringify({ seconds: round((performance.now() - started) / 1000), ...finding }));

const isShipped = network === 'shipped';
const imageSize = isShipped ? streetSmallSize : 512;
const model = at('network.pt');
if (isShipped) await convert({ ...streetSmall, out: model, dtype: 'bfloat16' });
else await initModel({ arch: network, seed: 1, dtype: 'bfloat16', ...(isCuda && { device }), out: model });
say({ network });
const size = { width: imageSize, height: imageSize };
await writeDemoDataset(at('data'), { train: Number(scenes), val: 16, seed: 1, ...size });
await writeDemoDataset(at('unseen'), { train: 0, val: Number(unseen), seed: 2, ...size });
say({ scenes: Number(scenes), unseen: Number(unseen) });

const report = {
  bench: 'precision-miou',
  network,
  device: engine()
    .devices()
    .find(({ name }) => name.startsWith(device)).description,
  libtorch: engine().info().torch,
  ...{ scenes: Number(scenes), unseen: Number(unseen), imageSize, epochs: Number(epochs) },
  rows: [],
};
const settingsOf = { class_embed: { initHead: 'map', loss: 'nll' }, linear_probe: { learningRate: 1e-2 } };
for (const [headKind, settings] of Object.entries(settingsOf)) {
  const { best } = await train({
    ...{ model, data: at('data'), out: at(headKind), cache: at(`${headKind}-cache`), device, imageSize },
    ...{ headKind, precision: 'reference', flip: 0, learningRate: 1e-3, batchSize: 4, patience: 0 },
    ...{ epochs: Number(epochs), headPrecision: 'float32', ...settings },
  });
  rmSync(at(`${headKind}-cache`), { recursive: true });
  say({ headKind, best: best?.mIoU });
  const side = { model, head: join(at(headKind), 'best.safetensors') };
  for (const precision of precisions.split(',')) {
    const { labels, samePixels, classLogits, maskLogits } = await compare(
      { ...side, precision },
      { ...side, precision: 'reference' },
      { data: at('unseen'), split: 'val' },
      { device, imageSize },
    );
    const { a: own, b: reference, difference } = labels;
    report.rows.push({
      ...{ headKind, precision, own, reference, difference },
      ...{ samePixels, classLogits, maskLogits },
    });
    say(report.rows.at(-1));
  }
}
console.log(JSON.stringify(report, null, 2));
process.exit(0);
