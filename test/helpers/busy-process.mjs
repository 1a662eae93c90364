/**
 * A process with jobs in flight, in a worker_thread and in the main thread, that ends in the way its arguments say:
 * `busy-process.mjs WAY MODEL DELAY`, DELAY in milliseconds. Prints `busy` when the jobs run. Used by
 * test/native/lifetime.ts and bench/exit.mjs.
 */
import { Worker } from 'node:worker_threads';

const [way, path, delay] = process.argv.slice(2);
const dist = new URL('../../dist/index.js', import.meta.url).href;
const { SegmentationModel, Tensor } = await import(dist);

const work = `
  import { parentPort, workerData } from 'node:worker_threads';
  const { SegmentationModel, Tensor } = await import(workerData.dist);
  const model = await SegmentationModel.load(workerData.path);
  const images = Tensor.from(new Float32Array(3 * 256 * 256), [1, 3, 256, 256]);
  parentPort.postMessage('busy');
  for (;;) await Promise.all([model.decode(images), model.decode(images)]);
`;
const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(work)}`), {
  workerData: { dist, path },
});
await new Promise((resolve) => worker.once('message', resolve));

const model = await SegmentationModel.load(path);
const images = Tensor.from(new Float32Array(3 * 256 * 256), [1, 3, 256, 256]);
for (let i = 0; i < 6; i++) model.decode(images);
if (way === 'handled') process.on('SIGTERM', () => process.exit(5));
process.stdout.write('busy\n');

const ends = {
  exit: () => process.exit(3),
  throw: () => {
    throw new Error('uncaught on purpose');
  },
  terminate: async () => {
    await worker.terminate();
    process.exit(4);
  },
};
if (ends[way]) setTimeout(ends[way], Number(delay));
