/**
 * Claim: the Fastify example answers every good upload as `model.segment` does, every bad one with a 4xx, forgets those
 * whose client leaves, stays reachable meanwhile, and its memory stays flat.
 *
 *     node bench/server-load.mjs [--requests 200] [--concurrency 16] [--json]
 *
 * Of ten uploads one is broken and one is cancelled by the client at a random moment. Loopback only; exits 1 where
 * anything is not as claimed. The network is the small random one of the demo, on the CPU, one thread an operator.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { ClassHead, SegmentationModel, classPercentages, colorize, decodeImage } from '../dist/index.js';
import { median, percentile, writeDemoFiles } from './demo-files.mjs';
import { setting } from './network.mjs';

const { values: flags } = parseArgs({
  options: {
    requests: { type: 'string', default: '200' },
    concurrency: { type: 'string', default: '16' },
    json: { type: 'boolean', default: false },
  },
});
const requests = Math.min(20_000, Number(flags.requests));
const concurrency = Number(flags.concurrency);
// Before libtorch is loaded, here and in the server: the same bits on any number of cores.
process.env.OMP_NUM_THREADS = '1';

const faults = [];

/** What the server should say about each scene. */
async function direct({ model: modelPath, head: headPath, scenes }) {
  const model = await SegmentationModel.load(modelPath);
  const head = await ClassHead.load(headPath);
  const answers = [];
  for (const scene of scenes) {
    const { data, width, height } = await model.segment(scene, { head, imageSize: head.metadata.imageSize });
    const shares = classPercentages(data, head.classSet).filter(({ pixels }) => pixels > 0);
    const classes = shares.map(({ name, color, percent }) => ({ name, color: [...color], percent }));
    answers.push({ json: { width, height, classes }, rgb: Buffer.from(colorize(data, head.classSet)) });
  }
  head.dispose();
  model.dispose();
  return answers;
}

async function load(files, expected) {
  const server = await startServer(files);
  try {
    return await loadServer(server, expected, files.scenes);
  } finally {
    server.kill();
  }
}

async function loadServer(server, expected, paths) {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency + 2 });
  const post = (upload) => send({ ...server, agent, method: 'POST', ...upload });
  const scenes = paths.map((path) => readFileSync(path));
  const tally = { good: 0, bad: 0, cancelled: 0, answeredBeforeCancel: 0, milliseconds: [] };

  const health = [];
  let loaded = true;
  const watch = (async () => {
    while (loaded) {
      const started = performance.now();
      await send({ ...server, agent, method: 'GET', path: '/health' });
      health.push(performance.now() - started);
      await sleep(20);
    }
  })();

  const marks = [];
  let next = 0;
  const client = async () => {
    for (let i = next++; i < requests; i = next++) {
      if (i % 10 === 3) await broken(i, post, scenes, tally);
      else if (i % 10 === 7) await cancelled(i, post, scenes, tally);
      else await good(i, post, scenes, expected, tally);
      if ((i + 1) % Math.ceil(requests / 10) === 0) marks.push(residentMegabytes(server.pid));
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: concurrency }, client));
  const seconds = (performance.now() - started) / 1000;
  loaded = false;
  await watch;

  const { body } = await send({ ...server, agent, method: 'GET', path: '/health' });
  const { running, cancelled: stopped } = JSON.parse(body);
  if (running !== 0) faults.push(`${running} requests are still counted as running`);
  const after = residentMegabytes(server.pid);
  agent.destroy();
  const exit = await server.stop();
  if (exit !== 0) faults.push(`the server ended with ${exit} on SIGTERM`);
  const growth = after / marks[0] - 1;
  // In a shorter run, a tenth is not enough for Node.js itself to have its memory.
  if (requests >= 200 && growth > 0.15) faults.push(`memory grew by ${(100 * growth).toFixed(1)} %`);
  const { milliseconds, ...counted } = tally;
  return {
    requests,
    concurrency,
    seconds,
    ...counted,
    stoppedByServer: stopped,
    latencyMedian: median(milliseconds),
    latencyP95: percentile(milliseconds, 0.95),
    healthMedian: median(health),
    healthWorst: Math.max(...health),
    megabytesAfterATenth: marks[0],
    megabytesAtTheEnd: after,
    megabytesByTenths: marks,
    growth,
  };
}

async function good(i, post, scenes, expected, tally) {
  const scene = i % scenes.length;
  const png = i % 2 === 0;
  const started = performance.now();
  const { status, body } = await post({
    path: png ? '/segment?output=png' : '/segment',
    ...form(scenes[scene]),
  });
  tally.milliseconds.push(performance.now() - started);
  const { json, rgb } = expected[scene];
  const right =
    status === 200 &&
    (png
      ? rgb.equals(Buffer.from((await decodeImage(body)).data))
      : isDeepStrictEqual(JSON.parse(body.toString()), json));
  if (right) tally.good++;
  else faults.push(`request ${i} got ${status} ${png ? `${body.length} bytes` : body}`);
}

