/** Columns of the feature sets, and percentages of label maps. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { decodeLabel } from '../../lib/data/decode.js';
import { ade150Names } from '../../lib/data/sets/ade150.js';
import { featureMapPath, readFeatureMap } from '../../lib/features/aggregation.js';
import { countedClasses, percentagePlan } from '../../lib/features/feature-set.js';
import { percentagesOfLabels } from '../../lib/features/percentages.js';
import { shared, skipWithout } from '../helpers/temporary.js';

t.test('set 36 has 26 percentages in each flavour and 10 counts', async (t) => {
  const idd26 = await percentagePlan({ flavour: 'idd26' }, true);
  t.equal(idd26.columns.length, 26);
  t.same(idd26.columns.slice(0, 4), [
    'seg_vit_road',
    'seg_vit_parking',
    'seg_vit_sidewalk',
    'seg_vit_rail_track',
  ]);
  t.equal(idd26.columns[21], 'seg_vit_obs-str-bar-fallback');
  t.same((await percentagePlan({ flavour: 'idd26-head' }, true)).columns, idd26.columns);
  t.same((await percentagePlan({}, true)).columns, idd26.columns, 'the default with a head');
  const ade26 =
    'building sky tree road grass sidewalk person earth plant car water fence wall pole door chair sand floor sign field ' +
    'ground mountain house sea rug ceiling';
  const expected = ade26.split(' ').map((name) => `seg_vit_${name}`);
  t.same((await percentagePlan({ flavour: 'ade26' }, false)).columns, expected);
  t.same((await percentagePlan({}, false)).columns, expected, 'the default without a head');
  const counts = 'car traffic_light person bicycle truck bird bench dog boat motorcycle'.split(' ');
  t.same(
    countedClasses('36').map(({ column }) => column),
    counts.map((name) => `det_vit_${name}`),
  );
  t.same(
    countedClasses('36').map(({ label }) => label),
    [3, 10, 1, 2, 8, 16, 15, 18, 9, 4],
  );
});

t.test('set 230 has ADE20K’s 150 percentages and COCO’s 80 counts', async (t) => {
  const { columns } = await percentagePlan({ set: '230' }, false);
  t.equal(new Set(columns).size, 150);
  t.same([columns[0], columns[26], columns[149]], ['seg_vit_wall', 'seg_vit_sea', 'seg_vit_flag']);
  t.ok(columns.includes('seg_vit_chest_of_drawers'), 'blanks become underscores');
  const counted = countedClasses('230');
  t.equal(new Set(counted.map(({ column }) => column)).size, 80);
  t.same([counted[0]!.label, counted[79]!.label], [1, 90]);
  t.equal(counted[79]!.column, 'det_vit_toothbrush');
});

t.test('pixels of labels without a class are unassigned', async (t) => {
  const label = { data: Uint8Array.from([1, 1, 3, 0]), width: 2, height: 2 };
  const plan = await percentagePlan({ flavour: 'ade26' }, false);
  const { values, unassigned } = await percentagesOfLabels(label, plan);
  t.equal(values[plan.columns.indexOf('seg_vit_wall')], 50);
  t.equal(values[plan.columns.indexOf('seg_vit_sky')], 25);
  t.equal(unassigned, 25);
  const wrong = { ...label, data: Uint8Array.from([1, 1, 3, 151]) };
  await t.rejects(percentagesOfLabels(wrong, plan), { code: 'LABEL_VALUE' });
  await t.rejects(percentagesOfLabels({ ...label, width: 3 }, plan), { code: 'SHAPE' });
  await t.rejects(percentagesOfLabels(label, plan, { labelKind: 'labellevel3Ids' }), {
    code: 'INVALID_ARGUMENT',
  });
  const raw = { data: Uint8Array.from([0, 5, 5, 255]), width: 2, height: 2 };
  const idd = await percentagesOfLabels(raw, await percentagePlan({ flavour: 'idd26' }, true));
  t.same(
    [idd.values[0], idd.values[5], idd.unassigned],
    [25, 50, 25],
    'labels of the hybrid are of IDD’s classes',
  );
});

const sample = 'data/ade20k-sample';
t.test(
  'label maps of ADE20K give a recount by objectInfo150.csv',
  { skip: skipWithout(sample) },
  async (t) => {
    const csv = readFileSync(join(shared, sample, 'objectInfo150.csv'), 'utf8');
    /** Names of class 1…150: the file parts words and synonyms by the same sign. */
    const words = csv
      .trim()
      .split(/\r?\n/)
      .slice(1)
      .map((line) => line.split(',')[5]!.split(';'));
    const valueOf = (name: string) => {
      const own = name.split(' ');
      const found = words.findIndex(
        (all) => own.every((word, i) => all[i] === word) && all.join(' ').startsWith(name),
      );
      return found + 1;
    };
    const [all, summed] = [
      await percentagePlan({ set: '230' }, false),
      await percentagePlan({ flavour: 'ade26' }, false),
    ];
    const map = await readFeatureMap(featureMapPath('ade26'));
    const inMap = JSON.parse(readFileSync(featureMapPath('ade26'), 'utf8')) as {
      groups: Record<string, string[]>;
    };
    t.equal(map.groups.length, 26);
    for (const image of ['ADE_val_00000001', 'ADE_val_00000002', 'ADE_val_00000003']) {
      const label = await decodeLabel(join(shared, sample, 'annotations', `${image}.png`));
      const pixels = new Map<string, number>();
      for (const value of label.data) {
        const name = value === 0 ? 'other' : words[value - 1]!.join(';');
        pixels.set(name, (pixels.get(name) ?? 0) + 1);
      }
      const total = label.width * label.height;
      const percent = (count: number) => (100 * count) / total;
      const own = await percentagesOfLabels(label, all);
      t.same(
        own.values,
        words.map((names) => percent(pixels.get(names.join(';')) ?? 0)),
        `${image}: the 150`,
      );
      t.equal(own.unassigned, percent(pixels.get('other') ?? 0), `${image}: other`);
      const groups = Object.values(inMap.groups).map((names) =>
        names.reduce((count, name) => count + (pixels.get(words[valueOf(name) - 1]!.join(';')) ?? 0), 0),
      );
      t.same((await percentagesOfLabels(label, summed)).values, groups.map(percent), `${image}: the 26`);
    }
    t.ok(
      ade150Names.every((name, index) => words[index]!.join(' ').startsWith(name)),
      'the class set has the file’s first names in the file’s order',
    );
  },
);
