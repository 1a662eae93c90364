/** Yarn's Plug'n'Play replaces FileHandle by a class that lacks some of Node.js's methods. */
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { Journal } from '../lib/features/journal.js';
import { atomicWriteFile, withOpenFile } from '../lib/files.js';
import { pathOfBytes } from '../lib/system-path.js';

const handle = await open(import.meta.filename);
const prototype = Object.getPrototypeOf(handle) as object;
await handle.close();

const missing = ['sync', 'datasync', 'utimes', 'readv', Symbol.asyncDispose];
const kept = missing.map((name) => [name, Object.getOwnPropertyDescriptor(prototype, name)] as const);
for (const name of missing) Reflect.deleteProperty(prototype, name);
t.teardown(() => {
  for (const [name, descriptor] of kept) if (descriptor) Object.defineProperty(prototype, name, descriptor);
});

t.test('the methods are gone', async (t) => {
  for (const name of missing) t.notOk(name in prototype, String(name));
});

t.test('files are written and synced without them', async (t) => {
  const path = join(t.testdir(), 'folder/file.txt');
  await atomicWriteFile(path, 'text');
  t.equal(readFileSync(path, 'utf8'), 'text');
  t.equal(await withOpenFile(path, async (file) => (await file.stat()).size), 4);
});

t.test('a journal is appended to and synced without them', async (t) => {
  const path = join(t.testdir(), 'journal');
  const journal = await Journal.open(path, 'table');
  await journal.append({
    ...{ pass: 0, rows: [], failures: [], stamps: [], paths: [], digests: [], together: 0 },
  });
  await journal.sync();
  await journal.close();
  t.ok(readFileSync(path, 'utf8').startsWith('{"pass":0'));
});

t.test('names are strings where bytes were asked for', async (t) => {
  t.equal(pathOfBytes('straße.jpg'), 'straße.jpg');
  t.equal(pathOfBytes(Buffer.from('straße.jpg')), 'straße.jpg');
});
