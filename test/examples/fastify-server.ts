import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo, type Server as NetServer } from 'node:net';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { decodeImage, decodeLabel } from '../../lib/data/decode.js';
import { startProgram, type Ended } from '../helpers/command-line.js';
import { exampleSize, writeExampleFiles } from '../helpers/example-files.js';
import { makePng } from '../helpers/png.js';

const root = resolve(import.meta.dirname, '../..');
const files = await writeExampleFiles(t.testdir());
const scene = readFileSync(files.scenes[0]!);

interface Health {
  devices: string[];
  uploading: number;
  uploadBytes: number;
  running: number;
  waiting: number;
  done: number;
  cancelled: number;
  refused: number;
}

/** What the test needs of a Fastify server. */
interface App {
  server: NetServer;
  listen(options: object): Promise<string>;
  close(): Promise<void>;
}

interface Server {
  url: string;
  port: number;
  kill(signal: NodeJS.Signals): void;
  ended: Promise<Ended>;
  health(): Promise<Health>;
  /** Values of GET /metrics, by name and labels as they stand there. */
  metrics(): Promise<Record<string, number>>;
}

const script = `${root}/examples/fastify-server/server.mjs`;

async function startServer(t: Test, env: Record<string, string> = {}, device = 'cpu'): Promise<Server> {
  const args = [script, '--device', device, files.model, files.head];
  const { child, ended } = startProgram(process.execPath, args, {
    PORT: '0',
    // No request may fail because the machine is slow.
    UPLOAD_SECONDS: '86400',
    GRACE_SECONDS: '86400',
    ...env,
  });
  t.teardown(() => child.kill('SIGKILL'));
  const first = once(child.stdout!, 'data') as Promise<[string]>;
  const [line] = await Promise.race([first, ended.then(({ stderr }): [string] => [stderr])]);
  const url = /listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(line)?.[1];
  if (url === undefined) throw new Error(`the server says ${line}`);
  const health = async () => (await (await fetch(`${url}/health`)).json()) as Health;
  const metrics = async () => readMetrics(await (await fetch(`${url}/metrics`)).text());
  return {
    url,
    port: Number(new URL(url).port),
    kill: (signal) => child.kill(signal),
    ended,
    health,
    metrics,
  };
}

function readMetrics(text: string): Record<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

function upload(bytes: Uint8Array, name = 'file'): { method: string; body: FormData } {
  const body = new FormData();
  body.append(name, new Blob([Uint8Array.from(bytes)]), 'street.png');
  return { method: 'POST', body };
}

/** Waits for a state of the server that must come. Rejects where the server ends before. */
async function until(server: Server, reached: (health: Health) => boolean): Promise<Health> {
  for (;;) {
    const health = await server.health();
    if (reached(health)) return health;
    await sleep(10);
  }
}

/** Waits until the server takes no more connections. */
async function untilRefused({ port }: Server): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const error = await once(socket, 'connect').catch((error: NodeJS.ErrnoException) => error);
    socket.destroy();
    if (error instanceof Error && error.code === 'ECONNREFUSED') return;
    await sleep(10);
  }
}

/** Starts an upload and sends only the first half; `finish` sends the rest and gives the answer. */
function halfUpload(server: Server) {
  const start = '--b\r\ncontent-disposition: form-data; name="file"; filename="a.png"\r\n\r\n';
  const body = Buffer.concat([Buffer.from(start), scene, Buffer.from('\r\n--b--\r\n')]);
  const outgoing = httpRequest(`${server.url}/segment`, {
    method: 'POST',
    headers: { 'content-type': 'multipart/form-data; boundary=b', 'content-length': body.length },
  });
  /** What comes without the second half: an answer's status, or the code of the error. */
  const ended = new Promise<number | string | undefined>((resolve) => {
    outgoing.on('response', ({ statusCode }) => resolve(statusCode));
    outgoing.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code));
  });
  outgoing.write(body.subarray(0, body.length / 2));
  const finish = async () => {
    outgoing.end(body.subarray(body.length / 2));
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    const chunks = await response.toArray();
    return { status: response.statusCode, body: Buffer.concat(chunks as Buffer[]).toString() };
  };
  return { leave: () => outgoing.destroy(), finish, ended };
}

