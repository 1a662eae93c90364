import { join } from 'node:path';
import t from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { SegmentationDataset } from '../../lib/data/dataset.js';
import { decodeImage } from '../../lib/data/decode.js';
import { spread } from '../../lib/data/preview.js';
import { writeDemoDataset } from '../../packages/street-scenes/lib/write-dataset.js';
import { contactSheet } from '../../lib/report/contact-sheet.js';
import { writeFaultyData } from '../helpers/faulty-data.js';

const idd26 = await loadClassSet('idd26');
const white = '255,255,255';

async function open(root: string, ...splits: string[]): Promise<Map<string, SegmentationDataset>> {
  const opened = new Map<string, SegmentationDataset>();
  for (const split of splits) opened.set(split, await SegmentationDataset.open(root, split, idd26));
  return opened;
}

t.test('images stand beside their coloured labels, spread over the splits', async (t) => {
  const root = join(t.testdir(), 'data');
  const [width, height] = [96, 64];
  await writeDemoDataset(root, { train: 9, val: 2, width, height });
  const datasets = await open(root, 'train', 'val');
  const png = await contactSheet(datasets, idd26, { most: 6 });
  const sheet = await decodeImage(png!);
  const at = (x: number, y: number) =>
    sheet.data
      .subarray(3 * (y * sheet.width + x))
      .subarray(0, 3)
      .join();
  const expected = [
    ...[0, 3, 6].map((i) => ['train', i] as const),
    ...[0, 1].map((i) => ['val', i] as const),
  ];
  for (const [place, [split, index]] of expected.entries()) {
    const { image, label } = await datasets.get(split)!.load(index);
    const [left, top] = [8 + (place % 4) * 488, 8 + Math.floor(place / 4) * 188];
    let same = 0;
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const i = y * width + x;
        const color = idd26.classes[label.data[i]!]?.color ?? [0, 0, 0];
        const photo = image.data.subarray(3 * i, 3 * i + 3).join();
        if (at(left + x, top + y) === photo && at(left + width + x, top + y) === color.join()) same++;
      }
    t.equal(same, width * height, `${split} ${index}`);
    t.equal(at(left + 2 * width, top), white);
  }
  const second = 8 + 188;
  t.equal(at(8 + 2 * 488, second), white, 'there is no sixth pair');
});

t.test('damaged pairs are left out; where none is whole there is no sheet', async (t) => {
  const root = await writeFaultyData(t);
  const one = await decodeImage((await contactSheet(await open(root, 'train'), idd26, { most: 2 }))!);
  t.same([...one.data.subarray(3 * (8 * one.width + 8)).subarray(0, 3)], [1, 1, 1], 'train/a');
  t.same([...one.data.subarray(3 * (8 * one.width + 8 + 488)).subarray(0, 3)], [2, 2, 2], 'train/b');
  const { pairs, ...rest } = await SegmentationDataset.open(root, 'train', idd26);
  const damaged = pairs.filter(({ name }) => name === 'text');
  const set = SegmentationDataset.of({ ...rest, pairs: damaged, alone: { images: [], labels: [] } }, idd26);
  t.equal(await contactSheet(new Map([['train', set]]), idd26), null);
});

t.test('it stops on request', async (t) => {
  const root = await writeFaultyData(t);
  const signal = AbortSignal.abort(new Error('enough'));
  await t.rejects(contactSheet(await open(root, 'train'), idd26, { signal }), { message: 'enough' });
});

t.test('places are spread evenly, all where there are few', async (t) => {
  t.same(spread(100, 4), [0, 25, 50, 75]);
  t.same(spread(3, 4), [0, 1, 2]);
  t.same(spread(0, 4), []);
});
