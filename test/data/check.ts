import { join, relative } from 'node:path';
import t from 'tap';
import { checkData } from '../../lib/data/check.js';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { encodePng } from '../../lib/data/decode.js';
import { writeShippedScenes } from '../../lib/demo/shipped-scenes.js';
import { SegmentationDataset } from '../../lib/data/dataset.js';
import { expectedFaults, writeFaultyData } from '../helpers/faulty-data.js';
import { writeTree } from '../helpers/temporary.js';

const idd26 = await loadClassSet('idd26');

t.test('every kind of fault is named, with its file', async (t) => {
  const root = await writeFaultyData(t);
  const { faults, skipped, layout, labelKind } = await checkData(root, idd26);
  const found = Object.fromEntries(faults.map(({ path, kind }) => [relative(root, path), kind]));
  t.equal(faults.length, Object.keys(expectedFaults).length);
  t.same(found, expectedFaults);
  t.same([layout, labelKind], ['folders', 'labellevel3Ids']);
  const messages = Object.fromEntries(faults.map(({ path, message }) => [relative(root, path), message]));
  t.match(messages, {
    'images/train/alone.png': /no label image/,
    'masks/train/over.png': /has no image/,
    'images/train/cut.png': /cannot be decoded/,
    'masks/train/text.png': /cannot be decoded/,
    'masks/train/size.png': /It is 2×6 \(height × width\), but its image .*size\.png is 3×4/,
    'masks/train/coloured.png':
      /is a colour picture, and not all of its colours are .* of "idd26": \(0, 1, 2\) \(1 pixels\)/,
    'masks/train/values.png':
      /"idd26" does not define for labellevel3Ids files: 30 \(3 pixels\), 200 \(1 pixels\)/,
    'masks/train/wide.png': /: 300 \(5 pixels\)/,
    'images/val/same.png': /same bytes as .*images\/train\/a\.png in the split "train"/,
  });
  t.same(
    faults.flatMap(({ values }) => (values ? [values] : [])),
    [
      [
        { value: 30, pixels: 3 },
        { value: 200, pixels: 1 },
      ],
      [{ value: 300, pixels: 5 }],
    ],
  );
  t.match(skipped, [{ split: 'test', message: /masks does not/ }], 'published tests have no labels');
});

t.test('pairs, pixels, shares and images of each class are counted', async (t) => {
  const root = await writeFaultyData(t);
  const seen: string[] = [];
  const { splits } = await checkData(root, idd26, {
    onProgress: (done, total) => seen.push(`${done}/${total}`),
  });
  const counts = splits.map(({ split, pairs, pixels, ignoredPixels, classes }) => ({
    ...{ split, pairs, pixels, ignoredPixels },
    classes: classes.filter((each) => each.pixels > 0).map((each) => [each.index, each.pixels, each.images]),
  }));
  t.same(counts, [
    {
      split: 'train',
      pairs: 8,
      // a: 11, b: 12, cut: 12, size: 12, values: 8, wide: 7.
      pixels: 62,
      ignoredPixels: 1,
      classes: [
        [0, 2 + 12 + 12, 3],
        [5, 8 + 8, 2],
        [7, 7, 1],
        [13, 1 + 12, 2],
      ],
    },
    {
      split: 'val',
      pairs: 2,
      pixels: 24,
      ignoredPixels: 0,
      classes: [
        [0, 12, 1],
        [5, 12, 1],
      ],
    },
  ]);
  const { classes } = splits[0]!;
  t.same([classes[0]!.name, classes[0]!.share, classes[1]!.share], ['road', 26 / 62, 0]);
  t.same(
    seen,
    Array.from({ length: 10 }, (_, i) => `${i + 1}/10`),
  );
});

t.test('whole data have no fault, and the counts of their labels', async (t) => {
  const root = join(t.testdir(), 'data');
  await writeShippedScenes(root, 'data', { train: 3, val: 2 });
  const { splits, faults, layout } = await checkData(root, idd26);
  t.same([faults, layout], [[], 'cityscapes']);
  for (const { split, classes, pairs } of splits) {
    const dataset = await SegmentationDataset.open(root, split, idd26);
    const expected = new Array<number>(26).fill(0);
    for (let i = 0; i < dataset.length; i++)
      for (const index of (await dataset.load(i)).label.data) if (index < 26) expected[index]!++;
    t.same([pairs, classes.map(({ pixels }) => pixels)], [dataset.length, expected]);
  }
});

t.test('a split that cannot be told is a fault; data that fit no layout are refused', async (t) => {
  const png = await encodePng(new Uint8Array(3), 1, 1, 3);
  const root = await writeTree(t, {
    'images/train/1.png': png,
    'images/val/2.png': png,
    'masks/val/x.png': '',
  });
  const { faults, splits } = await checkData(root, idd26);
  t.match(faults, [
    { kind: 'split', split: 'train', path: root, message: /masks does not/ },
    { kind: 'split', split: 'val', message: /No image has a label image/ },
  ]);
  t.same(splits, []);
  await t.rejects(checkData(join(root, 'images'), idd26), { code: 'DATASET' });
  const empty = await writeTree(t, { 'leftImg8bit/x.txt': '' });
  t.match((await checkData(empty, idd26)).faults, [{ kind: 'split', message: /has no split "train"/ }]);
});

t.test('files that a list names and that are absent are unreadable', async (t) => {
  const png = await encodePng(new Uint8Array(3), 1, 1, 3);
  const root = await writeTree(t, { 'a.png': png, 'all.txt': 'a.png\tb.png\nc.png\ta.png' });
  const { faults, layout, splits } = await checkData(join(root, 'all.txt'), idd26);
  t.same([layout, splits.map(({ split, pairs }) => [split, pairs])], ['list', [['all', 2]]]);
  t.same(
    faults.map(({ kind, path }) => [kind, path]),
    [
      ['unreadable', join(root, 'b.png')],
      ['unreadable', join(root, 'c.png')],
    ],
  );
});

t.test('it stops on request', async (t) => {
  const root = await writeFaultyData(t);
  const controller = new AbortController();
  const reason = new Error('enough');
  const onProgress = (done: number) => done === 2 && controller.abort(reason);
  await t.rejects(checkData(root, idd26, { signal: controller.signal, onProgress }), reason);
});
