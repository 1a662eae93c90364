/**
 * Terminates worker_threads while they load the addons: node terminated-workers.mjs COUNT; prints how many were terminated before they
 * had loaded, and how many after. The moments are spread evenly over the time that loading takes, and beyond it.
 */
import { once } from 'node:events';
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import { engine } from '../../dist/native/engine.js';

const [script, argument] = process.argv.slice(1);
const count = Number(argument);

/** Milliseconds from a thread's message that it begins to the next. */
async function duration() {
  const worker = new Worker(script);
  await once(worker, 'message');
  const started = performance.now();
  await once(worker, 'message');
  await worker.terminate();
  return performance.now() - started;
}

async function terminateOne(delay) {
  const worker = new Worker(script);
  const errors = [];
  let messages = 0;
  worker.on('error', (error) => errors.push(error));
  worker.on('message', () => messages++);
  await once(worker, 'message');
  const until = performance.now() + delay;
  // Timers are too coarse.
  while (performance.now() < until);
  await worker.terminate();
  if (errors.length > 0) throw errors[0];
  return messages > 1;
}

if (isMainThread) {
  // The library is in memory then: threads initialise the addons alone, which takes milliseconds.
  engine();
  const whole = await duration();
  let loaded = 0;
  for (let i = 0; i < count; i++) if (await terminateOne((1.5 * whole * i) / count)) loaded++;
  console.log(JSON.stringify({ loading: count - loaded, loaded }));
} else {
  parentPort.postMessage('begins');
  engine();
  parentPort.postMessage('loaded');
  setInterval(() => {}, 1000);
}
