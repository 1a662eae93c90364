/**
 * How OpenMP's threads wait: `node bench/wait-policy.mjs [LOOPS] [RUNS] [JOB]` beside LOOPS busy loops (0), RUNS of each (3), of
 * one JOB or all: photo, features, sweep. Whole commands of the shipped small network, in turn asleep (`sleeping`, the package's
 * default) and with threads that spin for OpenMP's own 3 ms (`spinning`, libtorch's default): one photo segmented, a table of 36
 * features of 36 images, a sweep of 4 heads from a cache.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { streetSmallCounting, writeStreetSmall, writeStreetSmallDetector } from '../dist/demo/network.js';
import { writeDemoDataset } from '../packages/street-scenes/index.mjs';
import { startBusyLoops } from './busy-loops.mjs';
import { median } from './figures.mjs';
import { setting } from './network.mjs';

const [loops = 0, runs = 3] = process.argv.slice(2, 4).map(Number);
const [only] = process.argv.slice(4);
const cli = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'dinov3-seg-bench-'));
const at = (name) => join(folder, name);
const environments = { sleeping: {}, spinning: { GOMP_SPINCOUNT: '300000', KMP_BLOCKTIME: '3' } };

function run(args, environment = {}) {
  const started = performance.now();
  const { status, stderr } = spawnSync(process.execPath, [cli, ...args, '--quiet', '--device', 'cpu'], {
    env: { ...process.env, ...environment },
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${args.join(' ')}: ${stderr}`);
  return (performance.now() - started) / 1000;
}

process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
await writeStreetSmall(at('model.pt'));
await writeStreetSmallDetector(at('detector.pt'));
await writeDemoDataset(at('data'), { train: 24, val: 36, seed: 3 });
const training = [
  'train',
  '--model',
  at('model.pt'),
  '--data',
  at('data'),
  '--image-size',
  '256',
  '--batch-size',
  '8',
];
const cache = ['--cache', at('cache')];
run([...training, ...cache, '--epochs', '1', '--out', at('run')]);
const head = ['--head', at('run/best.safetensors')];
const photos = at('data/leftImg8bit/val');
const photo = join(photos, 'scene', readdirSync(join(photos, 'scene')).sort()[0]);
const counting = ['--detector-size', String(streetSmallCounting.detectorSize)];
const jobs = {
  photo: (out) => ['predict', '--model', at('model.pt'), ...head, '--output', out, photo],
  features: (out) => [
    ...['features', '--model', at('model.pt'), ...head, '--detector', at('detector.pt'), ...counting],
    ...['--output', `${out}.csv`, photos],
  ],
  sweep: (out) => [
    ...training,
    ...cache,
    '--epochs',
    '6',
    '--sweep',
    'lr=1e-4,1e-3 loss=reference,nll',
    '--out',
    out,
  ],
};

setting(`${availableParallelism()} processors, ${loops} busy loops beside, ${runs} runs each, seconds`);
startBusyLoops(loops);
let count = 0;
for (const [name, command] of Object.entries(jobs)) {
  if (only !== undefined && name !== only) continue;
  const times = { spinning: [], sleeping: [] };
  const tables = new Set();
  for (let i = 0; i < runs; i++)
    for (const [kind, environment] of Object.entries(environments)) {
      const out = at(`out-${count++}`);
      const seconds = run(command(out), environment);
      times[kind].push(seconds);
      console.error(`${name}, ${kind}: ${seconds.toFixed(1)}`);
      if (existsSync(`${out}.csv`)) tables.add(readFileSync(`${out}.csv`, 'utf8'));
    }
  const [spinning, sleeping] = [median(times.spinning), median(times.sleeping)];
  const same = tables.size === 1 ? ', the same bytes' : tables.size > 1 ? ', OTHER BYTES' : '';
  console.log(
    `${name.padEnd(9)} spinning ${spinning.toFixed(1)}, sleeping ${sleeping.toFixed(1)} (${(spinning / sleeping).toFixed(2)} times)${same}`,
  );
}
process.exit(0);
