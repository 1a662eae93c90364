/** Counts of classes on CUDA: those of the maps, whatever else the device does, with inputs that are made aside. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { encodePng, type ImageInput } from '../../lib/data/decode.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { classShares } from '../../lib/model/class-shares.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { engine } from '../../lib/native/engine.js';
import { writeFormulaModel } from '../helpers/network.js';
import { picture } from '../helpers/tiny-network.js';

const skip = engine().info().cudaAvailable ? false : 'no CUDA device answers';
const none = 255;
const imageSize = { width: 64, height: 64 };
/** Of the own head's classes, and of those of the other one that go over them. */
const tables = [
  Uint8Array.from({ length: 256 }, (_, k) => (k < 150 && k % 4 !== 0 ? k % 26 : none)),
  Uint8Array.from({ length: 256 }, (_, k) => (k < 26 && k % 3 === 0 ? k : none)),
];

function recount(maps: readonly Uint8Array[]): number[] {
  const counts = new Array<number>(27).fill(0);
  for (let i = 0; i < maps[0]!.length; i++) {
    const columns = maps.map((map, n) => tables[n]![map[i]!]!);
    const column = columns.findLast((own) => own !== none) ?? 26;
    counts[column]!++;
  }
  return counts;
}

t.test('counts are those of both maps, for pixels and for files', { skip }, async (t) => {
  const root = t.testdir();
  using model = await SegmentationModel.load(await writeFormulaModel(root), {
    device: 'cuda:0',
    dtype: 'bfloat16',
  });
  const classes = await loadClassSet('idd26');
  using head = ClassHead.create({ hidden: model.hidden, classes, seed: 1, device: 'cuda:0' });
  const layers = [
    { head: model.ownHead(), scoring: 'ade20k' as const, table: tables[0]! },
    { head, scoring: 'recipe' as const, table: tables[1]! },
  ];
  // The last one is copied to the device in pieces.
  const sizes = [
    [1920, 1080],
    [331, 127],
    [64, 64],
    [1, 700],
    [4001, 1501],
  ] as const;
  const images = sizes.map(([width, height]) => picture(width, height));
  const paths = images.map((_, i) => join(root, `${i}.png`));
  for (const [i, { data, width, height }] of images.entries())
    await writeFile(paths[i]!, await encodePng(data, width, height, 3));
  const own = await model.segmentBatch(images, { imageSize });
  const over = await model.segmentBatch(images, { imageSize, head });
  const expected = images.map((_, i) => recount([own[i]!.data, over[i]!.data]));
  t.ok(expected[0]!.filter((count) => count > 0).length >= 4, 'the maps have several classes');
  const counting = { imageSize, places: 26, soft: false };
  const counts = async (given: readonly ImageInput[]) =>
    (await classShares(model, layers, given, counting, {})).map((shares) => [...shares]);
  t.same(await counts(images), expected, 'pixels');
  t.same(await counts(paths), expected, 'files');
  const passes = await Promise.all(Array.from({ length: 12 }, () => counts(paths)));
  t.ok(
    passes.every((found) => JSON.stringify(found) === JSON.stringify(expected)),
    'many passes at a time',
  );
  const holes = images.map((image) => ({
    ...image,
    transparent: Uint8Array.from({ length: image.width * image.height }, (_, i) => (i % 5 === 0 ? 1 : 0)),
  }));
  const seen = images.map((_, i) => {
    const [a, b] = [own[i]!.data, over[i]!.data].map((map) => map.filter((__, place) => place % 5 !== 0));
    const found = recount([a!, b!]);
    found[26]! += own[i]!.data.length - a!.length;
    return found;
  });
  t.same(await counts(holes), seen, 'transparent pixels have no column');
  t.same(await counts([holes[0]!, paths[1]!]), [seen[0], expected[1]], 'beside an image without them');
});
