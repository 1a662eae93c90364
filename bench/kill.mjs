/**
 * kill -9 and going on: `node bench/kill.mjs [ROUNDS]` (20) kills of the caching pass, of training one head and of a sweep from
 * the cache, spread over the whole time that each takes, then the same run with --resume. Weights, metrics, sweep.json and the
 * cache's records must be those of a run that was never killed, byte by byte.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeDemoDataset } from '../packages/street-scenes/index.mjs';
import { checkCache } from '../dist/cache/manage.js';
import { readPosition } from '../dist/train/run-folder.js';
import { setting, summary, writeNetwork } from './network.mjs';

const rounds = Number(process.argv[2] ?? 20);
const entry = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const { folder, model } = await writeNetwork();
const at = (name) => join(folder, name);
await writeDemoDataset(at('few'), { train: 24, val: 4, width: 256, height: 192 });
await writeDemoDataset(at('many'), { train: 160, val: 4, width: 256, height: 192 });
const sweep = 'lr=1e-3,3e-3;loss=reference,nll,mask2former';
const settings = `--model ${model} --lr 2e-3 --device cpu --seed 5`.split(' ');

/** Runs `dinov3-seg train`; with `killAfter`, kills it so many milliseconds after its start. */
function train(out, cache, flags, { resume = false, killAfter } = {}) {
  const given = resume ? [] : [...settings, ...flags];
  const argv = ['train', '--out', out, '--cache', cache, ...given, ...(resume ? ['--resume'] : [])];
  const child = spawn(process.execPath, [entry, ...argv], { stdio: ['ignore', 'ignore', 'pipe'] });
  const started = performance.now();
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
  const timer = killAfter === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfter);
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stderr, milliseconds: performance.now() - started });
    });
  });
}

/** By record: where it is and what stands there; of the last line that names it. */
function recordsOf(cache) {
  const records = new Map();
  for (const line of readFileSync(join(cache, 'index.jsonl'), 'utf8').trimEnd().split('\n')) {
    const { split, name, view, file, offset, checksum } = JSON.parse(line.slice(0, line.lastIndexOf('\t')));
    if (split) records.set(`${split} ${name} ${view}`, { file, offset, checksum });
  }
  return records;
}

function metricsOf(run) {
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trimEnd().split('\n');
  return lines
    .map((line) => JSON.stringify({ ...JSON.parse(line), seconds: 0, imagesPerSecond: 0 }))
    .join('\n');
}

/** In what a run and its cache differ from the ones that were never killed. */
async function differences([run, cache], [expectedRun, expectedCache]) {
  const found = [];
  for (const name of ['last.safetensors', 'best.safetensors', 'sweep.json']) {
    const expected = join(expectedRun, name);
    if (!existsSync(expected)) continue;
    const path = join(run, name);
    if (!existsSync(path) || !readFileSync(path).equals(readFileSync(expected))) found.push(name);
  }
  if (metricsOf(run) !== metricsOf(expectedRun)) found.push('metrics.jsonl');
  const [records, expected] = [recordsOf(cache), recordsOf(expectedCache)];
  const same = [...expected].every(([name, { checksum }]) => records.get(name)?.checksum === checksum);
  if (!same || records.size !== expected.size) found.push('records');
  const { damage } = await checkCache(cache);
  if (damage.length > 0) found.push(`damage: ${damage[0].reason}`);
  return found;
}

/** How far a killed run had come. */
async function stateOf(run, cache) {
  const index = join(cache, 'index.jsonl');
  const records = existsSync(index) ? readFileSync(index, 'utf8').split('\n').length - 2 : 0;
  if (!existsSync(join(run, 'config.json'))) return 'before the run began';
  const position = await readPosition(run);
  if (!position) return `${records} records, nothing trained`;
  return position.finished ? 'finished' : `epoch ${position.epoch}, batch ${position.batch}`;
}

let wrong = 0;

/** Kills one kind of run in every round; `whole`: a cache that all of them use. */
async function killing(kind, flags, { whole } = {}) {
  const expected = [at(kind), whole ?? at(`${kind}-cache`)];
  const { code, stderr, milliseconds } = await train(...expected, flags);
  if (code !== 0) throw new Error(stderr);
  console.log(`${kind}: ${(milliseconds / 1000).toFixed(1)} s without a kill`);
  let same = 0;
  const times = [];
  for (let round = 0; round < rounds; round++) {
    const own = [at(`${kind}-killed`), whole ?? at(`${kind}-killed-cache`)];
    const remove = () => {
      for (const path of own) if (path !== whole) rmSync(path, { recursive: true, force: true });
    };
    let killAfter = ((round + Math.random()) / rounds) * milliseconds;
    // A machine that is less busy than before may be done by then.
    for (; (await train(...own, flags, { killAfter })).signal !== 'SIGKILL'; killAfter *= 0.8) remove();
    const state = await stateOf(...own);
    const resume = existsSync(join(own[0], 'config.json'));
    const resumed = await train(...own, flags, { resume });
    const found = resumed.code === 0 ? await differences(own, expected) : [resumed.stderr];
    if (found.length === 0) same++;
    times.push(resumed.milliseconds / 1000);
    console.log(
      `${kind} ${round + 1}/${rounds}: killed after ${(killAfter / 1000).toFixed(2)} s (${state}), ` +
        (found.length === 0 ? 'the same' : `DIFFERENT: ${found.join(', ')}`),
    );
    remove();
  }
  wrong += rounds - same;
  console.log(`${kind}: ${same} of ${rounds} the same; going on took ${summary(times, 's')}`);
}

setting(`${rounds} rounds each`);
// Passes of three images: kills within a group as well.
await killing('caching', ['--data', at('few'), '--epochs', '1', '--image-size', '128', '--pass-size', '3']);
// Enough to learn from for a state to be saved within an epoch.
const training = ['--data', at('many'), '--image-size', '256', '--flip', '0', '--save-every-seconds', '0'];
const whole = at('cache');
const { code, stderr } = await train(at('first'), whole, [...training, '--epochs', '1']);
if (code !== 0) throw new Error(stderr);
await killing('training', [...training, '--epochs', '5', '--accumulate', '2'], { whole });
await killing('sweep', [...training, '--epochs', '2', '--batch-size', '3', '--sweep', sweep], { whole });
console.log(wrong === 0 ? 'all the same' : `${wrong} of ${3 * rounds} DIFFERENT`);
process.exitCode = wrong === 0 ? 0 : 1;
