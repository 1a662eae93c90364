/**
 * The pass that fills a cache, beside the bare forward pass: images per second from JPEG files of 1920×1080 to records on
 * disk, and of the network alone on images that are on the device, before and after it, since a GPU is slower when it is warm; the
 * pass's share of their mean, and that of its middle: from the fourth pass to the last full one, without what is set up once for each
 * size of passes. JSON.
 *   node bench/cache-pass.mjs [device] [arch] [images] [folder]
 * Draws the scenes; random weights. UV_THREADPOOL_SIZE: how many files are encoded at a time. Default: cpu, tiny, 24 images, a new folder under the temporary one.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { SegmentationModel, Tensor, initModel, makeCache } from '../dist/index.js';
import { engine } from '../dist/native/engine.js';
import { median, round } from './figures.mjs';
import { toDevice } from './network.mjs';
import { writeScenes } from './photographs.mjs';

const [device = 'cpu', arch = 'tiny', count = '24', given] = process.argv.slice(2);
const isCuda = device.startsWith('cuda');
const size = isCuda ? 512 : 128;
const folder = given ?? mkdtempSync(join(tmpdir(), 'dinov3-seg-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const at = (name) => join(folder, name);
const e = engine();

async function forwardRate(batch) {
  const model = await SegmentationModel.load(at('network.pt'), { device });
  const images = Tensor.wrap(
    await toDevice(
      Tensor.from(
        Float32Array.from({ length: batch * 3 * size * size }, () => 4 * Math.random() - 2),
        [batch, 3, size, size],
      ).handle,
      device,
    ),
  );
  const times = [];
  for (let i = 0; i < (isCuda ? 28 : 6); i++) {
    const started = performance.now();
    const decoded = await model.decode(images);
    await e.synchronize(device);
    times.push((performance.now() - started) / batch);
    decoded.dispose();
  }
  images.dispose();
  await model[Symbol.asyncDispose]();
  return 1000 / median(times.slice(4));
}

await writeScenes(at('data'), 'train', Number(count), 0);
await writeScenes(at('data'), 'val', 1, 100);
await initModel({ arch, seed: 1, ...(isCuda ? { dtype: 'bfloat16', device } : {}), out: at('network.pt') });
const report = {
  bench: 'cache-pass',
  arch,
  device,
  processors: cpus().length,
  images: Number(count),
  rows: [],
};
for (const passSize of isCuda ? [8, 1] : [1]) {
  const before = await forwardRate(passSize);
  const writtenAt = new Map(); // milliseconds, by the number of records
  const { made, seconds } = await makeCache(
    {
      ...{ model: at('network.pt'), data: at('data'), imageSize: size, flip: 0, device, passSize },
      ...{ cache: at(`cache${passSize}`), out: at('unused') },
    },
    { onProgress: ({ phase, done }) => phase === 'cache' && writtenAt.set(done, performance.now()) },
  );
  const filled = made / seconds;
  const [first, last] = [3 * passSize, made - (made % passSize)];
  const middle = ((last - first) * 1000) / (writtenAt.get(last) - writtenAt.get(first));
  const after = await forwardRate(passSize);
  const shareOf = (rate) => round((2 * rate) / (before + after));
  report.rows.push({
    ...{ passSize, made, filled: round(filled), bare: [before, after].map(round) },
    ...{ share: shareOf(filled), shareOfMiddle: shareOf(middle) },
  });
  console.error(JSON.stringify(report.rows.at(-1)));
  rmSync(at(`cache${passSize}`), { recursive: true });
}
console.log(JSON.stringify(report, null, 2));
process.exit(0);
