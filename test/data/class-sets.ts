import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { distinctColor, labelKinds } from '../../lib/data/class-set.js';
import type { ClassSet, LabelKind } from '../../lib/data/class-set.js';
import { classSetNames, loadClassSet } from '../../lib/data/class-sets.js';
import { shared, skipWithout } from '../helpers/temporary.js';

function at(set: ClassSet, kind: LabelKind, raw: number): number | 'unknown' {
  const mapping = set.mappings.find((one) => one.kind === kind)!;
  return mapping.known[raw] ? mapping.toIndex[raw]! : 'unknown';
}

t.test('every built-in set is sound', async (t) => {
  t.same(classSetNames, [
    'idd26',
    'idd26-reference',
    'idd7',
    'cityscapes19',
    'vistas65',
    'vistas124',
    'ade150',
  ]);
  for (const name of classSetNames)
    await t.test(name, async (t) => {
      const set = await loadClassSet(name);
      t.equal(set.name, name);
      t.equal(set.ignoreIndex, 255);
      t.same(
        set.classes.map(({ index }) => index),
        Array.from(set.classes.keys()),
        'indices count up',
      );
      t.equal(new Set(set.classes.map((one) => one.name)).size, set.classes.length, 'names are unique');
      t.equal(new Set(set.classes.map(({ color }) => color.join())).size, set.classes.length, 'colours too');
      t.ok(set.mappings.length > 0);
      for (const { kind, toIndex, known } of set.mappings) {
        t.ok(labelKinds.includes(kind));
        const wrong = Array.from(toIndex.keys()).filter(
          (raw) => toIndex[raw] !== 255 && (!known[raw] || toIndex[raw]! >= set.classes.length),
        );
        t.same(wrong, [], `${kind}: only known values lead to classes`);
      }
    });
});

t.test('idd26 takes level-3 ids, and raw ids in labelids files', async (t) => {
  const set = await loadClassSet('idd26');
  t.equal(set.classes.length, 26);
  t.equal(set.mappings[0]!.kind, 'labellevel3Ids');
  t.match(set.classes[8], { name: 'autorickshaw', color: [255, 140, 0] });
  for (const [kind, raw, expected] of [
    ['labellevel3Ids', 0, 0],
    ['labellevel3Ids', 25, 25],
    ['labellevel3Ids', 255, 255],
    ['labellevel3Ids', 26, 'unknown'],
    ['labelids', 2, 1],
    ['labelids', 7, 4],
    ['labelids', 18, 12],
    ['labelids', 34, 25],
    ['labelids', 36, 255],
    ['labelids', 40, 'unknown'],
  ] as const)
    t.equal(at(set, kind, raw), expected, `${kind} ${raw} → ${expected}`);
});

t.test('idd26-reference has road as 255, and knows no 0', async (t) => {
  const set = await loadClassSet('idd26-reference');
  for (const [raw, expected] of [
    [255, 0],
    [3, 255],
    [0, 'unknown'],
    [1, 1],
    [2, 2],
    [4, 4],
    [25, 25],
    [26, 'unknown'],
  ] as const)
    t.equal(at(set, 'labellevel3Ids', raw), expected, `${raw} → ${expected}`);
  t.same(set.classes, (await loadClassSet('idd26')).classes);
});

t.test('cityscapes19 takes train ids and raw ids, each in its own kind of file', async (t) => {
  const set = await loadClassSet('cityscapes19');
  t.equal(set.classes.length, 19);
  for (const [kind, raw, expected] of [
    ['labelTrainIds', 0, 0],
    ['labelTrainIds', 18, 18],
    ['labelTrainIds', 19, 'unknown'],
    ['labelTrainIds', 255, 255],
    ['labelIds', 7, 0],
    ['labelIds', 0, 255],
    ['labelIds', 33, 18],
    ['labelIds', 29, 255],
    ['labelIds', 34, 'unknown'],
    ['labelIds', 255, 255],
  ] as const)
    t.equal(at(set, kind, raw), expected, `${kind} ${raw} → ${expected}`);
});

