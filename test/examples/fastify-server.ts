import { readFileSync } from 'node:fs';
import type { AddressInfo, Server as NetServer } from 'node:net';
import { resolve } from 'node:path';
import t from 'tap';
import { decodeImage, decodeLabel } from '../../lib/data/decode.js';
import { startProgram } from '../helpers/command-line.js';
import { exampleSize, writeExampleFiles } from '../helpers/example-files.js';
import {
  halfUpload,
  serverScript,
  startServer,
  until,
  untilRefused,
  upload,
} from '../helpers/example-server.js';
import { makePng } from '../helpers/png.js';

const root = resolve(import.meta.dirname, '../..');
const files = await writeExampleFiles(t.testdir());
const scene = readFileSync(files.scenes[0]!);

/** What the test needs of a Fastify server. */
interface App {
  server: NetServer;
  listen(options: object): Promise<string>;
  close(): Promise<void>;
}

t.test('an upload is answered with what segment() says', async (t) => {
  const server = await startServer(t, files);
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
  const server = await startServer(t, files, { MAX_BYTES: '100000' });
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

t.test('SIGTERM: what runs is answered, nothing new is taken, exit code 0', async (t) => {
  const server = await startServer(t, files);
  const { finish } = halfUpload(server, scene);
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
  const server = await startServer(t, files, {}, 'cpu,cpu');
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
  const server = await startServer(t, files, {}, 'cpu,cpu');
  const held = Array.from({ length: 6 }, () => halfUpload(server, scene));
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
    const { code, stderr } = await startProgram(process.execPath, [serverScript, ...args], env).ended;
    t.equal(code, 2);
    t.match(stderr, message);
  }
});

t.test('SIGTERM does not wait longer than it should for an upload that has stalled', async (t) => {
  const server = await startServer(t, files, { GRACE_SECONDS: '0.1' });
  const upload = halfUpload(server, scene);
  await until(server, ({ uploading }) => uploading === 1);
  server.kill('SIGTERM');
  const { code, signal, stderr } = await server.ended;
  t.same({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
  t.equal(await upload.ended, 'ECONNRESET', 'the time limit of requests would have answered 408');
});
