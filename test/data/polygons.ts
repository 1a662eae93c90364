/** IDD's annotations as label images. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { decodePolygons, parsePolygons } from '../../lib/data/polygons.js';
import { distanceToEdges, handMade, iddLabels, plainRaster, referenceRaster } from '../helpers/polygons.js';

const root = t.testdir();

function file(annotation: unknown, name = 'a_gtFine_polygons.json'): string {
  const path = join(root, name);
  writeFileSync(path, typeof annotation === 'string' ? annotation : JSON.stringify(annotation));
  return path;
}

const triangle = [
  [0, 0],
  [8, 0],
  [0, 8],
];

t.test('an annotation with everything in it is drawn as the rule says, every pixel of it', async (t) => {
  const { annotation, drawn, width, height } = handMade();
  const label = await decodePolygons(file(annotation));
  t.same([label.width, label.height, label.unknown.size], [width, height, 0]);
  t.same([...label.skipped], [['fence', 1], ['curb', 1], ['traffic light', 1]]); // prettier-ignore
  const expected = referenceRaster(drawn, { width, height });
  t.equal(label.data.filter((value, i) => value !== expected[i]).length, 0);
  const shown = new Set(label.data);
  t.same(
    [...shown].sort((a, b) => a - b),
    [...Array.from({ length: 26 }, (_, index) => index), 255],
    'every class is to be seen, and pixels without one',
  );
});

t.test('where it differs from a raster by pixel centres is within 1.25 pixels of an edge', async (t) => {
  const { annotation, drawn, width, height } = handMade();
  const { data } = await decodePolygons(file(annotation));
  const plain = plainRaster(drawn, { width, height });
  const pixels = Array.from(data.keys());
  const distance = (i: number) => distanceToEdges(i % width, Math.floor(i / width), drawn);
  const different = pixels.filter((i) => data[i] !== plain[i]);
  const atEdges = pixels.filter((i) => distance(i) < 1.25);
  const share = different.length / pixels.length;
  t.comment(
    `${different.length} of ${pixels.length} pixels differ (${(100 * share).toFixed(2)} %); ` +
      `${atEdges.length} lie within 1.25 pixels of an edge`,
  );
  t.ok(
    different.every((i) => distance(i) < 1.25),
    'all of them at edges',
  );
  t.ok(share < 0.08, 'few, although fields of 16 pixels are almost nothing but edges');
});

t.test('every name of IDD has the class of the recipe, and its group too', async (t) => {
  t.equal(iddLabels.length, 40);
  for (const [name, level3] of iddLabels)
    for (const label of [name, `${name}group`]) {
      const objects = [{ label, polygon: triangle }];
      const { values } = parsePolygons({ imgHeight: 9, imgWidth: 9, objects }, 'x');
      t.same([...values], [level3], label);
    }
});

t.test('deleted objects are left out whatever they hold, other keys are left alone', async (t) => {
  const object = { label: 'car', polygon: triangle };
  for (const [deleted, count] of [
    [0, 1],
    [false, 1],
    [undefined, 1],
    [1, 0],
    [true, 0],
  ] as const) {
    const objects = [{ ...object, deleted, draw: 0, verified: 1, user: 'x', date: '', id: 'seven' }];
    t.equal(parsePolygons({ imgHeight: 9, imgWidth: 9, objects, more: 1 }, 'x').counts.length, count);
  }
  const nothing = { imgHeight: 9, imgWidth: 9, objects: [{ deleted: 1 }] };
  t.equal(parsePolygons(nothing, 'x').counts.length, 0);
});

t.test('unknown labels are drawn as pixels without a class and counted, or refused', async (t) => {
  const objects = [
    { label: 'road', polygon: [...triangle, [8, 8]] },
    { label: 'spaceship', polygon: triangle },
    { label: 'spaceship', polygon: triangle },
    { label: 'spaceship', polygon: [[1, 1]] },
  ];
  const path = file({ imgHeight: 2, imgWidth: 2, objects });
  await t.rejects(decodePolygons(path, { unknown: 'refuse' }), { code: 'DATASET' });
  const { data, unknown, skipped } = await decodePolygons(path);
  t.same([...data], [255, 255, 255, 255]);
  t.same([...unknown], [['spaceship', 2]]);
  t.same([...skipped], [['spaceship', 1]]);
});

t.test(
  'objects without an area are skipped and counted; labels of other sets are given by names',
  async (t) => {
    const objects = [
    ...[[], [[1, 1]], [[1, 1], [5, 5]], undefined, null].map((polygon) => ({ label: 'car', polygon })),
    { label: 'road', polygon: triangle },
  ]; // prettier-ignore
    const whole = { imgHeight: 2, imgWidth: 2, objects };
    const label = await decodePolygons(file(whole));
    t.same([[...label.data], [...label.skipped]], [[0, 0, 0, 0], [['car', 5]]]);
    const names = (await loadClassSet('cityscapes19')).mappings.find(
      ({ kind }) => kind === 'polygons',
    )!.names;
    const drawn = ['sky', 'cargroup', 'license plate', 'polegroup', 'terrain'].map((label) => {
      const given = { label, polygon: triangle };
      return parsePolygons({ ...whole, objects: [given] }, 'x', { names, unknown: 'refuse' }).values;
    });
    t.same(drawn.map((values) => [...values]), [[10], [13], [], [255], [9]], 'train ids; a plate is not drawn'); // prettier-ignore
  },
);

t.test('what is no annotation is DATASET: the file, the object, and what is wrong with it', async (t) => {
  const whole = { imgHeight: 9, imgWidth: 9, objects: [] };
  const object = (given: object) => ({
    ...whole,
    objects: [
      { label: 'road', polygon: triangle },
      { label: 'car', polygon: triangle, ...given },
    ],
  });
  const cases: [title: string, annotation: unknown, message: RegExp][] = [
    ['no JSON', '{"imgHeight": 9,', /b_gtFine_polygons\.json is not JSON: /],
    ['an empty file', '', /is not JSON: /],
    ['a list', [], /b_gtFine_polygons\.json is not an annotation with polygons: it should contain \{imgHeight.*not \[\]\./],
    ['no height', { ...whole, imgHeight: undefined }, /"imgHeight" should be a whole number of pixels from 1 to 16383, not nothing\./],
    ['a height of 0', { ...whole, imgHeight: 0 }, /"imgHeight" .* not 0\./],
    ['a height of halves', { ...whole, imgHeight: 1.5 }, /"imgHeight" .* not 1\.5\./],
    ['a width as text', { ...whole, imgWidth: '9' }, /"imgWidth" .* not "9"\./],
    ['a width that is too large', { ...whole, imgWidth: 16384 }, /"imgWidth" .* not 16384\./],
    ['no objects', { ...whole, objects: undefined }, /"objects" should be a list, not nothing\./],
    ['an object that is none', { ...whole, objects: [null] }, /objects\[0\] should be \{label, polygon, …\}, not null\./],
    ['no label', object({ label: undefined }), /objects\[1\]: "label" should be a name, not nothing\./],
    ['a label that is unknown', object({ label: 'autorikshaw' }), /objects\[1\] \("autorikshaw"\): there is no such label in the class set\. Did you mean "autorickshaw"\?.*--unknown ignore/],
    ['a group of nothing', object({ label: 'group' }), /objects\[1\] \("group"\): there is no such label in the class set\./],
    ['a polygon as text', object({ polygon: '0 0' }), /objects\[1\] \("car"\): "polygon" should be a list of corners \[x, y\], not "0 0"\./],
    ['a corner of three numbers', object({ polygon: [[1, 2, 3], ...triangle] }), /\("car"\): corner 0 should be \[x, y\], not \[1,2,3\]\./],
    ['a corner that is none', object({ polygon: [...triangle, 5] }), /corner 3 should be \[x, y\], not 5\./],
    ['a coordinate as text', object({ polygon: [[1, '2'], ...triangle] }), /corner 0 should be two numbers .* not \[1, "2"\]\./],
    ['a coordinate of null', object({ polygon: [[null, 2], ...triangle] }), /not \[null, 2\]\./],
    ['a coordinate far away', object({ polygon: [[1, -1000000.5], ...triangle] }), /from -1000000 to 1000000, not \[1, -1000000\.5\]\./],
    ['an infinite one', JSON.stringify(object({ polygon: [[1, 77], ...triangle] })).replace('77', '1e999'), /not \[1, Infinity\]\./],
    ['deleted in words', object({ deleted: 'yes' }), /objects\[1\] \("car"\): "deleted" should be 0, 1, true or false, not "yes"\./],
    ['deleted twice', object({ deleted: 2 }), /"deleted" .* not 2\./],
  ]; // prettier-ignore
  for (const [title, annotation, message] of cases)
    await t.rejects(
      decodePolygons(file(annotation, 'b_gtFine_polygons.json'), { unknown: 'refuse' }),
      { name: 'DinoSegError', code: 'DATASET', message },
      title,
    );
  await t.rejects(decodePolygons(join(root, 'absent.json')), { code: 'FILE_NOT_FOUND' });
});
