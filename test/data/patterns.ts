/** Data found by patterns of paths, and the layouts of public data sets. */
import { join, relative } from 'node:path';
import t, { type Test } from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { SegmentationDataset } from '../../lib/data/dataset.js';
import { encodePng } from '../../lib/data/decode.js';
import type { LayoutOptions } from '../../lib/data/layout.js';
import { findSplit, openLayout, splitsOf } from '../../lib/data/layouts/open-layout.js';
import { writeTree } from '../helpers/temporary.js';

/** Empty files: layouts are found by names only. */
const empty = (paths: string[]) => Object.fromEntries(paths.map((path) => [path, '']));

async function pairsOf(root: string, classes: string, split: string, options: LayoutOptions = {}) {
  const source = await openLayout(root, await loadClassSet(classes), options);
  const { pairs, alone, labelKind } = await findSplit(source, split, options, root);
  return {
    layout: source.layout,
    splits: splitsOf(source, options),
    labelKind,
    pairs: pairs.map(
      ({ name, image, label }) => `${name}: ${relative(root, image)} + ${relative(root, label)}`,
    ),
    alone: [...alone.images, ...alone.labels].map((path) => relative(root, path)),
  };
}

t.test('patterns pair by names, wildcards and splits', async (t) => {
  const root = await writeTree(
    t,
    empty([
      ...['train/0/1', 'train/1/1', 'train/deep/er/2', 'val/0/3'].flatMap((path) => [
        `rgb/${path}_image.JPG`,
        `gt/${path}_label.png`,
        `gt/${path}_inst_label.txt`,
      ]),
      ...['rgb/train/0/alone_image.jpg', 'gt/train/0/over_label.png', 'rgb/train/0/9_other.jpg'],
    ]),
  );
  const options = {
    images: 'rgb/{split}/**/{name}_image.jpg',
    labels: './gt/{split}/**/{name}_label.{png,tif}',
  };
  t.same(await pairsOf(root, 'idd26', 'train', options), {
    layout: 'pattern',
    splits: ['train', 'val'],
    labelKind: 'labellevel3Ids',
    pairs: [
      '0/1: rgb/train/0/1_image.JPG + gt/train/0/1_label.png',
      '1/1: rgb/train/1/1_image.JPG + gt/train/1/1_label.png',
      'deep/er/2: rgb/train/deep/er/2_image.JPG + gt/train/deep/er/2_label.png',
    ],
    alone: ['rgb/train/0/alone_image.jpg', 'gt/train/0/over_label.png'],
  });
  const absolute = { ...options, labels: join(root, 'gt/{split}/**/{name}_label.png') };
  t.same((await pairsOf(join(root, 'rgb'), 'idd26', 'val', { ...absolute, images: '{split}/**/{name}_image.jpg' })).pairs, [
    '0/3: val/0/3_image.JPG + ../gt/val/0/3_label.png',
  ]); // prettier-ignore
  const kinds = { images: 'rgb/{split}/*/{name}_image.jpg', labels: 'gt/{split}/*/{name}_{kind}.txt' };
  await t.rejects(pairsOf(root, 'idd26', 'train', kinds), {
    code: 'DATASET',
    message:
      /No image of split "train" has a label\. Looked for images rgb.*: 3 of this split among .*_labellevel3Ids\.txt: 0 of/,
  });
});

t.test('other wildcards, or none: the name alone pairs, and one that is not unique is refused', async (t) => {
  const root = await writeTree(
    t,
    empty(['a/1.jpg', 'b/2.jpg', 'flat/1.png', 'flat/2.png', 'flat/2_gtFine_polygons.json']),
  );
  const options = { images: '*/{name}.jpg', labels: 'flat/{name}.png' };
  const { splits, pairs } = await pairsOf(root, 'idd26', 'all', options);
  t.same([splits, pairs], [['all'], ['1: a/1.jpg + flat/1.png', '2: b/2.jpg + flat/2.png']]);
  await t.rejects(pairsOf(root, 'idd26', 'val', options), { message: /has no splits.*--val-share/ });
  t.equal((await pairsOf(root, 'idd26', 'val', { ...options, valShare: 0.5 })).splits.length, 2);
  const polygons = { images: '*/{name}.jpg', labels: 'flat/{name}_gtFine_polygons.json' };
  t.match(await pairsOf(root, 'cityscapes19', 'all', polygons), {
    labelKind: 'polygons',
    pairs: ['2: b/2.jpg + flat/2_gtFine_polygons.json'],
  });
  const same = await writeTree(t, empty(['a/1.jpg', 'b/1.jpg', 'flat/1.png']));
  await t.rejects(pairsOf(same, 'idd26', 'all', options), {
    code: 'DATASET',
    message: /matches a\/1\.jpg and b\/1\.jpg in .*, which both have the name 1\. Make the pattern narrower/,
  });
  const twice = await writeTree(t, empty(['val/1.jpg', 'valid/2.jpg', 'flat/val/1.png']));
  await t.rejects(
    pairsOf(twice, 'idd26', 'val', { images: '{split}/{name}.jpg', labels: 'flat/{split}/{name}.png' }),
    {
      message: /matches val and valid in .*, which both mean the split "val"/,
    },
  );
});

