/**
 * Claim: a process that loads, segments, trains, aborts, disposes, is given bad input, and starts and ends worker_threads for as long as
 * it likes keeps its memory within 5 %, opens no descriptor and starts no thread that stays, and answers as at its start.
 *
 *     node bench/soak.mjs cpu|cuda[:N] [MODEL] [--minutes 60] [--seed 1] [--every 60] [--rounds N] [--json]
 *
 * MODEL: a network file with a head of its own; on the CPU, default is a random network of 1.1 million parameters. Three loops do one
 * thing after another, each drawn by the seed. Every --every seconds they pause, garbage is collected, and a line tells what the process
 * holds. The verdict compares the readings of the last seventh with those from a tenth to a quarter of the time, and exits 1 where
 * anything is not as claimed. --rounds ends after so many things instead, for tests, which judge no memory.
 *
 * Needs the package and its dependencies alone; without sharp, images are pixels, and nothing is trained from files.
 */
import { hasCodec } from './absent-codec.mjs';
import { readFileSync, readdirSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { median } from './figures.mjs';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    every: { type: 'string', default: '60' },
    rounds: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const [device = 'cpu', network] = positionals;
const [minutes, seed, every] = [flags.minutes, flags.seed, flags.every].map(Number);
const rounds = flags.rounds === undefined ? Infinity : Number(flags.rounds);
if (
  positionals.length > 2 ||
  !/^(cpu|cuda(:\d+)?)$/.test(device) ||
  (network === undefined && device !== 'cpu') ||
  [minutes, seed, every, rounds].some((value) => !(value > 0))
) {
  console.error(
    'usage: node bench/soak.mjs cpu|cuda[:N] [MODEL] [--minutes 60] [--seed 1] [--every 60] [--rounds N] [--json]\n' +
      'MODEL is needed on a GPU. Numbers are above 0.',
  );
  process.exit(2);
}

// Loaded after the arguments are known to be right.
const { openSoak } = await import('./soak-actions.mjs');
const { engine } = await import('../dist/native/engine.js');

const loops = 3;
const bound = 0.05;
const gpu = device === 'cpu' ? undefined : device.includes(':') ? device : 'cuda:0';
const say = (line) => (flags.json ? console.error(line) : console.log(line));
const { torch, threads } = engine().info();
say(
  `# soak on ${device}, seed ${seed}, ${rounds === Infinity ? `${minutes} minutes` : `${rounds} rounds`}, ${loops} loops; ` +
    `libtorch ${torch}, ${threads} threads, node ${process.version}${hasCodec ? '' : ', without sharp'}`,
);

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

/** What the process holds while nothing runs. */
async function read(done) {
  // Finalisers run when the event loop turns, and may free what others wait for.
  for (let i = 0; i < 4; i++) {
    collect();
    await nextTurn();
  }
  const status = readFileSync('/proc/self/status', 'utf8');
  const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)[1]);
  const reading = {
    minute: (performance.now() - started) / 60_000,
    done,
    megabytes: field('VmRSS') / 1024,
    anonymousMegabytes: field('RssAnon') / 1024,
    // One of them is this listing's.
    descriptors: readdirSync('/proc/self/fd').length - 1,
    threads: field('Threads'),
  };
  if (gpu !== undefined) {
    await engine().synchronize(gpu);
    const { allocatedBytes, reservedBytes } = engine().memoryStats(gpu);
    const { totalBytes, freeBytes } = engine()
      .devices()
      .find(({ name }) => name === gpu);
    const toMegabytes = (bytes) => bytes / 2 ** 20;
    reading.deviceAllocated = toMegabytes(allocatedBytes);
    reading.deviceReserved = toMegabytes(reservedBytes);
    reading.deviceUsed = toMegabytes(totalBytes - freeBytes);
  }
  return reading;
}

const columns = {
  minute: 1,
  done: 0,
  megabytes: 1,
  anonymousMegabytes: 1,
  descriptors: 0,
  threads: 0,
  ...(gpu && { deviceAllocated: 2, deviceReserved: 0, deviceUsed: 0 }),
};
const row = (cell) =>
  Object.keys(columns)
    .map((name) => cell(name).padStart(name.length + 2))
    .join('');

