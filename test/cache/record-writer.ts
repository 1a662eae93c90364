/** Groups of records are written at once, wherever a file ends, and synced while the pass goes on. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { CacheFolder } from '../../lib/cache/cache-folder.js';
import { checkCache } from '../../lib/cache/manage.js';
import { DinoSegError } from '../../lib/errors.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import type { RecordPart } from '../../lib/native/bindings/engine.js';
import { cacheSource, fill, readIndexLines } from '../helpers/tiny-cache.js';
import { tinySettings } from '../helpers/tiny-run.js';

const root = t.testdir();
const at = (name: string) => join(root, name);
// Eight records of four training images plain and flipped, and two of validation images: ten.
const source = await cacheSource(await tinySettings(root, { train: 4, val: 2 }));
const total = 10;
const headerBytes = 64;

t.test('a group that does not fit into a file goes on in the next ones', async (t) => {
  await fill(at('one'), source, { passSize: 4 });
  const { recordBytes } = await CacheFolder.open(at('one'), source.key);
  for (const room of [1, 3, 4]) {
    const cache = at(`room-${room}`);
    // A byte more would be of no use, a byte less would be one record less.
    await fill(cache, source, { passSize: 4, fileBytes: headerBytes + room * recordBytes });
    const lines = readIndexLines(cache).flatMap(({ entry }) => entry ?? []);
    const [expected] = [readIndexLines(at('one')).flatMap(({ entry }) => entry ?? [])];
    for (const [i, { file, offset, ...rest }] of lines.entries()) {
      const place = { file: Math.floor(i / room), offset: headerBytes + (i % room) * recordBytes };
      t.same({ ...rest, file, offset }, { ...expected[i], ...place }, `record ${i} of ${room} a file`);
    }
    t.same(await checkCache(cache), { records: total, damage: [] });
  }
});

t.test('a file that is shorter than a record has one all the same', async (t) => {
  await fill(at('short'), source, { passSize: 4, fileBytes: 1 });
  const files = readdirSync(at('short')).filter((name) => name.endsWith('.bin'));
  t.equal(files.length, total);
  t.same(await checkCache(at('short')), { records: total, damage: [] });
});

t.test('of several batches all records are written or none', async (t) => {
  const layout: RecordPart[] = [
    { name: 'features', shape: [2, 1, 1], dtype: 'float32' },
    { name: 'labels', shape: [3, 5], dtype: 'uint8' },
  ];
  const folder = t.testdir();
  const path = join(folder, 'records.bin');
  const writer = engine().createCacheWriter(layout, '0'.repeat(32), join(folder, 'lock'));
  t.teardown(() => engine().dispose(writer));
  t.equal(await engine().openShard(writer, path, 0), headerBytes);
  const batch = (images: number, label: number) => ({
    parts: {
      features: Tensor.from(new Float32Array(2 * images), [images, 2, 1, 1]).handle,
      labels: Tensor.from(new Uint8Array(15 * images).fill(label), [images, 3, 5]).handle,
    },
    images: Uint32Array.from(Array(images).keys()),
  });
  const written = await engine().appendRecords(writer, [batch(2, 0), batch(1, 1)], 3);
  t.same(
    written.map(({ offset, classPixels }) => ({ offset, classPixels })),
    [
      { offset: 64, classPixels: [15, 0, 0] },
      { offset: 192, classPixels: [15, 0, 0] },
      { offset: 320, classPixels: [0, 15, 0] },
    ],
  );
  const { size } = statSync(path);
  const failed = engine().appendRecords(writer, [batch(2, 0), batch(1, 7)], 3);
  await t.rejects(failed, { code: 'LABEL_VALUE', message: /15 pixels have the label 7/ });
  t.equal(statSync(path).size, size);
  const [next] = await engine().appendRecords(writer, [batch(1, 2)], 3);
  t.equal(next!.offset, size, 'and the next one comes behind the last whole one');
});

/** Calls `sync` in place of each sync of a pass. */
function watchSyncs(t: Test, sync: () => Promise<void>): void {
  t.intercept(engine(), 'syncShard', { value: sync });
}

t.test('a pass goes on while its files are synced, and waits for that at its end', async (t) => {
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  let begun = 0;
  watchSyncs(t, () => {
    begun++;
    return held;
  });
  let done = 0;
  let isOver = false;
  const onProgress = ({ done: now }: { done: number }) => (done = now);
  // A file a record: the file that is left is synced.
  const filled = fill(at('held'), source, { passSize: 2, fileBytes: 1, onProgress }).finally(
    () => (isOver = true),
  );
  while (done < total) await new Promise((resolve) => setTimeout(resolve, 5));
  t.equal(begun, total - 1, 'all files but the last');
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.notOk(isOver, 'the pass waits');
  release();
  t.match(await filled, { made: total });
  t.equal(begun, total);
});

t.test('what a sync finds is reported, and what is written stays usable', async (t) => {
  watchSyncs(t, () => Promise.reject(new DinoSegError('DISK_FULL', 'cannot sync')));
  const failed = fill(at('failed'), source, { passSize: 1, fileBytes: 1 });
  await t.rejects(failed, { code: 'DISK_FULL', message: 'cannot sync' });
  t.ok(existsSync(at('failed')));
  const { records, damage } = await checkCache(at('failed'));
  t.same(damage, []);
  t.ok(records > 0 && records < total, `${records} records`);
});
