// Fuzzes a reader of the TypeScript side: changed inputs, from a seed and a number each, so that every one can be made again.
//   node test/fuzz/js/run-target.mjs TARGET [--seconds N] [--inputs N] [--seed N] [--first N] [--found DIR]
// A finding is an error that is none of ours or that nobody can act on, no answer after 20 s of processor time, more than 2 GiB of
// memory, and an answer that never comes. Prints a line of JSON: the number of inputs, the seconds, and the findings.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { causeOf } from './check-refusal.mjs';
import { inputOf } from './input.mjs';
import { targets } from './targets.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '20' },
    inputs: { type: 'string', default: 'Infinity' },
    seed: { type: 'string', default: '1' },
    first: { type: 'string', default: '0' },
    found: { type: 'string', default: 'build/fuzz/found' },
  },
});
const [name] = positionals;
if (!Object.hasOwn(targets, name)) {
  console.error(`Unknown target "${name}". The targets are ${Object.keys(targets).join(', ')}.`);
  process.exit(2);
}

const mostCpuMicroseconds = 20e6;
const mostBytes = 2 * 1024 ** 3;
const heapMegabytes = 1024;

const seed = Number(values.seed);
const start = Number(values.first);
const last = start + Number(values.inputs);
const deadline = Date.now() + 1000 * Number(values.seconds);
const seedsFolder = fileURLToPath(new URL(`../seeds/${name}`, import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), `fuzz-${name}-`));

/** By cause: the shortest input. */
const findings = new Map();

function note(index, fault, bytes) {
  const cause = causeOf(fault);
  const known = findings.get(cause);
  if (known && known.bytes.length <= bytes.length) return;
  findings.set(cause, { cause, index, fault, bytes });
}

async function inputAt(index) {
  const target = await targets[name]();
  const seeds = readdirSync(seedsFolder)
    .sort()
    .map((file) => readFileSync(join(seedsFolder, file)));
  return inputOf(target, seeds, seed, index);
}

/** Runs inputs from `first` on. @returns the first that was not read, and what ended the thread before its time */
function runFrom(first) {
  const place = new BigInt64Array(new SharedArrayBuffer(8));
  Atomics.store(place, 0, BigInt(first));
  const workerData = { name, seedsFolder, seed, first, last, deadline, scratch, place };
  const worker = new Worker(new URL('./worker.mjs', import.meta.url), {
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: heapMegabytes },
  });
  return new Promise((resolve) => {
    let seen = { index: -1n, cpu: 0 };
    let reason;
    const stop = (why) => {
      reason = why;
      void worker.terminate();
    };
    const watch = setInterval(() => {
      const index = Atomics.load(place, 0);
      const { user, system } = process.cpuUsage();
      if (index !== seen.index) seen = { index, cpu: user + system };
      if (user + system - seen.cpu > mostCpuMicroseconds)
        stop('no answer: it takes more than 20 s of processor time');
      if (process.memoryUsage.rss() > mostBytes) stop('memory: more than 2 GiB');
    }, 100);
    let next;
    worker.on('message', (message) => {
      if ('done' in message) next = message.done;
      else note(message.index, message.fault, Buffer.from(message.bytes));
    });
    worker.on(
      'error',
      (error) =>
        (reason ??=
          error.code === 'ERR_WORKER_OUT_OF_MEMORY'
            ? 'memory: the heap is full'
            : `outside of the reader: ${error.stack ?? error}`),
    );
    worker.on('exit', () => {
      clearInterval(watch);
      const index = Number(Atomics.load(place, 0));
      if (next !== undefined && reason === undefined) resolve({ next });
      else resolve({ next: index + 1, index, reason: reason ?? 'no answer: it waits for nothing' });
    });
  });
}

const began = performance.now();
let next = start;
while (next < last && Date.now() < deadline) {
  const result = await runFrom(next);
  next = result.next;
  if (result.reason !== undefined) note(result.index, result.reason, await inputAt(result.index));
}
rmSync(scratch, { recursive: true, force: true });

const folder = join(values.found, name);
const found = [...findings.values()].map(({ cause, index, fault, bytes }) => {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `seed-${seed}-input-${index}`);
  writeFileSync(path, bytes);
  return { cause, path, fault: fault.split('\n').slice(0, 6).join('\n') };
});
console.log(
  JSON.stringify({
    target: name,
    inputs: next - start,
    seconds: (performance.now() - began) / 1000,
    findings: found,
  }),
);
process.exitCode = found.length > 0 ? 1 : 0;
