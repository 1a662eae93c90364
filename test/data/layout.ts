import { symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import t from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { findPairs } from '../../lib/data/layout.js';
import { writeTree } from '../helpers/temporary.js';

const idd26 = await loadClassSet('idd26');
const cityscapes19 = await loadClassSet('cityscapes19');

/** Empty files: the layout reads names only. */
function empty(...paths: string[]): Record<string, string> {
  return Object.fromEntries(paths.map((path) => [path, '']));
}

const image = (frame: string, extension = 'png', split = 'train'): string =>
  `leftImg8bit/${split}/${frame}_leftImg8bit.${extension}`;
const label = (frame: string, kind: string, split = 'train'): string =>
  `gtFine/${split}/${frame}_gtFine_${kind}.png`;

t.test('images and labels are paired by sequence and frame, sorted', async (t) => {
  const root = await writeTree(
    t,
    empty(
      image('b/1'),
      image('a/10', 'jpg'),
      image('a/9', 'JPEG'),
      label('a/9', 'labellevel3Ids'),
      label('b/1', 'labellevel3Ids'),
      label('a/10', 'labellevel3Ids'),
      label('z/1', 'labellevel3Ids'),
      'leftImg8bit/train/a/notes.txt',
      'gtFine/train/a/9_gtFine_polygons.json',
      image('v/1', 'png', 'val'),
      label('v/1', 'labellevel3Ids', 'val'),
    ),
  );
  const { pairs, unpaired, labelKind } = await findPairs(root, 'train', idd26);
  t.same(
    pairs.map(({ name }) => name),
    ['a/10', 'a/9', 'b/1'],
  );
  t.equal(pairs[1]!.image, join(root, 'leftImg8bit/train/a/9_leftImg8bit.JPEG'));
  t.equal(pairs[1]!.label, join(root, 'gtFine/train/a/9_gtFine_labellevel3Ids.png'));
  t.equal(labelKind, 'labellevel3Ids');
  t.same(unpaired, { count: 0, first: [] });
  t.equal((await findPairs(root, 'val', idd26)).pairs.length, 1);
});

t.test("of several kinds the class set's first is taken, or the one asked for", async (t) => {
  const root = await writeTree(
    t,
    empty(
      image('a/1'),
      label('a/1', 'labelIds'),
      label('a/1', 'labelTrainIds'),
      label('a/1', 'labellevel3Ids'),
      label('a/1', 'labelids'),
    ),
  );
  t.equal((await findPairs(root, 'train', idd26)).labelKind, 'labellevel3Ids');
  t.equal((await findPairs(root, 'train', cityscapes19)).labelKind, 'labelTrainIds');
  const asked = await findPairs(root, 'train', cityscapes19, { labelKind: 'labelIds' });
  t.equal(basename(asked.pairs[0]!.label), '1_gtFine_labelIds.png');
  await t.rejects(findPairs(root, 'train', cityscapes19, { labelKind: 'labellevel3Ids' }), {
    code: 'DATASET',
    message: /"cityscapes19" does not support label files of kind "labellevel3Ids".*labelTrainIds, labelIds/,
  });
});

t.test('a kind that has no pair is passed over for the next that suits', async (t) => {
  const root = await writeTree(t, empty(image('a/1'), label('a/1', 'labelids')));
  t.equal((await findPairs(root, 'train', idd26)).labelKind, 'labelids');
});

const polygons = (frame: string): string => `gtFine/train/${frame}_gtFine_polygons.json`;

t.test('polygons are taken where there is no label image, or where they are asked for', async (t) => {
  const root = await writeTree(t, empty(image('a/1'), image('a/2'), polygons('a/1')));
  const { pairs, labelKind, unpaired } = await findPairs(root, 'train', idd26);
  t.equal(labelKind, 'polygons');
  t.equal(basename(pairs[0]!.label), '1_gtFine_polygons.json');
  t.equal(unpaired.count, 1);
  t.equal((await findPairs(root, 'train', cityscapes19)).labelKind, 'polygons');
  await t.rejects(findPairs(root, 'train', cityscapes19, { labelKind: 'labelIds' }), {
    code: 'DATASET',
    message: /found 1 ending in _gtFine_polygons\.json \(first.* Give patterns of the files' paths/,
  });
  const both = await writeTree(t, empty(image('a/1'), polygons('a/1'), label('a/1', 'labellevel3Ids')));
  t.equal((await findPairs(both, 'train', idd26)).labelKind, 'labellevel3Ids');
  t.equal((await findPairs(both, 'train', idd26, { labelKind: 'polygons' })).labelKind, 'polygons');
});

t.test('label images made of a part of the polygons are refused, unless a kind is asked for', async (t) => {
  const files = [image('a/1'), image('a/2'), image('a/3'), polygons('a/1'), polygons('a/2')];
  const root = await writeTree(t, empty(...files, label('a/1', 'labellevel3Ids')));
  await t.rejects(findPairs(root, 'train', idd26), {
    code: 'DATASET',
    message:
      /1 images of split "train" have polygons but no \*_gtFine_labellevel3Ids\.png, which others have \(first: a\/2\)\. .*prepare idd/,
  });
  t.equal((await findPairs(root, 'train', idd26, { labelKind: 'polygons' })).pairs.length, 2);
  const part = await findPairs(root, 'train', idd26, { labelKind: 'labellevel3Ids' });
  t.same([part.pairs.length, part.unpaired.count], [1, 2]);
});

t.test('images without a label are counted and the first are named', async (t) => {
  const alone = Array.from({ length: 8 }, (_, i) => image(`a/${i + 1}`));
  const root = await writeTree(t, empty(image('a/0'), label('a/0', 'labellevel3Ids'), ...alone));
  const { pairs, unpaired } = await findPairs(root, 'train', idd26);
  t.equal(pairs.length, 1);
  t.equal(unpaired.count, 8);
  t.same(
    unpaired.first.map((path) => basename(path)),
    [1, 2, 3, 4, 5].map((i) => `${i}_leftImg8bit.png`),
  );
});

t.test('sequence folders may be symbolic links', { skip: process.platform === 'win32' }, async (t) => {
  const root = await writeTree(t, {
    ...empty('elsewhere/1_leftImg8bit.png', label('a/1', 'labellevel3Ids')),
    'leftImg8bit/train/stray.txt': '',
  });
  await symlink(join(root, 'elsewhere'), join(root, 'leftImg8bit/train/a'));
  t.equal((await findPairs(root, 'train', idd26)).pairs[0]!.name, 'a/1');
});

t.test('what is missing is said, with what was found instead', async (t) => {
  const cases: [title: string, files: string[], message: RegExp][] = [
    [
      'no image folder',
      ['pictures/1.png'],
      /leftImg8bit does not exist \(.* holds pictures\)\. Expected ROOT\/leftImg8bit/,
    ],
    ['no label folder', [image('a/1')], /gtFine does not exist \(.* holds leftImg8bit\)/],
    [
      'no such split',
      [image('a/1', 'png', 'trian'), label('a/1', 'labelIds', 'trian')],
      /no split "train"\. Did you mean "trian"\?/,
    ],
    [
      'no label split',
      [image('a/1'), label('a/1', 'labelIds', 'val')],
      /gtFine has no split "train".*It contains val/,
    ],
    [
      'labels of no suitable kind',
      [image('a/1'), image('a/2'), label('a/1', 'instanceIds')],
      /: 2 images \(first: a\/1_leftImg8bit\.png\).*_gtFine_labellevel3Ids\.png or .*found no label files of any known kind \(first: a\/1_gtFine_instanceIds\.png\)/,
    ],
    [
      'labels of other frames',
      [image('a/1'), label('b/1', 'labellevel3Ids')],
      /found 1 ending in _gtFine_labellevel3Ids\.png/,
    ],
    ['no images', ['leftImg8bit/train/a/x.png', label('a/1', 'labellevel3Ids')], /: 0 images\. Looked/],
    [
      'no sequence folders',
      ['leftImg8bit/train/1_leftImg8bit.png', 'gtFine/train/1_gtFine_labellevel3Ids.png'],
      /0 images.*1 files lie in .* itself; move them into a sequence folder/,
    ],
    [
      'two images of a frame',
      [image('a/1'), image('a/1', 'jpg'), label('a/1', 'labelIds')],
      /two images of one frame, a\/1_leftImg8bit\.jpg and a\/1_leftImg8bit\.png/,
    ],
  ];
  for (const [title, files, message] of cases)
    await t.test(title, async (t) => {
      const root = await writeTree(t, empty(...files));
      await t.rejects(findPairs(root, 'train', idd26), { code: 'DATASET', message });
    });
  await t.rejects(findPairs('/nowhere/at/all', 'train', idd26), {
    code: 'DATASET',
    message: /\/nowhere\/at\/all is no folder either/,
  });
});
