// Reads one hostile input after the other, in a thread that run-target.mjs watches.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { inputOf } from './input.mjs';
import { faultOf } from './check-refusal.mjs';
import { cleanFolder, targets } from './targets.mjs';

const { name, seedsFolder, seed, first, last, deadline, scratch, place } = workerData;
const target = await targets[name]();
const seeds = readdirSync(seedsFolder)
  .sort()
  .map((file) => readFileSync(join(seedsFolder, file)));

/** Inputs between two looks at the clock. */
const block = 16;
let index = first;
for (; index < last; index++) {
  if (index % block === 0 && Date.now() >= deadline) break;
  Atomics.store(place, 0, BigInt(index));
  const bytes = inputOf(target, seeds, seed, index);
  try {
    await target.read(bytes, scratch);
  } catch (error) {
    const fault = faultOf(error);
    if (fault !== undefined) parentPort.postMessage({ index, fault, bytes });
  }
  // What a reader left there must not be part of the next input.
  if (index % 4096 === 4095) cleanFolder(scratch);
}
parentPort.postMessage({ done: index });