t.test('an upload is answered with what segment() says', async (t) => {
  const server = await startServer(t);
  const { shares, rgb } = files.direct[0]!;

  const json = await fetch(`${server.url}/segment`, upload(scene));
  t.equal(json.status, 200);
  const classes = shares.map(({ name, color, percent }) => ({ name, color, percent }));
  t.same(await json.json(), { ...exampleSize, classes });

  const png = await fetch(`${server.url}/segment?output=png`, upload(scene, 'any name'));
  t.equal(png.status, 200);
  t.equal(png.headers.get('content-type'), 'image/png');
  const painted = await decodeImage(Buffer.from(await png.arrayBuffer()));
  t.same({ width: painted.width, height: painted.height }, exampleSize);
  t.ok(Buffer.from(painted.data).equals(rgb));

  const labels = await fetch(`${server.url}/segment?output=labels`, upload(scene));
  t.equal(labels.headers.get('content-type'), 'image/png');
  const { data, ...size } = await decodeLabel(Buffer.from(await labels.arrayBuffer()));
  t.same(size, exampleSize);
  t.ok(Buffer.from(data).equals(files.direct[0]!.map), 'the bytes of the class map');
  t.match(await server.health(), { running: 0, waiting: 0, uploadBytes: 0, done: 3, cancelled: 0 });
});

