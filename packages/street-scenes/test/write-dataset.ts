import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { loadClassSet } from '../../../lib/data/class-sets.js';
import { SegmentationDataset } from '../../../lib/data/dataset.js';
import { decodeImage } from '../../../lib/data/decode.js';
import { drawScene } from '../lib/scenes.js';
import { writeDemoDataset } from '../lib/write-dataset.js';
import { writeTree } from '../../../test/helpers/temporary.js';

interface CocoFile {
  images: { id: number; file_name: string; width: number; height: number }[];
  annotations: { id: number; image_id: number; category_id: number; bbox: number[]; area: number }[];
  categories: { id: number; name: string }[];
}

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
  const ade = await SegmentationDataset.open(root, 'val', await loadClassSet('ade150'));
  t.equal(ade.labelKind, 'ade150Ids');
  t.ok(Buffer.from((await ade.load(0)).label.data).equals(Buffer.from(scene.ade)), 'in both class sets');
  t.match(
    await readFile(join(root, 'README.txt'), 'utf8'),
    /^Synthetic street scenes.*Nothing here is a photograph/s,
  );
});

t.test('the boxes of each split stand in a COCO file', async (t) => {
  const root = join(t.testdir(), 'scenes');
  await writeDemoDataset(root, { ...small, width: 128, height: 96 });
  const ids: number[] = [];
  for (const [split, first, count] of [
    ['train', 0, 3],
    ['val', 3, 2],
  ] as const) {
    const file = join(root, `annotations/instances_${split}.json`);
    const { images, annotations, categories } = JSON.parse(await readFile(file, 'utf8')) as CocoFile;
    t.equal(images.length, count);
    t.same(
      categories.find(({ id }) => id === 3),
      { id: 3, name: 'car' },
    );
    for (const [i, image] of images.entries()) {
      ids.push(image.id);
      t.same([image.width, image.height], [128, 96]);
      const { width, height } = await decodeImage(join(root, image.file_name));
      t.same([width, height], [128, 96]);
      const { objects } = await drawScene({ seed: small.seed, index: first + i, width: 128, height: 96 });
      const boxes = annotations.filter(({ image_id: of }) => of === image.id);
      t.ok(boxes.length > 0, `${boxes.length} boxes`);
      t.same(
        boxes.map(({ category_id: id, bbox, area }) => ({ id, bbox, area })),
        objects.map(({ id, box: [x0, y0, x1, y1], visiblePixels: area }) => ({
          id,
          bbox: [x0, y0, x1 - x0, y1 - y0],
          area,
        })),
      );
    }
    t.same(
      annotations.map(({ id }) => id),
      annotations.map((_, i) => i + 1),
      'ids of annotations are unique',
    );
  }
  t.equal(new Set(ids).size, 5, 'and ids of images in both splits');
});

t.test('a split of no scenes leaves nothing behind', async (t) => {
  const root = join(t.testdir(), 'scenes');
  await writeDemoDataset(root, { ...small, train: 0 });
  t.same(await readdir(join(root, 'annotations')), ['instances_val.json']);
  t.same(await readdir(join(root, 'leftImg8bit')), ['val']);
});

t.test('earlier demo data is replaced, anything else is not', async (t) => {
  const root = await writeTree(t, { 'other/mine.txt': 'x' });
  await writeDemoDataset(join(root, 'scenes'), small);
  await writeDemoDataset(join(root, 'scenes'), { ...small, train: 1 });
  t.equal((await readdir(join(root, 'scenes/leftImg8bit/train/scene'))).length, 1);
  await t.rejects(writeDemoDataset(join(root, 'other'), small), {
    code: 'DATASET',
    message: /other contains other files \(mine\.txt\)/,
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
