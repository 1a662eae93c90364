/**
 * Linear probes on backbones alone, random weights: images a second of the pass that fills a cache, of training from it, and of the
 * bare backbone; bytes of the cache an image. JSON.
 *   node bench/probes.mjs [cpu|cuda] [images] [arch,…] [size] [folder]
 * Default: cpu, 24 images, tiny-backbone, 64; on cuda 200 images of 512, dinov3_vits16, _vitb16, _vitl16 and _vith16plus in bfloat16.
 * Of one layer and of four, stored in bfloat16 and in 8 bits; batches of 1 and of 16. The images are the package's drawn scenes.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { SegmentationModel, Tensor, initModel, makeCache, train } from '../dist/index.js';
import { engine } from '../dist/native/engine.js';
import { median, round } from './figures.mjs';
import { toDevice } from './network.mjs';
import { writeScenes } from './scenes.mjs';

const isCuda = (process.argv[2] ?? 'cpu').startsWith('cuda');
const [
  device = 'cpu',
  count = isCuda ? '200' : '24',
  archs = isCuda ? 'dinov3_vits16,dinov3_vitb16,dinov3_vitl16,dinov3_vith16plus' : 'tiny-backbone',
  side = isCuda ? '512' : '64',
  given,
] = process.argv.slice(2);
const size = Number(side);
const folder = given ?? mkdtempSync(join(tmpdir(), 'dinov3-seg-bench-'));
mkdirSync(folder, { recursive: true });
if (!given) process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const at = (name) => join(folder, name);
const e = engine();
const epochs = isCuda ? 6 : 4;

/** Images a second of the backbone alone, on images that are on the device, and the most memory that it takes. */
async function bare(model, batch, layers) {
  const network = await SegmentationModel.load(model, { device });
  const values = Float32Array.from({ length: batch * 3 * size * size }, (_, i) => Math.sin(i / 40));
  const here = Tensor.from(values, [batch, 3, size, size]);
  const images = Tensor.wrap(await toDevice(here.handle, device));
  const times = [];
  if (isCuda) e.resetPeakMemory(device);
  for (let i = 0; i < (isCuda ? 24 : 6); i++) {
    const started = performance.now();
    const features = layers === 4 ? await network.layerFeatures(images) : await network.features(images);
    await e.synchronize(device);
    times.push((performance.now() - started) / batch);
    features.dispose();
  }
  const peak = isCuda ? { peakAllocatedGB: round(e.memoryStats(device).peakAllocatedBytes / 1e9) } : {};
  [here, images].forEach((each) => each.dispose());
  await network[Symbol.asyncDispose]();
  return { barePerSecond: round(1000 / median(times.slice(4))), ...peak };
}

/** Images a second of training: the median of the epochs but the first. */
async function trainingRate(settings, name) {
  const out = at(name);
  await train({ ...settings, out, epochs, patience: 0, learningRate: 1e-3 });
  const lines = readFileSync(join(out, 'metrics.jsonl'), 'utf8').trim().split('\n').slice(1);
  rmSync(out, { recursive: true });
  return median(lines.map((line) => JSON.parse(line).imagesPerSecond));
}

await writeScenes(at('data'), { train: Number(count), val: 1 });
const described = e.devices().find(({ name }) => name.startsWith(device)).description;
const report = {
  bench: 'probes',
  device: described,
  processors: cpus().length,
  size,
  images: Number(count),
  rows: [],
};
for (const arch of archs.split(',')) {
  const model = at('network.pt');
  const { parameters } = await initModel({
    arch,
    seed: 1,
    ...(isCuda && { dtype: 'bfloat16', device }),
    out: model,
  });
  for (const layers of [1, 4])
    for (const cacheDtype of ['bfloat16', 'uint8']) {
      const cache = at('cache');
      const settings = {
        model,
        data: at('data'),
        cache,
        device,
        imageSize: size,
        flip: 0,
        layers,
        cacheDtype,
      };
      const made = await makeCache(settings);
      const row = {
        ...{ arch, parameters, layers, cacheDtype, passSize: made.passSize },
        bytesAnImage: Math.round(made.bytes / made.made),
        cachedPerSecond: round(made.made / made.seconds),
        ...(await bare(model, made.passSize, layers)),
      };
      for (const batchSize of [1, 16])
        row[`trainedPerSecondBatch${batchSize}`] = round(
          await trainingRate({ ...settings, batchSize }, `run${batchSize}`),
        );
      report.rows.push(row);
      console.error(JSON.stringify(row));
      rmSync(cache, { recursive: true });
    }
  rmSync(model);
}
console.log(JSON.stringify(report, null, 2));
process.exit(0);
