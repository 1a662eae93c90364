/** Map files: what they hold, and what is refused. */
import { join } from 'node:path';
import t from 'tap';
import { ade150Names } from '../../lib/data/sets/ade150.js';
import { idd26FromAde150 } from '../../lib/data/sets/idd26-from-ade150.js';
import { featureMapPath, parseFeatureMap, readFeatureMap } from '../../lib/features/aggregation.js';
import { writeTree } from '../helpers/temporary.js';

t.test('the shipped ade26 sums ADE20K’s classes into 26 columns', async (t) => {
  const map = await readFeatureMap(featureMapPath('ade26'));
  if (map.kind !== 'aggregation') throw new Error('not an aggregation');
  const named = Object.fromEntries(
    map.groups.map(({ name, classes }) => [name, classes.map((index) => ade150Names[index]!)]),
  );
  t.equal(map.groups.length, 26);
  t.match(named, { building: ['building', 'house', 'skyscraper'], house: ['house'], sign: ['signboard'] });
  t.ok(map.allowOverlap, 'a house is a building too');
});

t.test(
  'the shipped hybrid takes ADE20K’s classes as first weights do, and seven from the head',
  async (t) => {
    const map = await readFeatureMap(featureMapPath('idd26-hybrid'));
    if (map.kind !== 'hybrid') throw new Error('not a hybrid');
    const named = map.groups.map(({ name, classes }) => [
      name,
      classes.map((index) => ade150Names[index]!).sort(),
    ]);
    t.same(Object.fromEntries(named), idd26FromAde150);
    t.same(map.overwrite, [1, 5, 8, 12, 13, 18, 21]);
  },
);

t.test('a map may be of classes of one’s own, in a file beside it', async (t) => {
  const root = await writeTree(t, {
    'maps/street.json': JSON.stringify({ name: 'street', classes: './my.json', groups: { Green: ['tree'] } }),
    'maps/my.json': JSON.stringify({ name: 'my', classes: [{ name: 'road' }, { name: 'tree' }] }),
  });
  const map = await readFeatureMap(join(root, 'maps/street.json'));
  t.equal(map.classSet.name, 'my');
  t.same(map.groups, [{ name: 'Green', classes: [1] }]);
});

t.test('maps that are not valid are refused, with what to do', async (t) => {
  const good = { name: 'my', groups: { green: ['tree'] } };
  const hybrid = { ...good, headClasses: 'idd26', overwrite: ['rider'] };
  for (const [title, map, message] of [
    ['no object', [], /must contain an object/],
    ['an unknown key', { ...good, group: {} }, /unknown key "group"\. Did you mean "groups"/],
    ['no name', { groups: good.groups }, /"name" must be/],
    ['no groups', { name: 'my', groups: {} }, /"groups" must be an object/],
    ['an unknown class', { ...good, groups: { green: ['treee'] } }, /"treee".*Did you mean "tree"/],
    [
      'a number',
      { ...good, groups: { green: [4] } },
      /lists 4, which is not a class of ade150.*by their names/,
    ],
    ['an empty group', { ...good, groups: { green: [] } }, /"green" must have a list of at least one/],
    ['a nameless group', { ...good, groups: { ' ': ['tree'] } }, /a group has no name/],
    ['a class twice', { ...good, groups: { green: ['tree', 'tree'] } }, /lists "tree" twice/],
    [
      'a class in two groups',
      { ...good, groups: { a: ['tree'], b: ['tree'] } },
      /in "a" and in "b".*allowOverlap/,
    ],
    [
      'two groups of one column',
      { ...good, groups: { 'A b': ['tree'], 'a  b': ['sky'] } },
      /both have the column seg_vit_a_b/,
    ],
    ['allowOverlap as a word', { ...good, allowOverlap: 'yes' }, /"allowOverlap" must be true or false/],
    ['an unknown class set', { ...good, classes: 'ade151' }, /There is no class set "ade151"/],
    ['overwrite without a head', { ...good, overwrite: ['rider'] }, /"headClasses" must name a class set/],
    ['a head without overwrite', { ...good, headClasses: 'idd26' }, /"overwrite" must be a list/],
    ['an unknown class in overwrite', { ...hybrid, overwrite: ['ridr'] }, /"ridr".*Did you mean "rider"/],
    ['overwrite with a class twice', { ...hybrid, overwrite: ['rider', 'rider'] }, /lists "rider" twice/],
    ['an overlapping hybrid', { ...hybrid, allowOverlap: true }, /"allowOverlap" cannot be true/],
    [
      'a group that is no class of the head',
      hybrid,
      /there is a group "green", which is not a class of idd26/,
    ],
    [
      'columns that nothing counts for',
      { ...hybrid, groups: { sky: ['sky'] } },
      /"road".* would always be empty/,
    ],
  ] as const)
    await t.rejects(parseFeatureMap(map, 'my.json'), { code: 'CLASSES', message }, title);
  await t.rejects(readFeatureMap('absent.json'), { code: 'FILE_NOT_FOUND' });
  const root = await writeTree(t, { 'broken.json': '{' });
  await t.rejects(readFeatureMap(join(root, 'broken.json')), { code: 'CLASSES', message: /is not JSON/ });
});
