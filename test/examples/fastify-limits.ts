/** What the example server does with clients that are slow, many, or gone. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import t from 'tap';
import { startProgram } from '../helpers/command-line.js';
import { writeExampleFiles } from '../helpers/example-files.js';
import { halfUpload, startServer, until, upload } from '../helpers/example-server.js';

const root = resolve(import.meta.dirname, '../..');
const files = await writeExampleFiles(t.testdir());
const scene = readFileSync(files.scenes[0]!);

t.test('when too many wait, the next is told to come back', async (t) => {
  const server = await startServer(t, files, { MAX_RUNNING: '1', MAX_WAITING: '1' });
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
  const server = await startServer(t, files, { MAX_RUNNING: '1', MAX_WAITING: '0' });
  const slow = Array.from({ length: 32 }, () => halfUpload(server, scene));
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
  const server = await startServer(t, files, { UPLOAD_SECONDS: '0.5' });
  const { ended } = halfUpload(server, scene);
  t.equal(await ended, 408);
  t.match(await until(server, ({ uploading }) => uploading === 0), { cancelled: 0, uploadBytes: 0 });
  const metrics = await server.metrics();
  t.equal(metrics['segment_rejected_total{reason="TOO_SLOW"}'], 1);
  t.equal(metrics['segment_rejected_total{reason="CLIENT_LEFT"}'], undefined);
});

t.test('uploads together hold no more memory than they may', async (t) => {
  const server = await startServer(t, files, { MAX_UPLOAD_BYTES: String(scene.length * 2) });
  const held = Array.from({ length: 3 }, () => halfUpload(server, scene));
  await until(server, ({ uploading, uploadBytes }) => uploading === 3 && uploadBytes > scene.length);
  const refused = await fetch(`${server.url}/segment`, upload(scene));
  t.equal(refused.status, 503);
  t.match(await refused.json(), { error: { code: 'BUSY', message: /bytes of uploads/ } });
  for (const { leave } of held) leave();
  t.match(await until(server, ({ uploading }) => uploading === 0), { uploadBytes: 0 });
  t.equal((await fetch(`${server.url}/segment`, upload(scene))).status, 200);
});

t.test('clients that leave while the network works free their places', async (t) => {
  const server = await startServer(t, files);
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

t.test('beside all kinds of bad clients every good upload is answered right', async (t) => {
  const flags = ['--requests', '8', '--bad', '8', '--upload-seconds', '10', '--json'];
  const { code, stdout, stderr } = await startProgram(process.execPath, [
    `${root}/bench/server-load.mjs`,
    ...flags,
  ]).ended;
  t.equal(code, 0, stderr);
  const { right, wrong, statuses, faults } = JSON.parse(stdout) as {
    right: number;
    wrong: number;
    statuses: Record<string, Record<string, number>>;
    faults: string[];
  };
  t.same({ wrong, faults }, { wrong: 0, faults: [] });
  t.ok(right >= 16, `${right} good answers`);
  const kinds = [
    'trickling upload',
    'trickling headers',
    '100 MB',
    'bomb of pixels',
    'drawing',
    'takes no answer',
  ];
  for (const kind of kinds) t.ok(statuses[kind], kind);
});
