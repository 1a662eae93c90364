import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import t from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { decodeImage, decodeLabel } from '../../lib/data/decode.js';
import { colorize } from '../../lib/report/colorize.js';
import { decodeNpy } from '../../lib/report/npy.js';
import { predictionFiles, writePrediction } from '../../lib/report/prediction-files.js';
import { writeTree } from '../helpers/temporary.js';

const classSet = await loadClassSet('idd26');
const [width, height] = [5, 3];
const original = new Uint8Array(width * height * 3).map((_, i) => i * 5);
const map = new Uint8Array(width * height).map((_, i) => (i * 7) % 26);
const prediction = { original, map, width, height, classSet };

t.test('the five files are there and hold what they should', async (t) => {
  const root = t.testdir();
  const folder = await writePrediction(root, 'street.v2', prediction);
  t.equal(folder, join(root, 'street.v2_segmentation'));
  t.same((await readdir(folder)).sort(), [...predictionFiles].sort());
  const picture = await decodeImage(join(folder, 'original.png'));
  t.same([...picture.data], [...original]);
  const raw = decodeNpy(await readFile(join(folder, 'segmentation_raw.npy')));
  t.same([raw.height, raw.width, ...raw.data], [height, width, ...map]);
  const colored = await decodeImage(join(folder, 'segmentation_colored.png'));
  t.same([...colored.data], [...colorize(map, classSet)]);
  const comparison = await decodeImage(join(folder, 'comparison.png'));
  t.same([comparison.width, comparison.height], [2 * width, height]);
  t.same([...comparison.data.subarray(0, 3 * width)], [...original.subarray(0, 3 * width)]);
  t.same([...comparison.data.subarray(3 * width, 6 * width)], [...colored.data.subarray(0, 3 * width)]);
  t.match(await readFile(join(folder, 'class_statistics.txt'), 'utf8'), /total +15 +100\.00/);
});

t.test('the coloured map is a PNG whose values are classes', async (t) => {
  const missing = map.slice();
  missing[4] = 255;
  const folder = await writePrediction(t.testdir(), 'a', { ...prediction, map: missing });
  const bytes = await readFile(join(folder, 'segmentation_colored.png'));
  t.match(await sharp(bytes).metadata(), { isPalette: true, bitsPerSample: 8 });
  t.same([...(await decodeLabel(bytes)).data], [...missing]);
  t.same(
    [...(await decodeImage(bytes)).data],
    [...colorize(missing, classSet)],
    'in the colours of the classes',
  );
});

t.test('some of the files alone', async (t) => {
  const root = t.testdir();
  const folder = await writePrediction(root, 'a', prediction, ['colored', 'statistics']);
  t.same((await readdir(folder)).sort(), ['class_statistics.txt', 'segmentation_colored.png']);
  for (const files of [[], ['colour']])
    await t.rejects(writePrediction(root, 'b', prediction, files as never), {
      code: 'INVALID_ARGUMENT',
      message: /original, raw, colored, comparison, statistics/,
    });
});

t.test('an earlier result is replaced as a whole', async (t) => {
  const root = await writeTree(t, { 'a_segmentation/stale.txt': 'x' });
  await writePrediction(root, 'a', prediction);
  t.same(await readdir(root), ['a_segmentation']);
  t.same((await readdir(join(root, 'a_segmentation'))).sort(), [...predictionFiles].sort());
});

t.test('nothing is written where something does not fit', async (t) => {
  const root = t.testdir();
  const cases: [string, string, object, string][] = [
    ['a map of another size', 'a', { map: map.subarray(1) }, 'SHAPE'],
    ['an image of another size', 'a', { original: original.subarray(3) }, 'SHAPE'],
    ['an index outside the set', 'a', { map: map.map(() => 26) }, 'LABEL_VALUE'],
    ['a name with a folder', '../a', {}, 'INVALID_ARGUMENT'],
    ['an empty name', '', {}, 'INVALID_ARGUMENT'],
  ];
  for (const [title, name, change, code] of cases)
    await t.rejects(writePrediction(root, name, { ...prediction, ...change }), { code }, title);
  t.same(await readdir(root), []);
});
