/**
 * Ends environments in the middle of what the addons do: node ending-workers.mjs CASE…; prints each case once its worker has ended.
 * process.exit() ends the environment of a worker_thread where it stands, so whatever a binding asks of JavaScript can end it.
 *   calls            every export of the engine, with arguments whose properties end the environment as they are read: a line
 *                    each, a worker for as many as do not end it
 *   error:NAME       the same without arguments: the function that makes errors ends it
 *   initialise:NAME  the initialiser of `loader` or `engine`, by a property of the exports that it sets
 *   settle, reject, progress, held   a job's value, its error, its report, handles that were not disposed of
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { engine, loadedLibtorch } from '../../dist/native/engine.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const [script, ...cases] = process.argv.slice(1);

/** A worker's exit code, or what it threw. */
async function ended(worker) {
  const errors = [];
  worker.on('error', (error) => errors.push(error));
  const code = await new Promise((resolve) => worker.once('exit', resolve));
  return errors[0]?.message ?? code;
}

async function endCalls() {
  let names = Object.keys(engine()).filter((name) => name !== 'stopJobs');
  while (names.length > 0) {
    let called = 0;
    const worker = new Worker(script, { workerData: `calls:${names.join()}` });
    worker.on('message', () => called++);
    const code = await ended(worker);
    for (const [i, name] of names.slice(0, called).entries())
      console.log(`call:${name} ${i === called - 1 ? code : 8}`);
    if (called === 0) throw new Error(`no call was made: ${code}`);
    names = names.slice(called);
  }
}

if (isMainThread) {
  engine();
  for (const name of cases)
    if (name === 'calls') await endCalls();
    else console.log(`${name} ${await ended(new Worker(script, { workerData: name }))}`);
} else {
  const end = () => process.exit(7);
  const floats = () => engine().tensor(new Float32Array(1 << 16), [1 << 16]);
  const ending = new Proxy(() => {}, { get: end, has: end, ownKeys: end, getOwnPropertyDescriptor: end });
  const [kind, name] = workerData.split(':');
  if (kind === 'calls') {
    for (const each of name.split(',')) {
      parentPort.postMessage(each);
      try {
        await engine()[each](ending, ending, ending, ending, ending);
      } catch {
        // Arguments that are looked at from outside only are refused.
      }
    }
  } else if (kind === 'error') {
    engine().setErrorFactory(end);
    await engine()[name]();
  } else if (kind === 'initialise') {
    const folder = name === 'loader' ? name : `torch-${loadedLibtorch().series}`;
    const native = process.env.DINOV3_SEG_NATIVE ?? join(root, 'native');
    const file = createRequire(import.meta.url)('node-gyp-build').path(join(native, folder));
    process.dlopen({ exports: new Proxy({}, { set: end, defineProperty: end }) }, file);
  } else if (kind === 'settle') {
    Object.defineProperty(Object.prototype, 'data', { set: end, configurable: true });
    await engine().tensorData(floats());
  } else if (kind === 'reject') {
    engine().setErrorFactory(end);
    await engine().inspect('/no/such/file');
  } else if (kind === 'progress') {
    const native = engine();
    const job = native.createJob(end);
    await native.writeSafetensors(name, { a: floats() }, {}, job);
  } else if (kind === 'held') {
    globalThis.held = [floats(), floats(), floats()];
    globalThis.arrays = await Promise.all(globalThis.held.map((tensor) => engine().tensorData(tensor)));
    void engine()
      .inspect('/no/such/file')
      .catch(() => {});
    end();
  }
  // What asked nothing of JavaScript comes here.
  process.exit(8);
}