t.test('ade150 ignores 0 and shifts the rest by one', async (t) => {
  const set = await loadClassSet('ade150');
  t.equal(set.classes.length, 150);
  for (const [raw, expected] of [
    [0, 255],
    [1, 0],
    [150, 149],
    [151, 'unknown'],
    [255, 'unknown'],
  ] as const)
    t.equal(at(set, 'labelIds', raw), expected, `${raw} → ${expected}`);
  t.equal(at(set, 'labelTrainIds', 0), 0);
});

const list = 'data/ade20k-sample/objectInfo150.csv';
t.test("ade150's names are the first of the data set's own", { skip: skipWithout(list) }, async (t) => {
  const rows = readFileSync(join(shared, list), 'utf8').trim().split('\n').slice(1);
  const { classes } = await loadClassSet('ade150');
  rows.forEach((row, i) => {
    // The list separates the words of a name like the names themselves.
    const words = row.split(',')[5]!.trim().split(';').join(' ');
    if (!words.startsWith(classes[i]!.name))
      t.fail(`${i}: ${classes[i]!.name} is not in front of "${words}"`);
  });
  t.equal(rows.length, 150);
});

t.test('idd7 is level 1, of level-1, level-3 and raw ids and of polygons', async (t) => {
  const set = await loadClassSet('idd7');
  for (const [kind, raw, expected] of [
    ['labelTrainIds', 6, 6],
    ['labelTrainIds', 7, 'unknown'],
    ['labelTrainIds', 255, 255],
    ['labellevel3Ids', 3, 1],
    ['labellevel3Ids', 12, 3],
    ['labellevel3Ids', 21, 4],
    ['labellevel3Ids', 24, 5],
    ['labelids', 2, 0],
    ['labelids', 7, 2],
    ['labelids', 36, 255],
  ] as const)
    t.equal(at(set, kind, raw), expected, `${kind} ${raw} → ${expected}`);
  const { names } = set.mappings.find(({ kind }) => kind === 'polygons')!;
  t.same([names?.get('animal'), names?.get('tunnel'), names?.get('out of roi')], [2, 5, 255]);
});

t.test('vistas65 ignores 65, vistas124 has all 124 values; kinds of polygons have names', async (t) => {
  const [first, second] = [await loadClassSet('vistas65'), await loadClassSet('vistas124')];
  t.same([first.classes.length, second.classes.length], [65, 124]);
  t.same(
    [at(first, 'labelIds', 64), at(first, 'labelIds', 65), at(first, 'labelIds', 66)],
    [64, 255, 'unknown'],
  );
  t.same([at(second, 'labelIds', 123), at(second, 'labelIds', 124)], [123, 'unknown']);
  t.match(
    [first.classes[13], second.classes[21]],
    [{ name: 'Road' }, { name: 'Road', color: [128, 64, 128] }],
  );
  // The classes of idd7 are groups of labels.
  for (const name of classSetNames.filter((each) => each !== 'idd7')) {
    const set = await loadClassSet(name);
    const { names } = set.mappings.find(({ kind }) => kind === 'polygons')!;
    t.ok(
      set.classes.every((each) => names?.get(each.name) === each.index),
      `${name}: classes are labels`,
    );
  }
});

t.test('the colours by formula are distinct for every index', async (t) => {
  const all = new Set(Array.from({ length: 255 }, (_, i) => distinctColor(i).join()));
  t.equal(all.size, 255);
  t.ok(
    [...all].every((color) => color.split(',').every((v) => Number.isInteger(+v) && +v >= 0 && +v <= 255)),
  );
});

t.test('an unknown name is CLASSES with the nearest one', async (t) => {
  await t.rejects(loadClassSet('cityscape19'), {
    code: 'CLASSES',
    message: /Did you mean "cityscapes19"\?.*idd26, idd26-reference.*\.json/,
  });
  await t.rejects(loadClassSet('toString'), { code: 'CLASSES' });
  await t.rejects(loadClassSet('absent.json'), { code: 'FILE_NOT_FOUND' });
});
