import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  appendIndex,
  lastOffsetsOf,
  readIndex,
  recordId,
  rewriteIndex,
  type IndexEntry,
} from '../../lib/cache/index-file.js';
import type { RecordPart } from '../../lib/native/bindings/engine.js';

const cacheId = '0123456789abcdef0123456789abcdef';
const layout: RecordPart[] = [
  { name: 'features', shape: [8, 4, 4], dtype: 'bfloat16' },
  { name: 'labels', shape: [64, 64], dtype: 'uint8' },
];

function entry(n: number, others: Partial<IndexEntry> = {}): IndexEntry {
  return {
    ...{ split: 'train', name: `straße/${n}`, view: 0, file: 0, offset: 64 + 100 * n },
    checksum: '00000000deadbeef',
    source: { sizes: [1, 2], times: [3, 4.5], digests: ['a', 'b'] },
    classPixels: [n, 0],
    ...others,
  };
}

async function written(folder: string): Promise<string> {
  const path = join(folder, 'index.jsonl');
  await rewriteIndex(path, cacheId, { layout, passSize: 4 }, [entry(0), entry(1)]);
  await appendIndex(path, cacheId, [entry(2), entry(3, { file: 1, offset: 64 })]);
  return path;
}

t.test('an index gives back what was written', async (t) => {
  const path = await written(t.testdir());
  const index = await readIndex(path, cacheId);
  t.same(index.form, { layout, passSize: 4 });
  t.same([...index.entries.values()], [entry(0), entry(1), entry(2), entry(3, { file: 1, offset: 64 })]);
  t.same(
    [...index.entries.keys()],
    [0, 1, 2, 3].map((n) => recordId(entry(n))),
  );
  t.same(index.damagedLines, []);
  t.same([index.wholeBytes, index.cutBytes], [readFileSync(path).length, 0]);
  t.same(
    [...index.lastOffsets],
    [
      [0, 264],
      [1, 64],
    ],
  );
});

t.test('an index that does not exist is empty', async (t) => {
  const index = await readIndex(join(t.testdir(), 'index.jsonl'), cacheId);
  t.match(index, { form: null, damagedLines: [], wholeBytes: 0, cutBytes: 0, stamp: '' });
  t.equal(index.entries.size, 0);
});

t.test('a later line replaces an earlier one, whose place stays taken', async (t) => {
  const path = await written(t.testdir());
  await appendIndex(path, cacheId, [entry(2, { file: 1, offset: 164, checksum: '00000000cafebabe' })]);
  const index = await readIndex(path, cacheId);
  t.equal(index.entries.size, 4);
  t.match(index.entries.get(recordId(entry(2))), { file: 1, offset: 164, checksum: '00000000cafebabe' });
  t.same(
    [...index.lastOffsets],
    [
      [0, 264],
      [1, 164],
    ],
  );
  t.same(
    [...lastOffsetsOf(index.entries.values())],
    [
      [0, 164],
      [1, 164],
    ],
  );
});

t.test('an incomplete last line is told apart from damaged ones', async (t) => {
  const path = await written(t.testdir());
  const { wholeBytes } = await readIndex(path, cacheId);
  appendFileSync(path, '{"split":"train"');
  const index = await readIndex(path, cacheId);
  t.same([index.wholeBytes, index.cutBytes, index.damagedLines], [wholeBytes, 16, []]);
  t.equal(index.entries.size, 4);
});

t.test('any byte that is turned costs its line, and the next one where it was the line’s end', async (t) => {
  const path = await written(t.testdir());
  const content = readFileSync(path);
  const ends = [...content.keys()].filter((i) => content[i] === 10);
  for (let i = 0; i < content.length; i++) {
    const turned = Buffer.from(content);
    turned[i]! ^= 1 << (i % 8);
    writeFileSync(path, turned);
    const index = await readIndex(path, cacheId);
    const line = ends.findIndex((end) => end >= i);
    const gone = i === ends[line] ? [line, line + 1] : [line];
    const left = [0, 1, 2, 3].filter((n) => !gone.includes(n + 1)).map((n) => recordId(entry(n)));
    const found = index.damagedLines.length > 0 || index.cutBytes > 0;
    const asExpected = found && JSON.stringify([...index.entries.keys()]) === JSON.stringify(left);
    if (!asExpected || (index.form === null) !== gone.includes(0)) t.fail(`byte ${i} of line ${line}`);
  }
});

t.test('lines of another cache count as damaged', async (t) => {
  const index = await readIndex(await written(t.testdir()), `f${cacheId.slice(1)}`);
  t.same(index.damagedLines, [1, 2, 3, 4, 5]);
  t.equal(index.entries.size, 0);
  t.equal(index.form, null);
});

t.test('the stamp changes with every write', async (t) => {
  const path = await written(t.testdir());
  const { stamp } = await readIndex(path, cacheId);
  t.equal((await readIndex(path, cacheId)).stamp, stamp);
  await appendIndex(path, cacheId, [entry(4)]);
  t.not((await readIndex(path, cacheId)).stamp, stamp);
});
