/**
 * worker_threads that are terminated at random moments: `node bench/terminate.mjs [ROUNDS]` (2000), half of them while they load the
 * package and half in the middle of calls, with a busy loop a core and more beside them. Nothing may abort or hang.
 */
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { SegmentationModel, Tensor } from '../dist/index.js';
import { startBusyLoops } from './busy-loops.mjs';
import { setting, writeNetwork } from './network.mjs';

const rounds = Number(process.argv[2] ?? 2000);
const dist = new URL('../dist/index.js', import.meta.url).href;
const { model } = await writeNetwork();
const network = await SegmentationModel.load(model);

const loading = `
  import { parentPort, workerData } from 'node:worker_threads';
  parentPort.postMessage('begins');
  const { Tensor } = await import(workerData.dist);
  Tensor.from(new Float32Array(1), [1]);
  parentPort.postMessage('done');
  setInterval(() => {}, 1000);`;
const calling = `
  import { parentPort, workerData } from 'node:worker_threads';
  const { ClassHead, SegmentationModel, Tensor } = await import(workerData.dist);
  const model = await SegmentationModel.load(workerData.model);
  const images = Tensor.from(new Float32Array(3 * 64 * 64), [1, 3, 64, 64]);
  parentPort.postMessage('begins');
  for (let i = 0; ; i++) {
    const head = ClassHead.create({ hidden: model.hidden, classes: 5 });
    const calls = [model.decode(images), model.forward(images), head.state(), ClassHead.load('/no/such/file').catch(() => {})];
    const picture = { data: new Uint8Array(3 * 64 * 64), width: 64, height: 64 };
    calls.push(model.segment(picture, { imageSize: 64, head, onProgress() {} }));
    await Promise.all(calls);
    if (i === 0) parentPort.postMessage('done');
  }`;

function start(source) {
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
    workerData: { dist, model },
  });
  worker.on('error', (error) => {
    throw error;
  });
  return worker;
}

/** Milliseconds from a worker's beginning to its first result, when nothing ends it. */
async function duration(source) {
  const worker = start(source);
  await once(worker, 'message');
  const began = performance.now();
  await once(worker, 'message');
  const longest = performance.now() - began;
  await worker.terminate();
  return longest;
}

async function endOne(source, longest) {
  const worker = start(source);
  await once(worker, 'message');
  const until = performance.now() + 1.3 * longest * Math.random();
  if (until - performance.now() > 2) await sleep(until - performance.now() - 1);
  while (performance.now() < until);
  await worker.terminate();
}

setting(
  `${rounds} terminations, two workers at a time, ${3 * availableParallelism()} busy loops beside them`,
);
startBusyLoops(3 * availableParallelism());
for (const [name, source] of Object.entries({ loading, calling })) {
  const longest = await duration(source);
  let next = 0;
  const lane = async () => {
    while (next++ < rounds / 2) await endOne(source, longest);
  };
  await Promise.all([lane(), lane()]);
  const images = Tensor.from(new Float32Array(3 * 64 * 64), [1, 3, 64, 64]);
  (await network.decode(images)).dispose();
  console.log(
    `${rounds / 2} terminated while ${name} (${longest.toFixed(0)} ms undisturbed); the main thread still computes`,
  );
}
process.exit(0);
