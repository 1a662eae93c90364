import { readdir, readFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { SegmentationDataset } from '../../lib/data/dataset.js';
import { runDemo } from '../../lib/demo/run-demo.js';
import { shippedCounts, writeShippedScenes } from '../../lib/demo/shipped-scenes.js';

interface CocoFile {
  images: { id: number; file_name: string }[];
  annotations: { id: number; image_id: number }[];
}

t.test('the first scenes of each split are a data set with labels in two class sets and boxes', async (t) => {
  const root = join(t.testdir(), 'scenes');
  await writeShippedScenes(root, 'data', { train: 3, val: 2 });
  for (const [split, count] of Object.entries({ train: 3, val: 2 })) {
    for (const name of ['idd26', 'ade150']) {
      const data = await SegmentationDataset.open(root, split, await loadClassSet(name));
      t.same([data.length, data.unpaired.count], [count, 0], `${split} ${name}`);
      const { image } = await data.load(count - 1);
      t.same([image.width, image.height], [256, 192]);
    }
    const file = join(root, `annotations/instances_${split}.json`);
    const { images, annotations } = JSON.parse(await readFile(file, 'utf8')) as CocoFile;
    t.equal(images.length, count);
    for (const { id, file_name } of images) {
      t.ok(existsSync(join(root, file_name)), file_name);
      t.ok(
        annotations.some(({ image_id: of }) => of === id),
        'with boxes',
      );
    }
    const ids = new Set(images.map(({ id }) => id));
    t.ok(annotations.every(({ image_id: of }) => ids.has(of)));
  }
  t.match(await readFile(join(root, 'README.txt'), 'utf8'), /Nothing here is a photograph/);
});

t.test('all scenes that the demo may be asked for are there', async (t) => {
  const models = join(import.meta.dirname, '../../models/street-scenes');
  for (const [name, folder] of [
    ['train', 'data/leftImg8bit/train'],
    ['val', 'data/leftImg8bit/val'],
    ['unseen', 'unseen/leftImg8bit/val'],
  ] as const)
    t.equal((await readdir(join(models, folder, 'scene'))).length, shippedCounts[name], name);
});

t.test('the demo refuses more scenes than there are before it writes anything', async (t) => {
  const out = join(t.testdir(), 'demo');
  for (const [wrong, message] of [
    [{ train: 101 }, /^train should be a whole number from 1 to 100 \(.*\); 101 was given/],
    [{ val: 25 }, /^val should be a whole number from 1 to 24/],
    [{ unseen: 37 }, /^unseen should be a whole number from 1 to 36/],
    [{ train: 0 }, /0 was given/],
    [{ val: 1.5 }, /1\.5 was given/],
  ] as const)
    await t.rejects(runDemo({ out, ...wrong }), { code: 'INVALID_ARGUMENT', message });
  t.notOk(existsSync(out));
});