t.test('bad requests get a 4xx with a code and a message, and the server goes on', async (t) => {
  const server = await startServer(t, { MAX_BYTES: '100000' });
  const multipart = (body: string) => ({
    method: 'POST',
    headers: { 'content-type': 'multipart/form-data; boundary=b' },
    body,
  });
  const row = new Array<number>(9000 / 8).fill(0);
  const wide = makePng({ width: 9000, rows: new Array(9000).fill(row), bitDepth: 1, colourType: 0 });
  const cases: Record<string, [number, string, RequestInit, string?]> = {
    noise: [415, 'IMAGE_TYPE', upload(Buffer.alloc(100, 7))],
    'five bytes': [415, 'IMAGE_TYPE', upload(Buffer.from('\x89PNG\r', 'latin1'))],
    'a drawing': [
      415,
      'IMAGE_TYPE',
      upload(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')),
    ],
    'a GIF': [415, 'IMAGE_TYPE', upload(Buffer.from('GIF89a\x01\x00\x01\x00\x00\x00\x00;', 'latin1'))],
    'a PNG that is noise after its name': [
      422,
      'IMAGE',
      upload(Buffer.concat([scene.subarray(0, 8), Buffer.alloc(100, 7)])),
    ],
    'a cut-off image': [422, 'IMAGE', upload(scene.subarray(0, scene.length / 2))],
    'an empty file': [400, 'NO_FILE', upload(Buffer.alloc(0))],
    '81 million pixels in a few kilobytes': [422, 'IMAGE', upload(wide)],
    'too many bytes': [413, 'TOO_LARGE', upload(Buffer.alloc(2_000_000))],
    'a few bytes too many': [413, 'TOO_LARGE', upload(Buffer.alloc(105_000))],
    'no form': [415, 'CONTENT_TYPE', { method: 'POST' }],
    JSON: [
      415,
      'CONTENT_TYPE',
      { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' },
    ],
    'a form without a file': [
      400,
      'NO_FILE',
      multipart('--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--b--'),
    ],
    'a cut-off form': [
      400,
      'BAD_UPLOAD',
      multipart('--b\r\ncontent-disposition: form-data; name="a"; filename="b"\r\n\r\n1'),
    ],
    'an unknown output': [400, 'FST_ERR_VALIDATION', upload(scene), '?output=gif'],
  };
  for (const [name, [status, code, request, query = '']] of Object.entries(cases)) {
    const answer = await fetch(`${server.url}/segment${query}`, request);
    const text = await answer.text();
    t.equal(answer.status, status, `${name}: ${text}`);
    const { error } = JSON.parse(text) as { error: { code: string; message: string; requestId: string } };
    t.match(error.requestId, /^req-/, name);
    t.equal(error.code, code, name);
    t.match(error.message, /\w+/, name);
    t.notMatch(text, /\n\s+at |node_modules/, `${name}: no stack`);
  }
  t.equal((await fetch(`${server.url}/nowhere`)).status, 404);
  t.equal((await fetch(`${server.url}/segment`, upload(scene))).status, 200);
  t.match(await server.health(), { running: 0, uploadBytes: 0, done: 1, cancelled: 0 });

  const metrics = await server.metrics();
  for (const code of new Set(Object.values(cases).map(([, code]) => code))) {
    const times = Object.values(cases).filter((each) => each[1] === code).length;
    t.equal(metrics[`segment_rejected_total{reason="${code}"}`], times, code);
  }
  t.equal(metrics['segment_answers_total{status="200"}'], 1);
  t.equal(metrics['segment_seconds_count'], 1);
  t.ok(metrics['process_resident_memory_bytes']! > 1e7);
});

t.test('when too many wait, the next is told to come back', async (t) => {
  const server = await startServer(t, { MAX_RUNNING: '1', MAX_WAITING: '1' });
  const answers = await Promise.all(
    Array.from({ length: 12 }, () => fetch(`${server.url}/segment`, upload(scene))),
  );
  const refused = answers.filter(({ status }) => status === 503);
  t.ok(refused.length >= 1, `${refused.length} of 12`);
  for (const answer of refused) {
    t.equal(answer.headers.get('retry-after'), '1');
    t.match(await answer.json(), { error: { code: 'BUSY' } });
  }
  t.equal(answers.filter(({ status }) => status === 200).length, 12 - refused.length);
  t.match(await server.health(), { running: 0, waiting: 0, refused: refused.length });
  t.equal((await server.metrics())['segment_rejected_total{reason="BUSY"}'], refused.length);
  t.equal((await fetch(`${server.url}/segment`, upload(scene))).status, 200, 'places are free again');
});

t.test('slow uploads keep nobody from a place', async (t) => {
  const server = await startServer(t, { MAX_RUNNING: '1', MAX_WAITING: '0' });
  const slow = Array.from({ length: 32 }, () => halfUpload(server));
  await until(server, ({ uploading }) => uploading === 32);
  t.equal((await fetch(`${server.url}/segment`, upload(scene))).status, 200);
  t.equal((await fetch(`${server.url}/health/ready`)).status, 200);
  const metrics = await server.metrics();
  t.equal(metrics['segment_uploads'], 32);
  t.equal(metrics['segment_upload_bytes'], (await server.health()).uploadBytes);
  for (const { leave } of slow) leave();
  t.match(await until(server, ({ uploading }) => uploading === 0), { cancelled: 32, uploadBytes: 0 });
  t.equal((await server.metrics())['segment_rejected_total{reason="CLIENT_LEFT"}'], 32);
});

t.test('an upload that takes too long is told so', async (t) => {
  const server = await startServer(t, { UPLOAD_SECONDS: '0.5' });
  const { ended } = halfUpload(server);
  t.equal(await ended, 408);
  t.match(await until(server, ({ uploading }) => uploading === 0), { cancelled: 0, uploadBytes: 0 });
  const metrics = await server.metrics();
  t.equal(metrics['segment_rejected_total{reason="TOO_SLOW"}'], 1);
  t.equal(metrics['segment_rejected_total{reason="CLIENT_LEFT"}'], undefined);
});

t.test('uploads together hold no more memory than they may', async (t) => {
  const server = await startServer(t, { MAX_UPLOAD_BYTES: String(scene.length * 2) });
  const held = Array.from({ length: 3 }, () => halfUpload(server));
  await until(server, ({ uploading, uploadBytes }) => uploading === 3 && uploadBytes > scene.length);
  const refused = await fetch(`${server.url}/segment`, upload(scene));
  t.equal(refused.status, 503);
  t.match(await refused.json(), { error: { code: 'BUSY', message: /bytes of uploads/ } });
  for (const { leave } of held) leave();
  t.match(await until(server, ({ uploading }) => uploading === 0), { uploadBytes: 0 });
  t.equal((await fetch(`${server.url}/segment`, upload(scene))).status, 200);
});

t.test('clients that leave while the network works free their places', async (t) => {
  const server = await startServer(t);
  const controller = new AbortController();
  const { signal } = controller;
  const answers = Array.from({ length: 16 }, () =>
    fetch(`${server.url}/segment`, { ...upload(scene), signal }),
  );
  const settled = Promise.allSettled(answers);
  await until(server, ({ running }) => running >= 1);
  controller.abort();
  await settled;
  const { cancelled, done } = await until(server, (now) => now.running + now.waiting + now.uploading === 0);
  t.ok(cancelled >= 1, `${cancelled} cancelled, ${done} done`);
  t.equal((await fetch(`${server.url}/segment`, upload(scene))).status, 200);
});

t.test('SIGTERM: what runs is answered, nothing new is taken, exit code 0', async (t) => {
  const server = await startServer(t);
  const { finish } = halfUpload(server);
  await until(server, ({ uploading }) => uploading === 1);
  server.kill('SIGTERM');
  await untilRefused(server);
  const { status, body } = await finish();
  t.equal(status, 200);
  t.equal((JSON.parse(body) as { classes: unknown[] }).classes.length, files.direct[0]!.shares.length);
  const { code, signal, stderr } = await server.ended;
  t.same({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
});

t.test('two devices answer what one answers', async (t) => {
  const server = await startServer(t, {}, 'cpu,cpu');
  const classes = files.direct.map(({ shares }) =>
    shares.map(({ name, color, percent }) => ({ name, color, percent })),
  );
  const scenes = files.scenes.map((path) => readFileSync(path));
  const asked = Array.from({ length: 24 }, (_, i) => i % 2);
  const answers = await Promise.all(
    asked.map(async (i) => (await fetch(`${server.url}/segment`, upload(scenes[i]!))).json()),
  );
  for (const [k, i] of asked.entries()) t.same(answers[k], { ...exampleSize, classes: classes[i] });
  t.match(await server.health(), { devices: ['cpu', 'cpu'], running: 0, done: 24 });
});

t.test('requests go to all devices', async (t) => {
  const { openSegmenter } = (await import('dinov3-seg' as string)) as typeof import('../../lib/index.js');
  const { buildApp } = (await import(`${root}/examples/fastify-server/app.mjs`)) as {
    buildApp: (segmenter: unknown, options?: object) => Promise<App>;
  };
  const { model: path, head } = files;
  const segmenter = await openSegmenter({ model: path, head, device: 'cpu,cpu' });
  const { pool } = segmenter.model;
  const running = new Set<unknown>();
  let most = 0;
  t.intercept(pool, 'run', {
    value: ((use) =>
      Object.getPrototypeOf(pool).run.call(pool, async (replica: unknown) => {
        running.add(replica);
        most = Math.max(most, running.size);
        try {
          return await use(replica as never);
        } finally {
          running.delete(replica);
        }
      })) as typeof pool.run,
  });
  const app = await buildApp(segmenter, { maxRunning: 1, maxWaiting: 2 });
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  const answers = await Promise.all(
    Array.from({ length: 6 }, () => fetch(`http://127.0.0.1:${port}/segment`, upload(scene))),
  );
  t.same(
    answers.map(({ status }) => status),
    new Array(6).fill(200),
    'three for each device',
  );
  t.equal(most, 2, 'both at the same time');
  await app.close();
  await segmenter[Symbol.asyncDispose]();
});

t.test('SIGTERM: two devices answer what they have been given, nothing new is taken', async (t) => {
  const server = await startServer(t, {}, 'cpu,cpu');
  const held = Array.from({ length: 6 }, () => halfUpload(server));
  await until(server, ({ uploading }) => uploading === 6);
  server.kill('SIGTERM');
  await untilRefused(server);
  const answers = await Promise.all(held.map(({ finish }) => finish()));
  t.same(
    answers.map(({ status }) => status),
    new Array(6).fill(200),
  );
  const { code, signal, stdout, stderr } = await server.ended;
  t.same({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
  t.match(stdout, /\nstopped\n$/);
});

t.test('wrong arguments are told, with the usage', async (t) => {
  for (const [args, message, env = {}] of [
    [[files.model], /Expected two files, MODEL and HEAD, got 1\.\nusage: node server\.mjs/],
    [['--devices', 'cpu', files.model, files.head], /Unknown option '--devices'.*\nusage:/s],
    [
      [files.model, files.head],
      /maxBytes \(MAX_BYTES\) should be a whole number from 1 to \d+, not "10 MB".*\ngraceSeconds \(GRACE_SECONDS\).*"-1"/,
      { MAX_BYTES: '10 MB', GRACE_SECONDS: '-1' },
    ],
    [
      [files.model, files.head],
      /PORT should be a whole number from 0 to 65535, not "http"/,
      { PORT: 'http' },
    ],
  ] as [string[], RegExp, Record<string, string>?][]) {
    const { code, stderr } = await startProgram(process.execPath, [script, ...args], env).ended;
    t.equal(code, 2);
    t.match(stderr, message);
  }
});

t.test('SIGTERM does not wait longer than it should for an upload that has stalled', async (t) => {
  const server = await startServer(t, { GRACE_SECONDS: '0.1' });
  const upload = halfUpload(server);
  await until(server, ({ uploading }) => uploading === 1);
  server.kill('SIGTERM');
  const { code, signal, stderr } = await server.ended;
  t.same({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
  t.equal(await upload.ended, 'ECONNRESET', 'the time limit of requests would have answered 408');
});

t.test('under load every good upload is answered right and every bad one is refused', async (t) => {
  const args = [`${root}/bench/server-load.mjs`, '--requests', '40', '--concurrency', '8', '--json'];
  const { code, stdout, stderr } = await startProgram(process.execPath, args).ended;
  t.equal(code, 0, stderr);
  t.match(JSON.parse(stdout), { good: 32, bad: 4, faults: [] });
});