t.test('what is no pattern is INVALID_ARGUMENT', async (t) => {
  const root = await writeTree(t, empty(['a/1.jpg']));
  const good = { images: 'a/{name}.jpg', labels: 'b/{name}.png' };
  const cases: [given: LayoutOptions, message: RegExp][] = [
    [{ ...good, images: 'a/*.jpg' }, /"a\/\*\.jpg" does not contain \{name\}\. A pattern is a path such as/],
    [{ ...good, labels: 'b/{nme}.png' }, /contains "\{nme\}"/],
    [{ ...good, labels: 'b/{name.png' }, /contains "\{"/],
    [{ ...good, images: '{split}/{name}.jpg' }, /"b\/\{name\}\.png" does not contain \{split\}, which the other/],
    [{ ...good, labels: undefined }, /come in pairs: --labels is missing/],
    [{ layout: 'pattern' }, /--images is missing/],
    [{ ...good, layout: 'folders' }, /either patterns \(--images, --labels\) or the layout "folders"/],
  ]; // prettier-ignore
  for (const [options, message] of cases)
    await t.rejects(
      pairsOf(root, 'idd26', 'all', options),
      { code: 'INVALID_ARGUMENT', message },
      `${message}`,
    );
  const wrong = { ...good, labelKind: 'polygons' } as const;
  await t.rejects(pairsOf(root, 'idd26', 'all', wrong), { code: 'DATASET', message: /are JSON files/ });
});

/** Of each layout: its files of `train`, and the pair that they are. */
const published: Record<string, { classes: string; files: string[]; kind: string; pair: string }> = {
  'idd-lite': {
    classes: 'idd7',
    files: [
      ...['leftImg8bit/train/0/024541_image.jpg', 'gtFine/train/0/024541_label.png'],
      ...['gtFine/train/0/024541_inst_label.png', 'leftImg8bit/test/0/1_image.jpg'],
    ],
    kind: 'labelTrainIds',
    pair: '0/024541: leftImg8bit/train/0/024541_image.jpg + gtFine/train/0/024541_label.png',
  },
  bdd100k: {
    classes: 'cityscapes19',
    files: [
      ...['images/10k/train/0a-1.jpg', 'images/10k/test/z.jpg', 'labels/sem_seg/masks/train/0a-1.png'],
      'labels/sem_seg/colormaps/train/0a-1.png',
    ],
    kind: 'labelTrainIds',
    pair: '0a-1: images/10k/train/0a-1.jpg + labels/sem_seg/masks/train/0a-1.png',
  },
  'vistas-1.2': {
    classes: 'vistas65',
    files: [
      ...['training/images/--6O.jpg', 'training/v1.2/labels/--6O.png', 'training/v1.2/instances/--6O.png'],
      ...['training/v2.0/labels/--6O.png', 'testing/images/x.jpg'],
    ],
    kind: 'labelIds',
    pair: '--6O: training/images/--6O.jpg + training/v1.2/labels/--6O.png',
  },
  'vistas-2.0': {
    classes: 'vistas124',
    files: ['training/images/_0a.jpg', 'training/v1.2/labels/_0a.png', 'training/v2.0/labels/_0a.png'],
    kind: 'labelIds',
    pair: '_0a: training/images/_0a.jpg + training/v2.0/labels/_0a.png',
  },
  acdc: {
    classes: 'cityscapes19',
    files: [
      ...['rgb_anon/fog/train/GP/GP_1_rgb_anon.png', 'rgb_anon/fog/train_ref/GP/GP_1_rgb_ref_anon.png'],
      ...['gt/fog/train/GP/GP_1_gt_labelTrainIds.png', 'gt/fog/train/GP/GP_1_gt_labelIds.png'],
      'gt/fog/train/GP/GP_1_gt_labelColor.png',
    ],
    kind: 'labelTrainIds',
    pair: 'fog/GP/GP_1: rgb_anon/fog/train/GP/GP_1_rgb_anon.png + gt/fog/train/GP/GP_1_gt_labelTrainIds.png',
  },
  kitti: {
    classes: 'cityscapes19',
    files: [
      ...['training/image_2/000000_10.png', 'training/semantic/000000_10.png'],
      ...['training/semantic_rgb/000000_10.png', 'testing/image_2/000000_10.png'],
    ],
    kind: 'labelIds',
    pair: '000000_10: training/image_2/000000_10.png + training/semantic/000000_10.png',
  },
};
for (const [layout, { classes, files, kind, pair }] of Object.entries(published))
  t.test(`${layout} is recognised as it is published`, async (t) => {
    const root = await writeTree(t, empty(files));
    const found = await pairsOf(root, classes, 'train');
    t.match(found, { layout, labelKind: kind, pairs: [pair], alone: [] });
    t.same((await pairsOf(root, classes, 'train', { layout: found.layout })).pairs, [pair]);
  });

