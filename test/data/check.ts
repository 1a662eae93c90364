import { join, relative } from 'node:path';
import t from 'tap';
import { checkData } from '../../lib/data/check.js';
import { parseClassFile } from '../../lib/data/class-file.js';
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

t.test('255 that is ignored by default is counted, with the classes that have no pixels', async (t) => {
  const mask = await encodePng(new Uint8Array([0, 0, 0, 255]), 4, 1, 1);
  const image = await encodePng(new Uint8Array(12), 4, 1, 3);
  const root = await writeTree(t, { 'images/1.png': image, 'masks/1.png': mask });
  const file = { name: 'two', classes: [{ name: 'bg' }, { name: 'fg' }] };
  const check = async (more: object = {}) => checkData(root, parseClassFile({ ...file, ...more }, 'f'));
  const { warnings, faults, splits } = await check();
  t.same(faults, []);
  t.match(splits, [{ ignoredPixels: 1, ignoredByDefault: 1 }]);
  t.match(warnings, [
    {
      split: 'all',
      message:
        /^1 pixel \(25\.0 %\) has the value 255, which is ignored by default\. The class "fg" has no pixels: if 255/,
    },
    { split: 'all', message: /All labels contain the class "bg" only/ },
  ]);
  const said = await check({ ignore: [255] });
  t.match([said.splits[0]!.ignoredByDefault, said.warnings.length], [0, 1], 'said in the file: no word');
  t.same((await check({ mapping: { 0: 'bg', 255: 'fg' } })).warnings, []);
});

t.test('odd objects of polygons are counted; unknown labels are faults where they are refused', async (t) => {
  const polygon = [[0, 0], [2, 0], [2, 2], [0, 2]]; // prettier-ignore
  const objects = [
    { label: 'road', polygon },
    { label: 'hydrant', polygon },
    { label: 'car', polygon: [] },
    { label: 'car', polygon: polygon.slice(2) },
  ];
  const annotation = JSON.stringify({ imgWidth: 3, imgHeight: 3, objects });
  const root = await writeTree(t, {
    'leftImg8bit/train/a/1_leftImg8bit.png': await encodePng(new Uint8Array(27), 3, 3, 3),
    'gtFine/train/a/1_gtFine_polygons.json': annotation,
  });
  const { splits, faults, warnings } = await checkData(root, idd26);
  t.same(faults, []);
  t.match(splits, [{ skippedObjects: { car: 2 }, unknownLabels: { hydrant: 1 }, ignoredPixels: 9 }]);
  t.match(warnings, [
    { split: 'train', message: '2 objects with fewer than three corners skipped: "car" (2).' },
    { message: '1 object with unknown labels drawn without a class (255): "hydrant" (1).' },
  ]);
  const strict = await checkData(root, idd26, { unknown: 'refuse' });
  t.match(strict.faults, [
    { kind: 'unknown-label', message: /labels that "idd26" does not have: hydrant\./ },
  ]);
});

t.test('it stops on request', async (t) => {
  const root = await writeFaultyData(t);
  const controller = new AbortController();
  const reason = new Error('enough');
  const onProgress = (done: number) => done === 2 && controller.abort(reason);
  await t.rejects(checkData(root, idd26, { signal: controller.signal, onProgress }), reason);
});
