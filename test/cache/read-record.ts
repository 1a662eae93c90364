/** Records read without a store; what they hold is compared in test/train/examples.ts. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { readRecord } from '../../lib/cache/read-record.js';
import type { RecordPart } from '../../lib/native/bindings/engine.js';

const layout: RecordPart[] = [
  { name: 'queries', shape: [3, 1], dtype: 'bfloat16' },
  { name: 'masks', shape: [3, 1, 1], dtype: 'uint8' },
  { name: 'labels', shape: [4, 4], dtype: 'uint8' },
];

t.test('bfloat16 becomes float32, and bytes of masks the logits of their shares', async (t) => {
  const path = join(t.testdir(), 'records');
  const record = Buffer.alloc(3 * 64);
  for (const [i, bits] of [0x3fc0, 0xc040, 0x0000].entries()) record.writeUInt16LE(bits, 2 * i);
  record.set([0, 51, 255], 64);
  await writeFile(path, Buffer.concat([Buffer.alloc(7), record]));
  using outputs = await readRecord(path, { offset: 7 }, layout);
  const decoded = outputs.decoded!;
  t.same([...(await decoded.queries.floats())], [1.5, -3, 0]);
  t.same(
    [decoded.queries.shape, decoded.masks.shape],
    [
      [1, 3, 1],
      [1, 3, 1, 1],
    ],
  );
  const most = Math.log(1019);
  t.same([...(await decoded.masks.floats())], [-most, Math.log(0.2 / 0.8), most].map(Math.fround));
});

t.test('a file that ends early, and one that is absent, are errors', async (t) => {
  const path = join(t.testdir(), 'records');
  await writeFile(path, Buffer.alloc(66));
  await t.rejects(readRecord(path, { offset: 0 }, layout), {
    code: 'CACHE',
    message: /records ends within a record/,
  });
  await t.rejects(readRecord(`${path}2`, { offset: 0 }, layout), { code: 'FILE_NOT_FOUND' });
});