const soak = await openSoak({
  device: gpu ?? device,
  network,
  seed,
  fromFiles: hasCodec && gpu === undefined,
});
const started = performance.now();
const ends = rounds === Infinity ? started + minutes * 60_000 : Infinity;
const step = Math.ceil(rounds / 10);
const readings = [];
let done = 0;

/** Lets the loops run until the next reading. */
async function runUntilReading() {
  const pauseAt = Math.min(ends, performance.now() + every * 1000);
  const pauseAfter = Math.min(rounds, done + step);
  let begun = done;
  const goesOn = () => (rounds === Infinity ? performance.now() < pauseAt : begun < pauseAfter);
  const loop = async (index) => {
    while (goesOn()) {
      begun++;
      await soak.act(index);
      done++;
    }
  };
  await Promise.all(Array.from({ length: loops }, (_, index) => loop(index)));
}

say(row((name) => name));
readings.push(await read(0));
while (performance.now() < ends && done < rounds && soak.faults.length < 20) {
  await runUntilReading();
  const reading = await read(done);
  readings.push(reading);
  say(row((name) => reading[name].toFixed(columns[name])));
}
const total = performance.now() - started;
const within = (from, to) =>
  readings.filter(({ minute }) => minute * 60_000 >= from * total && minute * 60_000 <= to * total);

/** Growth from the readings after the start to the last ones; of counts, how far the usual late one is above all early ones. */
function judge() {
  const [early, late] = [within(0.1, 0.25), within(6 / 7, 1)];
  if (early.length === 0) return { unjudged: 'too few readings' };
  const of = (part, name) => part.map((reading) => reading[name]);
  const growth = (name) => median(of(late, name)) / median(of(early, name)) - 1;
  const more = (name) => Math.max(0, median(of(late, name)) - Math.max(...of(early, name)));
  return {
    memoryGrowth: growth('megabytes'),
    anonymousGrowth: growth('anonymousMegabytes'),
    moreDescriptors: more('descriptors'),
    moreThreads: more('threads'),
    ...(gpu && { deviceAllocatedGrowth: growth('deviceAllocated'), deviceUsedGrowth: growth('deviceUsed') }),
  };
}

const verdict = judge();
const faults = [...soak.faults];
const percent = (share) => `${(100 * share).toFixed(1)} %`;
if (verdict.unjudged) faults.push(verdict.unjudged);
if (rounds === Infinity)
  for (const [name, text] of [
    ['memoryGrowth', 'resident memory'],
    ['deviceAllocatedGrowth', "memory in the device's tensors"],
    ['deviceUsedGrowth', "the device's memory in use"],
  ])
    if (verdict[name] > bound) faults.push(`${text} grew by ${percent(verdict[name])}`);
for (const [name, text] of [
  ['moreDescriptors', 'descriptors'],
  ['moreThreads', 'threads'],
])
  if (verdict[name] > 0) faults.push(`${verdict[name]} more ${text} than at first`);

await soak.close();
const result = { device, seed, minutes: total / 60_000, done, tally: soak.tally, verdict, readings, faults };
if (flags.json) console.log(JSON.stringify(result));
else {
  const counts = (tally) =>
    Object.entries(tally)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ');
  console.log(`${done} things done: ${counts(soak.tally.actions)}`);
  console.log(`refused, as they should be: ${counts(soak.tally.refusals)}`);
  console.log(
    `maps compared: ${soak.tally.maps}; the least alike had ${percent(soak.tally.leastAlike)} of its pixels the same`,
  );
  for (const [name, value] of Object.entries(verdict))
    console.log(`${name}: ${name.endsWith('Growth') ? percent(value) : value}`);
}
for (const fault of faults) console.error(`NOT AS CLAIMED: ${fault}`);
if (!flags.json) console.log(faults.length === 0 ? 'verdict: as claimed' : 'verdict: not as claimed');
process.exitCode = faults.length === 0 ? 0 : 1;
