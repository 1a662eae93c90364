/**
 * Resident memory after the first tenth and at the end of 2,000 segment calls and of 200 load/dispose rounds. Garbage is
 * collected before each reading: class maps that nobody holds wait for V8, up to its own bound.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { SegmentationModel } from '../dist/index.js';
import { loadNetwork, picture, setting } from './network.mjs';

const bound = 0.05;
const { model, paths } = await loadNetwork();
setting('tiny network, CPU, image 256 × 192, input 128 × 128');

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

/** Finalisers run when the event loop turns. */
async function resident() {
  for (let i = 0; i < 3; i++) {
    collect();
    await nextTurn();
  }
  return process.memoryUsage.rss();
}

async function measure(name, rounds, step) {
  let first = 0;
  for (let round = 1; round <= rounds; round++) {
    await step();
    if (round === rounds / 10) first = await resident();
  }
  const last = await resident();
  const growth = last / first - 1;
  const mb = (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  console.log(`${name}: ${mb(first)} after a tenth, ${mb(last)} at the end, ${(100 * growth).toFixed(1)} %`);
  return growth;
}

const image = picture(256, 192);
const segments = await measure('2,000 segment calls', 2000, () => model.segment(image, { imageSize: 128 }));
const loads = await measure('200 load/dispose rounds', 200, async () => {
  const other = await SegmentationModel.load(paths.model);
  await other.segment(image, { imageSize: 64 });
  other.dispose();
});
process.exitCode = Math.max(segments, loads) <= bound ? 0 : 1;