t.test(
  'of two versions of Vistas the class set decides; ACDC is read as its archives are, too',
  async (t) => {
    const root = await writeTree(t, empty(published['vistas-1.2']!.files));
    await t.rejects(pairsOf(root, 'idd26', 'train'), {
      code: 'DATASET',
      message: /matches several layouts: vistas-1\.2 .* and vistas-2\.0 .*--layout/,
    });
    t.equal((await pairsOf(root, 'idd26', 'train', { layout: 'vistas-2.0' })).layout, 'vistas-2.0');
    const archives = published['acdc']!.files.map((path) =>
      path.replace(/^(rgb_anon|gt)/, (part) =>
        part === 'gt' ? 'gt_trainval/gt' : 'rgb_anon_trainvaltest/rgb_anon',
      ),
    );
    const raw = await pairsOf(await writeTree(t, empty(archives)), 'cityscapes19', 'train', {
      labelKind: 'labelIds',
    });
    t.match(raw, {
      layout: 'acdc',
      labelKind: 'labelIds',
      pairs: [/^fog\/GP\/GP_1: .*_gt_labelIds\.png$/],
    });
    const bdd = published['bdd100k']!;
    const unlabelled = await writeTree(
      t,
      empty(bdd.files.filter((path) => !path.startsWith('labels/sem_seg/masks'))),
    );
    await t.rejects(pairsOf(unlabelled, 'cityscapes19', 'train', { layout: 'bdd100k' }), {
      code: 'DATASET',
      message: /Looked for labels labels\/sem_seg\/masks/,
    });
  },
);

t.test('whoever fits no layout is told the nearest one and the ways out', async (t) => {
  const cases: [files: string[], message: RegExp][] = [
    [
      ['leftImg8Bit/train/a/1.png', 'gtfine/train/a/1.png'],
      /nearest layout is cityscapes: leftImg8bit is missing \(leftImg8Bit is there\), gtFine is missing \(gtfine is there\)\. Give patterns .*--images 'images\/\{split\}.*train\.txt and val\.txt/,
    ],
    [
      ['images/10k/train/1.jpg', 'labels/sem_seg/colormaps/train/1.png', 'images/1.png'],
      /No image has a label image of the same name.* Give patterns/,
    ],
    [
      ['training/images/1.jpg', 'training/v1.2/instances/1.png'],
      /nearest layout is vistas-1\.2: training\/images is there, .*v1\.2\/labels.* is missing\. Give patterns/,
    ],
    [['my data/images/1.jpg', 'my data/masks/1.png'], /Give .*my data, which has a known layout\. Give patterns/],
  ]; // prettier-ignore
  for (const [files, message] of cases)
    await t.test(files[0]!, async (t: Test) => {
      const root = await writeTree(t, empty(files));
      await t.rejects(pairsOf(root, 'idd26', 'train'), { code: 'DATASET', message });
    });
});

t.test('a list of polygons is read as polygons', async (t) => {
  const objects = [{ label: 'car', polygon: [[0, 0], [2, 0], [2, 2], [0, 2]] }]; // prettier-ignore
  const root = await writeTree(t, {
    'a.png': await encodePng(new Uint8Array(12), 2, 2, 3),
    'a.json': JSON.stringify({ imgWidth: 2, imgHeight: 2, objects }),
    'val.txt': 'a.png\ta.json\n',
  });
  const data = await SegmentationDataset.open(root, 'val', await loadClassSet('cityscapes19'));
  t.same([...(await data.load(0)).label.data], [13, 13, 13, 13]);
});
