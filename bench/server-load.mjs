/**
 * Claim: beside clients that trickle, flood, leave and lie, the Fastify example answers every good upload with the bytes of a direct
 * call, each bad one as it deserves, and its memory stays flat.
 *
 *     node bench/server-load.mjs [--minutes 10] [--seed 1] [--good 4] [--bad 16] [--upload-seconds 5] [--requests N] [--json]
 *
 * `--good` clients upload one image after another, first alone, then beside `--bad` others (bench/server-clients.mjs), each drawn by the
 * seed. --requests ends after so many good answers instead, once every kind of bad client has come. Loopback only; the network is the
 * small random one of the demo, on the CPU, one thread an operator. Exits 1 where anything is not as claimed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { Agent } from 'node:http';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { classPercentages, colorize, decodeImage, decodeLabel, openSegmenter } from '../dist/index.js';
import { median, percentile, writeDemoFiles } from './demo-files.mjs';
import { setting } from './network.mjs';
import { randomNumbers } from './random-numbers.mjs';
import { badClients, goodUpload, send } from './server-clients.mjs';

const { values: flags } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    good: { type: 'string', default: '4' },
    bad: { type: 'string', default: '16' },
    'upload-seconds': { type: 'string', default: '5' },
    requests: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const numberOf = (name, or) => (flags[name] === undefined ? or : Number(flags[name]));
const [minutes, seed, goodClients, badOnes] = ['minutes', 'seed', 'good', 'bad'].map((name) =>
  numberOf(name),
);
const uploadSeconds = numberOf('upload-seconds');
const requests = numberOf('requests', Infinity);
if ([minutes, seed, goodClients, badOnes, uploadSeconds, requests].some((value) => !(value > 0))) {
  console.error(
    'Each of --minutes, --seed, --good, --bad, --upload-seconds and --requests should be a number above 0.',
  );
  process.exit(2);
}
// Before libtorch is loaded, here and in the server: the same bits on any number of cores.
process.env.OMP_NUM_THREADS = '1';

const bound = 0.1;
const faults = [];
const files = await writeDemoFiles();
const scenes = files.scenes.map((path) => readFileSync(path));
const expected = await direct();
const server = await startServer();
const agent = new Agent({ keepAlive: true });
const to = { port: server.port, agent };
const latencies = { quiet: [], loaded: [] };
const tally = { right: 0, wrong: 0 };
const statuses = {};

/** What the server should say about each scene. */
async function direct() {
  const segmenter = await openSegmenter({ model: files.model, head: files.head, device: 'cpu' });
  const answers = [];
  for (const scene of files.scenes) {
    const { data, width, height } = await segmenter.segment(scene);
    const shares = classPercentages(data, segmenter.classSet).filter(({ pixels }) => pixels > 0);
    const classes = shares.map(({ name, color, percent }) => ({ name, color: [...color], percent }));
    const rgb = Buffer.from(colorize(data, segmenter.classSet));
    answers.push({ json: { width, height, classes }, rgb, labels: Buffer.from(data) });
  }
  segmenter.dispose();
  return answers;
}

const isRight = {
  json: async (body, { json }) => isDeepStrictEqual(JSON.parse(body.toString()), json),
  png: async (body, { rgb }) => rgb.equals(Buffer.from((await decodeImage(body)).data)),
  labels: async (body, { labels }) => labels.equals(Buffer.from((await decodeLabel(body)).data)),
};

async function good(draw, times) {
  const scene = Math.floor(draw() * scenes.length);
  const output = Object.keys(isRight)[Math.floor(draw() * 3)];
  const started = performance.now();
  const { status, body } = await goodUpload(to, scenes[scene], output);
  times.push(performance.now() - started);
  if (status === 200 && (await isRight[output](body, expected[scene]))) tally.right++;
  else {
    tally.wrong++;
    faults.push(
      `a good upload got ${status} ${output === 'json' || status !== 200 ? body : `${body.length} bytes`}`,
    );
  }
}

async function bad(kind, [allowed, behave], draw) {
  const { status, body = '' } = await behave(draw);
  const name = status ?? 'none';
  statuses[kind] ??= {};
  statuses[kind][name] = (statuses[kind][name] ?? 0) + 1;
  if (!allowed.includes(status)) faults.push(`${kind} got ${status} ${String(body).slice(0, 300)}`);
  else if (status !== undefined && status !== 200 && !isStructured(body))
    faults.push(`${kind} got ${status} ${body}`);
}

/** An error has a code and a message, and nothing of the server's inside. */
function isStructured(body) {
  const text = body.toString();
  const json = text.slice(text.indexOf('{'));
  try {
    const { error } = JSON.parse(json);
    return Boolean(error.code && error.message) && !/\n\s+at |node_modules/.test(text);
  } catch {
    return false;
  }
}

const times = (count, work) =>
  Promise.all(Array.from({ length: count }, (_, i) => work(randomNumbers(1000 * seed + i))));

async function quiet() {
  let left = Math.min(60, requests);
  await times(goodClients, async (draw) => {
    while (left-- > 0) await good(draw, latencies.quiet);
  });
}

const memory = [];
const health = [];
const load = { seconds: 0 };

