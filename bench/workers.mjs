/** Two workers and the main thread at once: the bits of one alone, and how their calls take turns. */
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { SegmentationModel, Tensor } from '../dist/index.js';
import { setting, writeNetwork } from './network.mjs';

const calls = 20;
const size = 192;

/** Passes over one image, and when each was done. */
async function work(path) {
  const model = await SegmentationModel.load(path);
  const values = Float32Array.from({ length: 3 * size * size }, (_, i) => Math.sin(i));
  const images = Tensor.from(values, [1, 3, size, size]);
  (await model.decode(images)).dispose();
  const queries = [];
  const started = performance.now();
  await Promise.all(
    Array.from({ length: calls }, async () => {
      const decoded = await model.decode(images);
      queries.push(Buffer.from((await decoded.queries.floats()).buffer));
      decoded.dispose();
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  model.dispose();
  return { same: queries.every((bits) => bits.equals(queries[0])), first: queries[0], seconds };
}

if (!isMainThread) {
  parentPort.postMessage(await work(workerData));
} else {
  const { model } = await writeNetwork();
  setting(`tiny network, ${size} × ${size}, ${calls} calls a thread`);
  const alone = await work(model);
  const workers = [1, 2].map(
    () =>
      new Promise((resolve, reject) => {
        new Worker(new URL(import.meta.url), { workerData: model })
          .on('message', resolve)
          .on('error', reject);
      }),
  );
  const all = await Promise.all([work(model), ...workers]);
  const equal = all.every(({ same, first }) => same && alone.first.equals(Buffer.from(first)));
  console.log(`alone: ${alone.seconds.toFixed(2)} s, all calls the same bits: ${alone.same}`);
  console.log(`three at once: ${all.map(({ seconds }) => seconds.toFixed(2)).join(', ')} s`);
  console.log(`bits of all ${3 * calls} calls equal those of one: ${equal}`);
  process.exitCode = equal && alone.same ? 0 : 1;
}
