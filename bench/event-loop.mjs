/** How long the event loop and the libuv pool are held up while the engine works: bound 20 ms. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SegmentationModel, Tensor, convert } from '../dist/index.js';
import { loadNetwork, setting } from './network.mjs';

const bound = 20;
const { model, paths } = await loadNetwork();
setting('tiny network, CPU; largest delay in ms of a 10 ms timer, and largest time of a readFile of 4 KB');
const small = join(paths.folder, 'small');
await import('node:fs').then((fs) => fs.writeFileSync(small, Buffer.alloc(4096)));

/** Runs `work` while a timer and reads of a file tick; says how late they were. */
async function measure(name, work) {
  let running = true;
  let latestTimer = 0;
  let longestRead = 0;
  let ticks = 0;
  const timer = (async () => {
    while (running) {
      const started = performance.now();
      await new Promise((resolve) => setTimeout(resolve, 10));
      latestTimer = Math.max(latestTimer, performance.now() - started - 10);
      ticks++;
    }
  })();
  const reads = (async () => {
    while (running) {
      const started = performance.now();
      await readFile(small);
      longestRead = Math.max(longestRead, performance.now() - started);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  const started = performance.now();
  await work();
  const took = performance.now() - started;
  running = false;
  await Promise.all([timer, reads]);
  const figures = [latestTimer, longestRead].map((value) => value.toFixed(1).padStart(6)).join('   ');
  console.log(`${name.padEnd(28)} ${took.toFixed(0).padStart(6)} ms   ${figures}   (${ticks} ticks)`);
  return Math.max(latestTimer, longestRead);
}

const images = Tensor.from(new Float32Array(3 * 256 * 256), [1, 3, 256, 256]);
console.log('while                          took      timer   readFile');
const worst = [];
worst.push(await measure('nothing runs (1 s)', () => new Promise((resolve) => setTimeout(resolve, 1000))));
for (const round of [1, 2, 3]) {
  const passes = async () => {
    const results = await Promise.all(Array.from({ length: 8 }, () => model.decode(images)));
    for (const result of results) result.dispose();
  };
  worst.push(await measure(`8 forward passes, round ${round}`, passes));
}
const conversions = async () => {
  for (let i = 0; i < 8; i++)
    await convert({ backbone: paths.backbone, head: paths.head, out: join(paths.folder, `out-${i}.pt`) });
};
worst.push(await measure('8 conversions', conversions));
const loads = async () => {
  for (let i = 0; i < 8; i++) (await SegmentationModel.load(paths.model)).dispose();
};
worst.push(await measure('8 models loaded', loads));
process.exitCode = Math.max(...worst.slice(1)) < bound ? 0 : 1;
