/** Plain folders, ADE20K's layout and lists, and how they are told apart. */
import { symlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import t from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { SegmentationDataset } from '../../lib/data/dataset.js';
import { encodePng } from '../../lib/data/decode.js';
import type { LayoutOptions } from '../../lib/data/layout.js';
import { findSplit, openLayout, splitsOf } from '../../lib/data/layouts/open-layout.js';
import { writeTree } from '../helpers/temporary.js';

const ade150 = await loadClassSet('ade150');
const cityscapes19 = await loadClassSet('cityscapes19');

/** Empty files: layouts are found by names only. */
function empty(...paths: string[]): Record<string, string> {
  return Object.fromEntries(paths.map((path) => [path, '']));
}

async function pairsOf(root: string, split: string, options: LayoutOptions = {}) {
  const source = await openLayout(root, ade150, options);
  const { pairs, alone, labelKind } = await findSplit(source, split, options, root);
  const short = (path: string) => relative(root, path);
  return {
    layout: source.layout,
    splits: splitsOf(source, options),
    labelKind,
    pairs: pairs.map(({ name, image, label }) => `${name}: ${short(image)} + ${short(label)}`),
    alone: { images: alone.images.map(short), labels: alone.labels.map(short) },
  };
}

t.test('folders with splits: paired by path, sorted, suffixes of masks taken off', async (t) => {
  const root = await writeTree(
    t,
    empty(
      ...['b.jpg', 'a.png', 'deep/c.JPEG', 'alone.webp', 'notes.txt'].map((name) => `images/train/${name}`),
      ...['a.png', 'b_mask.png', 'deep/c.tif', 'over_label.png', 'b.jpg'].map(
        (name) => `masks/train/${name}`,
      ),
      'images/validation/v.png',
      'masks/val/v-gt.png',
      'images/rest/x.png',
    ),
  );
  const found = await pairsOf(root, 'train');
  t.same(found, {
    layout: 'folders',
    splits: ['train', 'val'],
    labelKind: 'labelIds',
    pairs: [
      'a: images/train/a.png + masks/train/a.png',
      'b: images/train/b.jpg + masks/train/b_mask.png',
      'deep/c: images/train/deep/c.JPEG + masks/train/deep/c.tif',
    ],
    alone: { images: ['images/train/alone.webp'], labels: ['masks/train/over_label.png'] },
  });
  t.same((await pairsOf(root, 'val')).pairs, ['v: images/validation/v.png + masks/val/v-gt.png']);
});

t.test('labels and annotations are folders of labels, too; splits may stand above', async (t) => {
  for (const name of ['labels', 'annotations', 'masks']) {
    const root = await writeTree(
      t,
      empty('train/images/1.jpg', `train/${name}/1.png`, `val/images/2.jpg`, `val/${name}/2.png`),
    );
    const { layout, splits, pairs } = await pairsOf(root, 'val');
    t.same(
      [layout, splits, pairs],
      ['folders', ['train', 'val'], [`2: val/images/2.jpg + val/${name}/2.png`]],
    );
  }
});

t.test("ADE20K's layout: training and validation are train and val", async (t) => {
  const root = await writeTree(
    t,
    empty(
      ...['training/ADE_train_1', 'validation/ADE_val_1'].flatMap((name) => [
        `images/${name}.jpg`,
        `annotations/${name}.png`,
      ]),
      'objectInfo150.csv',
    ),
  );
  const { layout, splits, pairs, labelKind } = await pairsOf(root, 'train');
  t.same([layout, splits, labelKind], ['ade20k', ['train', 'val'], 'labelIds']);
  t.same(pairs, ['ADE_train_1: images/training/ADE_train_1.jpg + annotations/training/ADE_train_1.png']);
});

t.test('lists: tab or space, comments, absolute and relative paths', async (t) => {
  const root = await writeTree(t, {
    'train.txt': '\uFEFF# a comment\nrgb/b c.jpg\tgt/b c.png\r\n\n./rgb/a.jpg gt/a.png\n',
    'valid.txt': `${join(t.testdirName, 'v.jpg')}\t${join(t.testdirName, 'v.png')}`,
    'notes.txt': 'something else',
  });
  const { layout, splits, pairs } = await pairsOf(root, 'train');
  t.same([layout, splits], ['list', ['train', 'val']]);
  t.same(pairs, ['rgb/a: rgb/a.jpg + gt/a.png', 'rgb/b c: rgb/b c.jpg + gt/b c.png']);
  t.same((await pairsOf(root, 'val')).pairs, [`${join(root, 'v')}: v.jpg + v.png`]);
  const source = await openLayout(join(root, 'train.txt'), ade150, {});
  t.same(source.splits, ['all']);
  t.equal((await source.find('all')).pairs[0]!.image, join(root, 'rgb/a.jpg'));
});

t.test('lines that are no pair are refused by their number', async (t) => {
  const cases: [text: string, message: RegExp][] = [
    [
      'a.jpg\ta.png\n2007_000032\n',
      /Line 2 of .*train\.txt is "2007_000032": expected the paths of an image/,
    ],
    ['a b.jpg a b.png', /Line 1 .* separated by a tab/],
    ['a.jpg\t\n', /Line 1 of/],
    ['a.jpg x.png\nb.jpg y.png\n./a.png z.png', /Lines 1 and 3 of .* name the same image, a\./],
    ['\n# nothing\n', /names no image/],
  ];
  for (const [text, message] of cases) {
    const root = await writeTree(t, { 'train.txt': text });
    await t.rejects(pairsOf(root, 'train'), { code: 'DATASET', message }, text);
  }
});

t.test(
  'data without splits are divided by their names when asked for, the same whatever is added',
  async (t) => {
    const names = Array.from({ length: 400 }, (_, i) => `frame_${i}`);
    const files = (some: string[]) =>
      empty(...some.flatMap((name) => [`images/${name}.jpg`, `masks/${name}.png`]));
    const root = await writeTree(t, files(names));
    await t.rejects(pairsOf(root, 'val'), { code: 'DATASET', message: /has no splits.*--val-share 0\.1/ });
    t.equal((await pairsOf(root, 'all')).pairs.length, 400);

    const share = { valShare: 0.25 };
    const [train, val] = [await pairsOf(root, 'train', share), await pairsOf(root, 'val', share)];
    t.same(train.splits, ['train', 'val']);
    t.same([...train.pairs, ...val.pairs].sort(), (await pairsOf(root, 'all')).pairs.sort());
    t.ok(val.pairs.length > 70 && val.pairs.length < 130, `${val.pairs.length} of 400`);

    const fewer = await pairsOf(await writeTree(t, files(names.slice(100, 200))), 'val', share);
    t.same(
      fewer.pairs,
      val.pairs.filter((pair) => fewer.pairs.includes(pair)),
    );
    t.ok(fewer.pairs.length > 10);
  },
);

t.test('a share is taken of train where there is no val, and refused where there is one', async (t) => {
  const some = Array.from({ length: 40 }, (_, i) => [`images/train/${i}.jpg`, `masks/train/${i}.png`]).flat();
  const root = await writeTree(t, empty(...some, 'images/test/t.jpg', 'masks/test/t.png'));
  await t.rejects(pairsOf(root, 'val'), {
    code: 'DATASET',
    message: /no split "val".*It has test, train\..*--val-share/,
  });
  const share = { valShare: 0.5 };
  const counts = [
    (await pairsOf(root, 'train', share)).pairs.length,
    (await pairsOf(root, 'val', share)).pairs.length,
  ];
  t.equal(counts[0]! + counts[1]!, 40);
  const test = await pairsOf(root, 'test', share);
  t.same([test.splits, test.pairs.length], [['train', 'val', 'test'], 1]);
  await t.rejects(pairsOf(root, 'val', { valShare: 1e-9 }), { message: /leaves no image for "val"/ });
  for (const valShare of [0, 1, NaN])
    await t.rejects(pairsOf(root, 'val', { valShare }), {
      code: 'INVALID_ARGUMENT',
      message: /above 0 and below 1/,
    });
  const own = await writeTree(t, empty('images/val/1.jpg', 'masks/val/1.png', ...some));
  await t.rejects(pairsOf(own, 'val', share), { code: 'DATASET', message: /already has a split "val"/ });
});

t.test(
  'what fits no layout, or several, is refused with what was looked for and what is there',
  async (t) => {
    const cases: [title: string, files: string[], message: RegExp, options?: LayoutOptions][] = [
      [
        'no layout',
        ['pictures/1.png'],
        /matches no known layout\. It contains pictures\. Looked for\n.*leftImg8bit[^]*folders: images[^]*annotations[^]*train\.txt/,
      ],
      ['empty', ['x/y'], /It contains x\./],
      ['images alone', ['images/1.png'], /matches no known layout\. It contains images\./],
      [
        'two layouts',
        ['leftImg8bit/train/a/1.png', 'train.txt'],
        /cityscapes \(leftImg8bit\) and list \(train\.txt\)\. Choose one with --layout/,
      ],
      [
        'two folders of labels',
        ['images/1.png', 'masks/1.png', 'labels/1.png'],
        /contains labels and masks, so the label images are ambiguous/,
      ],
      [
        'two names of a split',
        ['images/val/1.png', 'images/valid/1.png', 'masks/val/1.png'],
        /contains val and valid, which both mean/,
      ],
      [
        'a split without labels',
        ['images/train/1.png', 'images/val/1.png', 'masks/val/1.png'],
        /images has the split "train" \(train\), but .*masks does not\. It has val/,
      ],
      [
        'JPEG masks',
        ['images/train/1.png', 'masks/train/1.jpg'],
        /No image has a label image.* 1 images \(first: 1\.png\).*0 label images among 1 files \(first: 1\.jpg\)\. JPEG changes values/,
      ],
      [
        'two images of a name',
        ['images/1.png', 'images/1.jpg', 'masks/1.png'],
        /contains 1\.jpg and 1\.png, which belong to the same image/,
      ],
      [
        'not as named',
        ['images/train/1.png', 'masks/train/1.png'],
        /no folder of label images beside images: expected annotations/,
        { layout: 'ade20k' },
      ],
      ['no list', ['images/train/1.png', 'masks/train/1.png'], /contains no list/, { layout: 'list' }],
      [
        'no images',
        ['leftImg8bit/train/a/1.png'],
        /contains no folder images.*It contains leftImg8bit/,
        { layout: 'folders' },
      ],
      ['not cityscapes', ['images/train/1.png'], /leftImg8bit does not exist/, { layout: 'cityscapes' }],
    ];
    for (const [title, files, message, options] of cases)
      await t.test(title, async (t) => {
        const root = await writeTree(t, empty(...files));
        const split = title.includes('of a name') || title.includes('folders of') ? 'all' : 'train';
        await t.rejects(pairsOf(root, split, options), { code: 'DATASET', message });
      });
    await t.rejects(pairsOf('/nowhere/at/all', 'train'), {
      code: 'DATASET',
      message: /\/nowhere\/at\/all does not exist/,
    });
    const list = await writeTree(t, { 'x.txt': 'a b' });
    await t.rejects(pairsOf(join(list, 'x.txt'), 'all', { layout: 'folders' }), {
      code: 'DATASET',
      message: /needs a folder/,
    });
  },
);

t.test('a layout is taken as named where several fit', async (t) => {
  const files = empty('images/train/1.png', 'masks/train/1.png');
  const root = await writeTree(t, { ...files, 'train.txt': 'images/train/1.png\tmasks/train/1.png' });
  await t.rejects(pairsOf(root, 'train'), { message: /folders .* and list/ });
  t.equal(
    (await pairsOf(root, 'train', { layout: 'list' })).pairs[0],
    'images/train/1: images/train/1.png + masks/train/1.png',
  );
  t.equal(
    (await pairsOf(root, 'train', { layout: 'folders' })).pairs[0],
    '1: images/train/1.png + masks/train/1.png',
  );
});

t.test(
  'links to folders are followed, but not in a circle',
  { skip: process.platform === 'win32' },
  async (t) => {
    const root = await writeTree(t, empty('elsewhere/1.png', 'images/x.txt', 'masks/a/1.png'));
    await symlink(join(root, 'elsewhere'), join(root, 'images/a'));
    t.same((await pairsOf(root, 'all')).pairs, ['a/1: images/a/1.png + masks/a/1.png']);
    await symlink(join(root, 'images'), join(root, 'images/back'));
    t.same((await pairsOf(root, 'all')).pairs, ['a/1: images/a/1.png + masks/a/1.png']);
  },
);

t.test("values mean what the class set's first kind says, or the kind that is named", async (t) => {
  const image = await encodePng(new Uint8Array(2 * 3), 2, 1, 3);
  const label = await encodePng(new Uint8Array([0, 7]), 2, 1, 1);
  const root = await writeTree(t, { 'images/1.png': image, 'masks/1.png': label });
  const classes = async (set: typeof ade150, options: LayoutOptions = {}) => [
    ...(await (await SegmentationDataset.open(root, 'all', set, options)).load(0)).label.data,
  ];
  t.same(await classes(ade150), [255, 6], '0 is no class, 1 the first');
  t.same(await classes(cityscapes19), [0, 7]);
  t.same(await classes(cityscapes19, { labelKind: 'labelIds' }), [255, 0], 'raw ids: 7 is road');
  await t.rejects(classes(cityscapes19, { labelKind: 'labellevel3Ids' }), { code: 'DATASET' });
});