async function loaded() {
  const started = performance.now();
  const kinds = Object.entries(
    badClients(server.port, scenes[0], { uploadSeconds, usual: () => median(latencies.loaded) || 100 }),
  );
  const untried = kinds.map(([kind]) => kind);
  const begin = tally.right + tally.wrong;
  const goesOn = () =>
    faults.length < 20 &&
    (requests === Infinity
      ? performance.now() - started < minutes * 60_000
      : untried.length > 0 || tally.right + tally.wrong - begin < requests);
  let done = false;
  const watch = (async () => {
    const step = requests === Infinity ? minutes * 3000 : 1000;
    for (let next = performance.now(); !done;) {
      const asked = performance.now();
      await send({ ...to, method: 'GET', path: '/health', headers: {} }).answer;
      health.push(performance.now() - asked);
      if (asked >= next) {
        memory.push({ megabytes: residentMegabytes(server.pid), descriptors: descriptors(server.pid) });
        next += step;
      }
      await sleep(100);
    }
  })();
  await Promise.all([
    times(goodClients, async (draw) => {
      while (goesOn()) await good(draw, latencies.loaded);
    }),
    times(badOnes, async (draw) => {
      while (goesOn()) {
        const kind = untried.pop() ?? kinds[Math.floor(draw() * kinds.length)][0];
        await bad(kind, kinds.find(([name]) => name === kind)[1], draw);
      }
    }),
  ]);
  done = true;
  await watch;
  load.seconds = (performance.now() - started) / 1000;
}

/** Nothing may be left of what clients did, and what is on its way at SIGTERM is answered. */
async function end() {
  const get = async (path) =>
    (await send({ ...to, method: 'GET', path, headers: {} }).answer).body.toString();
  for (;;) {
    const { uploading, uploadBytes, running, waiting } = JSON.parse(await get('/health'));
    if (uploading + uploadBytes + running + waiting === 0) break;
    // Kept-alive connections of slow clients end when their time is over.
    await sleep(200);
  }
  const text = await get('/metrics');
  const answered = Number(/^segment_answers_total\{status="200"\} (\d+)$/m.exec(text)?.[1]);
  if (!(answered >= tally.right))
    faults.push(`/metrics tells of ${answered} answers, but ${tally.right} came`);
  const last = [];
  const asked = times(goodClients, (draw) => good(draw, last));
  while (
    JSON.parse(await get('/health')).uploading + JSON.parse(await get('/health')).running === 0 &&
    last.length === 0
  );
  server.child.kill('SIGTERM');
  await asked;
  const code = await server.ended;
  if (code !== 0) faults.push(`the server ended with ${code} on SIGTERM`);
  agent.destroy();
}

async function startServer() {
  const script = new URL('../examples/fastify-server/server.mjs', import.meta.url).pathname;
  const limits = { MAX_BYTES: '200000', UPLOAD_SECONDS: String(uploadSeconds), GRACE_SECONDS: '600' };
  const child = spawn(process.execPath, [script, '--device', 'cpu', files.model, files.head], {
    env: { ...process.env, PORT: '0', HOST: '127.0.0.1', ...limits },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  process.once('exit', () => child.kill('SIGKILL'));
  const ended = once(child, 'exit').then(([code, signal]) => code ?? signal);
  const line = await Promise.race([
    once(createInterface(child.stdout), 'line').then(([text]) => text),
    ended.then((code) => Promise.reject(new Error(`the server ended with ${code} before it listened`))),
  ]);
  return { child, ended, pid: child.pid, port: Number(new URL(line.split(' ').at(-1)).port) };
}

function residentMegabytes(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
}

const descriptors = (pid) => readdirSync(`/proc/${pid}/fd`).length;

/** Growth from the readings of the second fifth to those of the last. */
function growth() {
  const fifth = Math.max(1, Math.floor(memory.length / 5));
  const of = (part) => median(part.map(({ megabytes }) => megabytes));
  return of(memory.slice(-fifth)) / of(memory.slice(fifth, 2 * fifth)) - 1;
}

function print(result) {
  const ratio = (value) => `${value.toFixed(1)} ×`;
  console.log(
    [
      `${goodClients} good clients and ${badOnes} bad ones for ${(result.seconds / 60).toFixed(1)} minutes, seed ${seed}`,
      `good answers               ${result.right} right, ${result.wrong} wrong`,
      `their latency              median ${ratio(result.medianRatio)}, 95 % ${ratio(result.p95Ratio)} that of the quiet server`,
      `GET /health meanwhile      median ${ratio(result.healthMedianRatio)}, worst ${ratio(result.healthWorstRatio)} a quiet upload`,
      'statuses of the bad clients (none: they left, or the connection was closed)',
      ...Object.entries(statuses).map(
        ([kind, counts]) =>
          `    ${kind.padEnd(32)} ${Object.entries(counts)
            .map(([status, count]) => `${status}: ${count}`)
            .join(', ')}`,
      ),
      `the server's memory        ${memory.map(({ megabytes }) => megabytes.toFixed(0)).join(' ')} MB (${(100 * result.growth).toFixed(1)} %)`,
      `its descriptors            ${memory.map((reading) => reading.descriptors).join(' ')}`,
    ].join('\n'),
  );
}

if (!flags.json) setting('scenes of 256×192 at 64×64, server and clients on one machine');
await quiet();
await loaded();
await end();
const quietMedian = median(latencies.quiet);
const result = {
  ...{ seed, seconds: load.seconds, ...tally, statuses },
  medianRatio: median(latencies.loaded) / quietMedian,
  p95Ratio: percentile(latencies.loaded, 0.95) / percentile(latencies.quiet, 0.95),
  healthMedianRatio: median(health) / quietMedian,
  healthWorstRatio: Math.max(...health) / quietMedian,
  memory,
  growth: growth(),
};
// In a shorter run, Node.js itself does not have its memory yet.
if (requests === Infinity && result.growth > bound)
  faults.push(`memory grew by ${(100 * result.growth).toFixed(1)} %`);
if (flags.json) console.log(JSON.stringify({ ...result, faults }));
else print(result);
for (const fault of faults) console.error(`NOT AS CLAIMED: ${fault}`);
if (!flags.json && faults.length === 0) console.log('verdict: as claimed');
process.exitCode = faults.length > 0 ? 1 : 0;
