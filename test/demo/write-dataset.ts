import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { SegmentationDataset } from '../../lib/data/dataset.js';
import { drawScene } from '../../lib/demo/scenes.js';
import { writeDemoDataset } from '../../lib/demo/write-dataset.js';
import { writeTree } from '../helpers/temporary.js';

const small = { train: 3, val: 2, seed: 5, width: 64, height: 48 };

t.test('the demo data is a data set that can be opened', async (t) => {
  const root = join(t.testdir(), 'scenes');
  t.same(await writeDemoDataset(root, small), { root, train: 3, val: 2 });
  const set = await loadClassSet('idd26');
  for (const [split, count] of [
    ['train', 3],
    ['val', 2],
  ] as const) {
    const data = await SegmentationDataset.open(root, split, set);
    t.equal(data.length, count);
    t.equal(data.unpaired.count, 0);
    t.equal(data.labelKind, 'labellevel3Ids');
    for (let i = 0; i < count; i++) await data.load(i);
  }
  const scene = await drawScene({ ...small, index: 3 });
  const first = await (await SegmentationDataset.open(root, 'val', set)).load(0);
  t.ok(Buffer.from(first.label.data).equals(Buffer.from(scene.label)), 'labels are stored exactly');
  t.ok(Buffer.from(first.image.data).equals(Buffer.from(scene.image.data)), 'and pictures too');
  t.match(
    await readFile(join(root, 'README.txt'), 'utf8'),
    /^Synthetic street scenes.*Nothing here is a photograph/s,
  );
});

t.test('earlier demo data is replaced, anything else is not', async (t) => {
  const root = await writeTree(t, { 'other/mine.txt': 'x' });
  await writeDemoDataset(join(root, 'scenes'), small);
  await writeDemoDataset(join(root, 'scenes'), { ...small, train: 1 });
  t.equal((await readdir(join(root, 'scenes/leftImg8bit/train/scene'))).length, 1);
  await t.rejects(writeDemoDataset(join(root, 'other'), small), {
    code: 'DATASET',
    message: /other holds something else \(mine\.txt\)/,
  });
  t.same(await readdir(join(root, 'other')), ['mine.txt']);
  await t.rejects(writeDemoDataset(join(root, 'other/mine.txt'), small), { code: 'FILE_NOT_FOUND' });
});

t.test('a split of less than no scenes or of parts is refused', async (t) => {
  for (const wrong of [{ train: -1 }, { val: -1 }, { train: 1.5 }])
    await t.rejects(writeDemoDataset(join(t.testdir(), 'x'), { ...small, ...wrong }), {
      code: 'INVALID_ARGUMENT',
    });
});