/** Uploads that a server must refuse; all are 4xx with a code and a message, and nothing of the server's inside. */
const breakages = {
  noise: (scene) => form(Buffer.from(scene).fill(7)),
  'cut-off image': (scene) => form(scene.subarray(0, scene.length / 2)),
  'damaged image': (scene) => form(Buffer.from(scene).fill(0xff, 1000, 2000)),
  'empty file': () => form(Buffer.alloc(0)),
  'cut-off form': (scene) => cut(form(scene)),
  'no file': () => ({
    ...form(Buffer.from('x')),
    body: Buffer.from('--b\r\ncontent-disposition: form-data; name="a"\r\n\r\nb\r\n--b--\r\n'),
  }),
  'no form': () => ({ body: Buffer.from('{}'), headers: { 'content-type': 'application/json' } }),
  'too large': () => form(Buffer.alloc(300_000)),
};

async function broken(i, post, scenes, tally) {
  const names = Object.keys(breakages);
  const name = names[Math.floor(i / 10) % names.length];
  const { status, body } = await post({ path: '/segment', ...breakages[name](scenes[0]) });
  let error;
  try {
    error = JSON.parse(body.toString()).error;
  } catch {
    error = undefined;
  }
  const right =
    status >= 400 &&
    status < 500 &&
    error?.code &&
    error.message &&
    !/\n\s+at |node_modules/.test(body.toString());
  if (right) tally.bad++;
  else faults.push(`request ${i} (${name}) got ${status} ${body}`);
}

async function cancelled(i, post, scenes, tally) {
  const usual = median(tally.milliseconds) || 100;
  // Spread evenly over the time that a request takes, and the same in every run.
  const delay = Math.round(usual * ((i * 0.618) % 1));
  const result = await post({ path: '/segment', ...form(scenes[0]), signal: AbortSignal.timeout(delay) });
  if (result.status === undefined) tally.cancelled++;
  else if (result.status === 200) tally.answeredBeforeCancel++;
  else faults.push(`request ${i}, to be cancelled, got ${result.status} ${result.body}`);
}

function form(file) {
  const head =
    '--b\r\ncontent-disposition: form-data; name="file"; filename="a.png"\r\ncontent-type: image/png\r\n\r\n';
  const body = Buffer.concat([Buffer.from(head), file, Buffer.from('\r\n--b--\r\n')]);
  return { body, headers: { 'content-type': 'multipart/form-data; boundary=b' } };
}

function cut({ body, headers }) {
  return { body: body.subarray(0, body.length / 2), headers };
}

/** One request; without a status when the signal cancelled it. */
function send({ port, agent, method, path, headers = {}, body, signal }) {
  return new Promise((resolve, reject) => {
    const length = body ? { 'content-length': body.length } : {};
    const options = {
      host: '127.0.0.1',
      port,
      agent,
      method,
      path,
      signal,
      headers: { ...headers, ...length },
    };
    const outgoing = httpRequest(options, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode, body: Buffer.concat(chunks) }));
      response.on('error', fail);
    });
    outgoing.on('error', fail);
    outgoing.end(body);
    function fail(error) {
      if (signal?.aborted) resolve({});
      else reject(error);
    }
  });
}

async function startServer({ model, head }) {
  const script = new URL('../examples/fastify-server/server.mjs', import.meta.url).pathname;
  const env = { ...process.env, PORT: '0', HOST: '127.0.0.1', MAX_BYTES: '200000' };
  const child = spawn(process.execPath, [script, '--device', 'cpu', model, head], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const lines = createInterface(child.stdout);
  const line = await Promise.race([
    once(lines, 'line').then(([text]) => text),
    ended.then(([code]) => Promise.reject(new Error(`the server ended with ${code} before it listened`))),
  ]);
  const stop = async () => {
    child.kill('SIGTERM');
    const [code, signal] = await ended;
    return code ?? signal;
  };
  const port = Number(new URL(line.split(' ').at(-1)).port);
  return { port, pid: child.pid, stop, kill: () => child.kill('SIGKILL') };
}

function residentMegabytes(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
}

function print(figures) {
  const f = figures;
  const ms = (value) => `${value.toFixed(0)} ms`;
  console.log(
    [
      `${f.requests} requests, ${f.concurrency} at a time, in ${f.seconds.toFixed(1)} s`,
      `answered right             ${f.good}`,
      `bad uploads, all 4xx       ${f.bad}`,
      `cancelled by the client    ${f.cancelled} (and ${f.answeredBeforeCancel} that were answered before); the server stopped ${f.stoppedByServer}`,
      `latency of good ones       median ${ms(f.latencyMedian)}, 95 % within ${ms(f.latencyP95)}`,
      `GET /health meanwhile      median ${ms(f.healthMedian)}, worst ${ms(f.healthWorst)}`,
      `resident memory            ${f.megabytesAfterATenth.toFixed(1)} MB after a tenth, ${f.megabytesAtTheEnd.toFixed(1)} MB at the end (${(100 * f.growth).toFixed(1)} %)`,
      `                           by tenths: ${f.megabytesByTenths.map((value) => value.toFixed(0)).join(' ')} MB`,
    ].join('\n'),
  );
}

const files = await writeDemoFiles();
const expected = await direct(files);
const figures = await load(files, expected);
if (flags.json) console.log(JSON.stringify({ ...figures, faults }));
else {
  setting('scenes of 256×192 at 64×64, server and clients on one machine');
  print(figures);
}
for (const fault of faults) console.error(`NOT AS CLAIMED: ${fault}`);
process.exitCode = faults.length > 0 ? 1 : 0;
