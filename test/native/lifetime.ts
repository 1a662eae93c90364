/** Disposal, worker_threads, and processes that end with jobs in flight. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { ClassHead } from '../../lib/model/class-head.js';
import { exportModel } from '../../lib/model/convert.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { openSegmenter } from '../../lib/model/segmenter.js';
import { Tensor } from '../../lib/model/tensor.js';
import { sameBits } from '../helpers/close.js';
import { picture, writeTinyNetwork } from '../helpers/tiny-network.js';

const root = t.testdir();
const paths = await writeTinyNetwork(root);
const images = Tensor.from(
  Float32Array.from({ length: 3 * 256 * 256 }, (_, i) => Math.sin(i)),
  [1, 3, 256, 256],
);

t.test('everything refuses its use after dispose()', async (t) => {
  const model = await SegmentationModel.load(paths.model);
  const decoded = await model.decode(images);
  const head = ClassHead.create({ hidden: model.hidden, classes: 5 });
  const labels = Tensor.from(new Uint8Array(64 * 64), [1, 64, 64]);
  const state = await head.state();
  for (const object of [model, head, decoded, labels]) {
    object.dispose();
    object.dispose();
  }
  const uses: Record<string, () => Promise<unknown>> = {
    'model.forward': () => model.forward(images),
    'model.decode': () => model.decode(images),
    'model.segment': () => model.segment(picture(64, 64)),
    'model.scores': () => model.scores(picture(64, 64)),
    exportModel: () => exportModel(model, head, join(root, 'x.pt')),
    'head.forward': () => head.forward(images),
    'head.backward': () => head.backward(images, images),
    'head.loss': () => head.loss(decoded, images),
    'head.accumulate': () => head.accumulate(decoded, images),
    'head.classMap': () => head.classMap(decoded, { width: 8, height: 8 }),
    'head.step': () => head.step(),
    'head.state': () => head.state(),
    'head.restore': () => head.restore(state),
    'head.save': () => head.save(join(root, 'x.safetensors')),
    'tensor.data': () => labels.data(),
    'tensor.take': () => labels.take(),
    'decoded.queries': () => decoded.queries.data(),
  };
  for (const [name, use] of Object.entries(uses)) await t.rejects(use(), { code: 'DISPOSED' }, name);
});

t.test('V8 knows of the engine’s memory: what is dropped undisposed is collected in time', async (t) => {
  const values = new Float32Array(2 ** 20);
  const before = process.memoryUsage.rss();
  let peak = 0;
  for (let i = 0; i < 300; i++) {
    Tensor.from(values, [2 ** 20]);
    // Finalisers run when the event loop turns.
    await new Promise((resolve) => setImmediate(resolve));
    peak = Math.max(peak, process.memoryUsage.rss() - before);
  }
  t.ok(peak < 600 * 2 ** 20, `1200 MiB of tensors took ${Math.round(peak / 2 ** 20)} MiB at a time`);
});

t.test('dispose() lets running and queued calls end, and refuses new ones', async (t) => {
  const model = await SegmentationModel.load(paths.model);
  const calls = [1, 2, 3].map(() => model.decode(images));
  model.dispose();
  await t.rejects(model.decode(images), { code: 'DISPOSED' });
  const [first, ...others] = await Promise.all(calls);
  const expected = await first!.queries.floats();
  for (const other of others) t.ok(sameBits(await other.queries.floats(), expected));
});

t.test('await using waits for the calls under way', async (t) => {
  let done = 0;
  {
    await using model = await SegmentationModel.load(paths.model);
    await using head = ClassHead.create({ hidden: model.hidden, classes: 5 });
    for (let i = 0; i < 3; i++)
      void model.segment(picture(64, 64), { head, imageSize: 128 }).then(() => done++);
  }
  t.equal(done, 3);
  {
    await using segmenter = await openSegmenter({ model: paths.model });
    void segmenter.model.segment(picture(64, 64), { imageSize: 128 }).then(() => done++);
  }
  t.equal(done, 4);
  const model = await SegmentationModel.load(paths.model);
  const call = model.decode(images);
  const ended = model[Symbol.asyncDispose]();
  await t.rejects(model.decode(images), { code: 'DISPOSED' }, 'refused from the start');
  await Promise.all([call, ended, model[Symbol.asyncDispose]()]);
});

const dist = new URL('../../dist/index.js', import.meta.url).href;

/** A worker_thread that loads the package and the network; with `answer` it sends the queries of `images`. */
function startWorker(answer: boolean): Worker {
  const source = `
    import { SegmentationModel, Tensor } from ${JSON.stringify(dist)};
    import { parentPort, workerData } from 'node:worker_threads';
    const model = await SegmentationModel.load(workerData.model);
    const images = Tensor.from(workerData.data, [1, 3, 256, 256]);
    parentPort.postMessage('busy');
    do {
      const decoded = await model.decode(images);
      parentPort.postMessage(await decoded.queries.floats());
      decoded.dispose();
    } while (!${answer});
  `;
  const data = Float32Array.from({ length: 3 * 256 * 256 }, (_, i) => Math.sin(i));
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
    workerData: { model: paths.model, data },
    // Without the loaders of the test runner.
    execArgv: [],
  });
}

t.test('two workers and the main thread at once give the same bits as one', async (t) => {
  using model = await SegmentationModel.load(paths.model);
  using alone = await model.decode(images);
  const expected = await alone.queries.floats();
  const answers = [1, 2].map(
    () =>
      new Promise<Float32Array>((resolve, reject) => {
        startWorker(true)
          .on('message', (message) => message !== 'busy' && resolve(message as Float32Array))
          .on('error', reject);
      }),
  );
  const own = [1, 2, 3, 4].map(async () => {
    using decoded = await model.decode(images);
    return decoded.queries.floats();
  });
  for (const answer of await Promise.all([...answers, ...own])) t.ok(sameBits(answer, expected));
});

t.test('workers terminated in the middle leave the others at work', async (t) => {
  using model = await SegmentationModel.load(paths.model);
  using before = await model.decode(images);
  const expected = await before.queries.floats();
  for (let round = 0; round < 3; round++) {
    const worker = startWorker(false);
    await new Promise((resolve) => worker.once('message', resolve));
    const own = model.decode(images);
    t.equal(await worker.terminate(), 1);
    using decoded = await own;
    t.ok(sameBits(await decoded.queries.floats(), expected));
  }
});

/** Runs test/helpers/busy-process.mjs to its end. */
async function endBusyProcess(
  way: string,
  delay: number,
): Promise<{ code: number | null; signal: string | null }> {
  const script = join(import.meta.dirname, '../helpers/busy-process.mjs');
  const child = spawn(process.execPath, [script, way, paths.model, String(delay)], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  if (way === 'SIGTERM' || way === 'handled')
    child.stdout.once('data', () => setTimeout(() => child.kill('SIGTERM'), delay));
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal })));
}

t.test('a process with jobs in flight ends with the code that it should', async (t) => {
  const expected = {
    exit: { code: 3, signal: null },
    throw: { code: 1, signal: null },
    SIGTERM: { code: null, signal: 'SIGTERM' },
    handled: { code: 5, signal: null },
    terminate: { code: 4, signal: null },
  };
  for (const [way, end] of Object.entries(expected))
    for (const delay of way === 'exit' ? [0, 20] : [20])
      t.same(await endBusyProcess(way, delay), end, `${way} after ${delay} ms`);
});
