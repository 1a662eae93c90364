/** What lies beside the images of labelled data, in each layout. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import t, { type Test } from 'tap';
import { checkData } from '../../lib/data/check.js';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { SegmentationDataset } from '../../lib/data/dataset.js';
import type { LayoutOptions } from '../../lib/data/layout.js';
import { runCommand } from '../helpers/command-line.js';
import { writeTree } from '../helpers/temporary.js';

const png = await sharp({ create: { width: 2, height: 2, channels: 3, background: 'black' } })
  .toColourspace('b-w')
  .png()
  .toBuffer();
const jpeg = await sharp({ create: { width: 2, height: 2, channels: 3, background: 'black' } })
  .jpeg()
  .toBuffer();
const heic = Buffer.concat([Buffer.from([0, 0, 0, 24]), Buffer.from('ftypheic\0\0\0\0mif1heic'), jpeg]);
const idd26 = await loadClassSet('idd26');

/** Files beside the images of a folder, and the images that only their bytes tell. */
const beside = (folder: string, name: string) => ({
  [`${folder}/x.heic`]: heic,
  [`${folder}/y.HEIC`]: heic,
  [`${folder}/notes.txt`]: 'no image',
  [`${folder}/.hidden.jpg`]: jpeg,
  [`${folder}/${name}`]: jpeg,
});

async function opened(
  t: Test,
  files: Record<string, string | Buffer>,
  options: LayoutOptions = {},
  split = 'train',
) {
  const root = await writeTree(t, files);
  const dataset = await SegmentationDataset.open(root, split, idd26, options);
  return { root, names: dataset.pairs.map(({ name }) => name), dataset };
}

t.test('folders: bytes decide, and what is no image is told by its ending', async (t) => {
  const { names, dataset } = await opened(t, {
    ...{ 'images/train/a.jpg': jpeg, 'masks/train/a.png': png },
    // Of an image without an ending, and of one whose ending is another's.
    ...{ ...beside('images/train', 'b'), 'masks/train/b.png': png },
    ...{ 'images/train/c.photo': jpeg, 'masks/train/c.png': png },
    ...{ 'images/train/a.jpg_original': jpeg },
  });
  t.same(names, ['a', 'b', 'c']);
  t.same(dataset.leftOut, { endings: { '.heic': 2, '.jpg_original': 1, '.txt': 1 }, repeated: 0 });
  t.match(dataset.leftOutText, /^2 \.heic, 1 \.jpg_original, 1 \.txt \(to convert HEIC: /);
  t.equal(dataset.unpaired.count, 0);
});

t.test('cityscapes: any format of images', async (t) => {
  const { names, dataset } = await opened(t, {
    ...{ 'leftImg8bit/train/s/a_leftImg8bit.webp': png, 'gtFine/train/s/a_gtFine_labellevel3Ids.png': png },
    ...beside('leftImg8bit/train/s', 'b_leftImg8bit'),
    ...{ 'gtFine/train/s/b_gtFine_labellevel3Ids.png': png, 'leftImg8bit/train/s/other.png': png },
  });
  t.same(names, ['s/a', 's/b']);
  t.same(dataset.leftOut, { endings: { '.heic': 2, '.png': 1, '.txt': 1 }, repeated: 0 });
});

t.test('patterns: of the folders of a split, without labels', async (t) => {
  const files = {
    ...{ 'data/train/k/a.jpg': jpeg, 'data/train/k/a_mask.png': png, 'data/val/b.heic': heic },
    ...{ 'data/train/k/x.heic': heic, 'data/train/k/.x.jpg': jpeg, 'data/train/k/c.jpg_original': jpeg },
    'elsewhere/z.txt': '',
  };
  const patterns = { images: 'data/{split}/**/{name}.jpg', labels: 'data/{split}/**/{name}_mask.png' };
  const { names, dataset } = await opened(t, files, patterns);
  t.same(names, ['k/a']);
  t.same(dataset.leftOut, { endings: { '.heic': 1, '.jpg_original': 1 }, repeated: 0 });
  const any = await opened(
    t,
    { 'i/a.jpg': jpeg, 'i/b.txt': 'no image', 'i/c.x': jpeg, 'l/a.png': png, 'l/b.png': png, 'l/c.png': png },
    { images: 'i/{name}.*', labels: 'l/{name}.png' },
    'all',
  );
  t.same(any.names, ['a', 'c'], 'a pattern of any ending does not make a text an image');
  t.same(any.dataset.leftOut.endings, { '.txt': 1 });
  await t.rejects(
    opened(
      t,
      { 'i/a.heic': heic, 'l/a.png': png },
      { images: 'i/{name}.jpg', labels: 'l/{name}.png' },
      'all',
    ),
    {
      code: 'DATASET',
      message: /Left out: 1 \.heic/,
    },
  );
});

t.test(
  'an image that several links lead to is one image, and a folder of labels may serve two splits',
  async (t) => {
    const root = await writeTree(t, {
      ...{ 'images/train/b.jpg': jpeg, 'images/val/c.jpg': jpeg },
      ...{ 'pool/a.png': png, 'pool/b.png': png, 'pool/c.png': png },
    });
    symlinkSync(join(root, 'images/train/b.jpg'), join(root, 'images/train/a.jpg'));
    mkdirSync(join(root, 'masks'));
    for (const split of ['train', 'val']) symlinkSync(join(root, 'pool'), join(root, 'masks', split));
    const train = await SegmentationDataset.open(root, 'train', idd26);
    t.same(
      train.pairs.map(({ name }) => name),
      ['b'],
      'by its own name',
    );
    t.same(train.leftOut, { endings: {}, repeated: 1 });
    const patterns = { images: 'images/{split}/{name}.jpg', labels: 'masks/{split}/{name}.png' };
    const val = await SegmentationDataset.open(root, 'val', idd26, patterns);
    t.same(
      val.pairs.map(({ name }) => name),
      ['c'],
    );
  },
);

t.test('folders of links to each other end', async (t) => {
  const root = await writeTree(t, { 'images/train/a.jpg': jpeg, 'masks/train/a.png': png });
  const folders = Array.from({ length: 10 }, (_, i) => join(root, 'images/train', `d${i}`));
  for (const folder of folders) mkdirSync(folder);
  for (const from of folders)
    for (const [i, to] of folders.entries()) if (from !== to) symlinkSync(to, join(from, `l${i}`));
  const { pairs } = await SegmentationDataset.open(root, 'train', idd26);
  t.equal(pairs.length, 1);
});

t.test('`data check` tells it in its result and on stderr', async (t) => {
  const root = await writeTree(t, {
    ...{ 'images/train/a.jpg': jpeg, 'masks/train/a.png': png, 'images/train/x.heic': heic },
    ...{ 'images/val/b.jpg': await sharp(jpeg).negate().jpeg().toBuffer(), 'masks/val/b.png': png },
  });
  if (process.platform !== 'win32') execFileSync('mkfifo', [join(root, 'images/train/pipe.jpg')]);
  const pipe = process.platform === 'win32' ? {} : { '.jpg': 1 };
  const { splits, faults } = await checkData(root, idd26);
  t.same(faults, []);
  t.same(
    splits.map(({ leftOut }) => leftOut.endings),
    [{ '.heic': 1, ...pipe }, {}],
  );
  const { stdout, stderr } = await runCommand(['data', 'check', root]);
  t.match(stdout, /^left out: 1 \.heic/m);
  t.match(stderr, /train: left out: 1 \.heic/);
});
