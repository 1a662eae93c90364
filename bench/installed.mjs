/**
 * The forward pass of installations of this package beside one another: milliseconds an image at batch 1 and 8, each in a
 * process of its own, one after the other, and round again.
 *   node bench/installed.mjs ARCH DEVICE ROUNDS NAME=FOLDER[,VARIABLE=VALUE…] …
 * FOLDER: a clone, or node_modules/dinov3-seg of a project that has the package; VARIABLE: for its process. Random weights.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { join, resolve } from 'node:path';
import { median, round } from './figures.mjs';

const batches = [1, 8];
const passes = 15;

async function timesOf(folder, arch, device) {
  const load = (file) => import(pathToFileURL(join(folder, 'dist', file)).href);
  const { SegmentationModel, Tensor } = await load('index.js');
  const { engine } = await load('native/engine.js');
  const e = engine();
  const size = arch === 'tiny' ? 128 : 512;
  const dtype = device === 'cpu' ? 'float32' : 'bfloat16';
  const model = await SegmentationModel.init({ arch, seed: 1, dtype, device });
  const times = {};
  for (const batch of batches) {
    const values = Float32Array.from({ length: batch * 3 * size * size }, () => 2 * Math.random() - 1);
    const images = Tensor.from(values, [batch, 3, size, size]);
    const own = [];
    for (let i = 0; i < passes + 3; i++) {
      const started = performance.now();
      (await model.decode(images)).dispose();
      await e.synchronize(device);
      if (i >= 3) own.push((performance.now() - started) / batch);
    }
    times[batch] = median(own);
  }
  console.log(JSON.stringify({ times, kernels: e.info().cudaKernels }));
  process.exit(0);
}

if (process.argv[2] === '--one') await timesOf(...process.argv.slice(3));

const [arch = 'tiny', device = 'cpu', rounds = '3', ...given] = process.argv.slice(2);
const installations = (
  given.length > 0 ? given : [`clone=${fileURLToPath(new URL('..', import.meta.url))}`]
).map((text) => {
  const [place, ...variables] = text.split(',');
  const [name, folder] = place.split('=');
  const env = Object.fromEntries(variables.map((each) => each.split('=')));
  return { name, folder: resolve(folder), env, times: batches.map(() => []) };
});
for (let i = 0; i < Number(rounds); i++)
  for (const one of installations) {
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      [fileURLToPath(import.meta.url), '--one', one.folder, arch, device],
      { env: { ...process.env, ...one.env }, encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(`${one.name}: ${stderr}`);
    const { times, kernels } = JSON.parse(stdout);
    one.kernels = kernels;
    one.said = stderr.trim();
    batches.forEach((batch, k) => one.times[k].push(times[batch]));
  }
const [first] = installations;
for (const { name, times, kernels, said } of installations) {
  const columns = batches.map((batch, k) => {
    const own = median(times[k]);
    return `batch ${batch}: ${round(own)} ms (${round(own / median(first.times[k]))})`;
  });
  console.log(
    `${name}: ${columns.join(', ')}; kernels ${JSON.stringify(kernels)}${said && `; said: ${said}`}`,
  );
}
