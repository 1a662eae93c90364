/** Label images that store the colours of classes. */
import { join } from 'node:path';
import t from 'tap';
import { checkData } from '../../lib/data/check.js';
import { parseClassFile } from '../../lib/data/class-file.js';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { SegmentationDataset } from '../../lib/data/dataset.js';
import { encodePng } from '../../lib/data/decode.js';
import { engine } from '../../lib/native/engine.js';
import { writeTree } from '../helpers/temporary.js';

const colors = [[30, 70, 111], [97, 201, 140], [164, 76, 169], [0, 0, 1], [255, 255, 255]]; // prettier-ignore
const black = [0, 0, 0];
const set = parseClassFile(
  { name: 'coloured', classes: colors.map((color, i) => ({ name: `c${i}`, color })) },
  'f',
);

async function folder(t: Parameters<typeof writeTree>[0], pixels: number[][], width = pixels.length) {
  const height = pixels.length / width;
  return writeTree(t, {
    'images/1.png': await encodePng(new Uint8Array(3 * pixels.length), width, height, 3),
    'masks/1.png': await encodePng(Uint8Array.from(pixels.flat()), width, height, 3),
  });
}

t.test('every pixel gets the class of its colour; black is no class', async (t) => {
  const order = [4, 0, 0, 2, -1, 1, 3, 3, -1];
  const root = await folder(t, order.map((index) => colors[index] ?? black)); // prettier-ignore
  const { label } = await (await SegmentationDataset.open(root, 'all', set)).load(0);
  t.same([...label.data], order.map((index) => (index < 0 ? 255 : index))); // prettier-ignore
  const { splits, faults } = await checkData(root, set);
  t.same(faults, []);
  t.match(splits[0], { pixels: 7, ignoredPixels: 2, ignoredByDefault: 0 });
  t.same(splits[0]!.classes.map(({ pixels }) => pixels), [2, 1, 1, 2, 1]); // prettier-ignore
});

t.test('built-in sets have the colours of their data sets; black may be a class', async (t) => {
  const cityscapes = await loadClassSet('cityscapes19');
  const root = await folder(t, [[128, 64, 128], black, [0, 0, 142]]);
  const { label } = await (await SegmentationDataset.open(root, 'all', cityscapes)).load(0);
  t.same([...label.data], [0, 255, 13]);
  const dark = parseClassFile({ name: 'x', classes: [{ name: 'a', color: [9, 9, 8] }, { name: 'b', color: black }] }, 'f'); // prettier-ignore
  const other = await folder(t, [black, [9, 9, 8]]);
  t.same([...(await (await SegmentationDataset.open(other, 'all', dark)).load(0)).label.data], [1, 0]);
});

t.test('one pixel of another colour refuses the label, and says which, how often and where', async (t) => {
  const pixels = Array.from({ length: 12 }, (_, i) => colors[i % 3]!);
  pixels[7] = [97, 201, 141];
  const root = await folder(t, pixels, 4);
  const message =
    /1\.png is a colour picture, and not all .* of "coloured": \(97, 201, 141\) \(1 pixels\); the first at x 3, y 1\. Give the class file the colours/;
  await t.rejects((await SegmentationDataset.open(root, 'all', set)).load(0), { code: 'IMAGE', message });
  const { faults } = await checkData(root, set);
  t.match(faults, [{ kind: 'misshapen', path: join(root, 'masks/1.png'), message }]);
  const twins = parseClassFile(
    { name: 'twins', classes: ['a', 'b', 'c'].map((name, i) => ({ name, color: colors[i >> 1] })) },
    'f',
  );
  const shared = await folder(t, [colors[0]!, colors[1]!]);
  await t.rejects((await SegmentationDataset.open(shared, 'all', twins)).load(0), {
    message: /\(30, 70, 111\) \(1 pixels; a colour of a and b\)/,
  });
});

t.test('the engine refuses what is not three bytes a pixel', async (t) => {
  await t.rejects(engine().mapColors(new Uint8Array(4), new Uint32Array(1)), { code: 'INVALID_ARGUMENT' });
  t.equal(await engine().mapColors(new Uint8Array(3), new Uint32Array(0)), undefined);
  t.equal((await engine().mapColors(new Uint8Array(0), new Uint32Array(0)))?.length, 0);
});
