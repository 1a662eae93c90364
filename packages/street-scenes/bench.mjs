/**
 * What a drawn street scene costs, and what the scenes hold:
 *
 *   node packages/street-scenes/bench.mjs [scenes = 500] [threads = 1] [width = 256] [height = 192]
 *
 * Scenes are drawn one after the other on each thread. Drawing runs on Node's own pool, which the threads share: give
 * UV_THREADPOOL_SIZE=<threads> too. Prints processor time a scene, scenes a second, and for each IDD class the share of
 * pixels and of scenes with at least 20 pixels of it.
 */
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { idd26Classes } from '../../dist/data/sets/idd26.js';
import { drawScene } from './index.mjs';
import { round } from '../../bench/figures.mjs';

const leastPixels = 20;

async function draw({ from, to, width, height }) {
  const [pixels, scenes] = [new Float64Array(26), new Uint32Array(26)];
  let objects = 0;
  for (let index = from; index < to; index++) {
    const scene = await drawScene({ seed: 5, index, width, height });
    const counts = new Uint32Array(26);
    for (const value of scene.label) counts[value]++;
    counts.forEach((count, k) => {
      pixels[k] += count;
      if (count >= leastPixels) scenes[k]++;
    });
    objects += scene.objects.length;
  }
  return { pixels, scenes, objects };
}

async function main() {
  const [count = 500, threads = 1, width = 256, height = 192] = process.argv.slice(2).map(Number);
  await draw({ from: 0, to: 3, width, height });
  const [before, started] = [process.cpuUsage(), performance.now()];
  const each = Math.ceil(count / threads);
  const parts = await Promise.all(
    Array.from({ length: threads }, async (_, i) => {
      const range = { from: i * each, to: Math.min(count, (i + 1) * each), width, height };
      if (threads === 1) return draw(range);
      return (await once(new Worker(new URL(import.meta.url), { workerData: range }), 'message'))[0];
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(before);
  const total = (pick) => parts.reduce((sum, part) => sum + pick(part), 0);
  console.log(`${count} scenes of ${width}×${height}, ${threads} threads`);
  console.log(
    `${round((user + system) / 1000 / count)} ms of a processor a scene, ${round(count / seconds)} scenes/s`,
  );
  console.log(`${round(total((part) => part.objects) / count)} boxes a scene\n`);
  idd26Classes.forEach(([name], k) => {
    const share = (100 * total(({ pixels }) => pixels[k])) / (count * width * height);
    const occurs = (100 * total(({ scenes }) => scenes[k])) / count;
    console.log(
      `${name.padEnd(21)} ${share.toFixed(2).padStart(6)} % of pixels ${occurs.toFixed(0).padStart(4)} % of scenes`,
    );
  });
}

if (isMainThread) await main();
else parentPort.postMessage(await draw(workerData));
