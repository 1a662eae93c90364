import { join } from 'node:path';
import t from 'tap';
import { parseClassFile } from '../../lib/data/class-file.js';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { writeTree } from '../helpers/temporary.js';

const road = { name: 'road', color: [128, 64, 128] };
const sky = { name: 'sky', color: [70, 130, 180] };
const base = { name: 'mine', classes: [road, sky] };

t.test('a file without a mapping takes raw values as indices', async (t) => {
  const set = parseClassFile(base, 'f.json');
  t.same(set.classes, [
    { index: 0, ...road },
    { index: 1, ...sky },
  ]);
  t.equal(set.mappings[0]!.kind, 'labelTrainIds');
  t.same([...set.mappings[0]!.toIndex.subarray(0, 3)], [0, 1, 255]);
  t.same([...set.mappings[0]!.known.subarray(0, 3)], [1, 1, 0]);
  t.equal(set.mappings[0]!.known[255], 1, '255 is ignored');
});

t.test('a mapping names classes or indices; other values are unknown', async (t) => {
  const set = parseClassFile({ ...base, mapping: { 7: 'road', 8: 'road', 23: 1 }, ignore: [0, 1] }, 'f.json');
  const { kind, toIndex, known } = set.mappings[0]!;
  t.equal(kind, 'labelIds', 'raw ids are looked for first');
  t.same([toIndex[7], toIndex[8], toIndex[23], toIndex[0]], [0, 0, 1, 255]);
  t.same([known[0], known[1], known[2], known[255]], [1, 1, 0, 1]);
  t.equal(set.mappings.length, 5);
});

t.test('another ignore index takes the place of 255, and 255 may be a class', async (t) => {
  const zero = parseClassFile({ ...base, mapping: { 1: 'road', 2: 'sky' }, ignoreIndex: 0 }, 'f')
    .mappings[0]!;
  t.same([zero.known[0], zero.toIndex[0], zero.known[255]], [1, 255, 0]);
  const mapped = parseClassFile({ ...base, mapping: { 255: 'road', 1: 'sky' } }, 'f').mappings[0]!;
  t.same([mapped.known[255], mapped.toIndex[255], mapped.toIndex[1]], [1, 0, 1]);
  const identity = parseClassFile({ ...base, ignore: [1] }, 'f').mappings[0]!;
  t.same([identity.known[1], identity.toIndex[1]], [1, 255], 'an ignored value is no class');
});

t.test('polygons: a table from labels to classes, beside the names of the classes', async (t) => {
  const polygons = { tarmac: 'road', haze: 1, nothing: null };
  const { names } = parseClassFile({ ...base, polygons }, 'f.json').mappings.at(-1)!;
  t.same(Object.fromEntries(names!), { road: 0, sky: 1, tarmac: 0, haze: 1, nothing: 255 });
  t.throws(() => parseClassFile({ ...base, polygons: { tarmac: 'raod' } }, 'f'), {
    message: /the mapping maps the label "tarmac" to the unknown class "raod"\. Did you mean "road"/,
  });
  t.throws(() => parseClassFile({ ...base, polygons: [] }, 'f'), { message: /"polygons" must be an object/ });
});

t.test('255 is ignored by default, and marked as such unless the file says so', async (t) => {
  const marks = [
    {},
    { ignore: [255] },
    { ignoreIndex: 0, mapping: { 1: 'road' } },
    { mapping: { 255: 'sky' } },
  ].map((more) => parseClassFile({ ...base, ...more }, 'f').mappings[0]!.ignoredByDefault);
  t.same(marks, [[255], undefined, undefined, undefined]);
});

t.test('a class without a colour gets one', async (t) => {
  const { classes } = parseClassFile({ name: 'x', classes: [{ name: 'a' }, { name: 'b' }] }, 'f');
  t.notSame(classes[0]!.color, classes[1]!.color);
});

t.test('what is wrong with a file is said', async (t) => {
  const many = Array.from({ length: 256 }, (_, i) => ({ name: `c${i}` }));
  for (const [title, value, message] of [
    ['no object', [1], /must contain an object/],
    ['null', null, /must contain an object/],
    ['no name', { classes: [road] }, /"name" must be a string/],
    ['a blank name', { ...base, name: ' ' }, /"name" must be a string/],
    ['no classes', { name: 'x' }, /"classes" must be a list.*not nothing/],
    ['empty classes', { name: 'x', classes: [] }, /"classes" must be a list/],
    ['too many classes', { name: 'x', classes: many }, /256 classes; at most 255/],
    ['a duplicate name', { name: 'x', classes: [road, sky, road] }, /classes 0 and 2 are both named "road"/],
    ['a class that is text', { name: 'x', classes: ['road'] }, /class 0 must be \{name, color\}, not "road"/],
    ['a class without name', { name: 'x', classes: [{ color: [1, 2, 3] }] }, /class 0 needs a name/],
    [
      'a colour out of range',
      { name: 'x', classes: [{ name: 'a', color: [0, 256, 0] }] },
      /color of class 0.*\[0,256,0\]/,
    ],
    ['a short colour', { name: 'x', classes: [{ name: 'a', color: [0, 1] }] }, /three integers/],
    ['a broken colour', { name: 'x', classes: [{ name: 'a', color: [0, 1.5, 2] }] }, /three integers/],
    ['an unknown key', { ...base, maping: {} }, /unknown key "maping".*Did you mean "mapping"/],
    [
      'an unknown key of a class',
      { name: 'x', classes: [{ name: 'a', colour: [1, 2, 3] }] },
      /class 0.*"colour".*"color"/,
    ],
    ['an unknown class', { ...base, mapping: { 1: 'raod' } }, /maps 1 to the unknown class "raod".*"road"/],
    ['an index too high', { ...base, mapping: { 1: 2 } }, /maps 1 to class 2, but indices run from 0 to 1/],
    ['a broken index', { ...base, mapping: { 1: 0.5 } }, /class 0\.5/],
    ['a mapping to null', { ...base, mapping: { 1: null } }, /class name or index, not null/],
    ['a raw value too high', { ...base, mapping: { 256: 'road' } }, /"256" is not a raw label value/],
    [
      'a raw value that is no number',
      { ...base, mapping: { '07': 'road' } },
      /"07" is not a raw label value/,
    ],
    ['a mapping that is a list', { ...base, mapping: [1] }, /"mapping" must be an object/],
    ['an ignore that is no list', { ...base, ignore: 3 }, /"ignore" must be a list/],
    ['an ignore out of range', { ...base, ignore: [300] }, /"ignore" must be a list/],
    ['an ignore index out of range', { ...base, ignoreIndex: -1 }, /"ignoreIndex" must be an integer/],
    ['mapped and ignored', { ...base, mapping: { 1: 'road' }, ignore: [1] }, /raw value 1 is both/],
    [
      '255 mapped and ignored',
      { ...base, mapping: { 255: 'road' }, ignoreIndex: 255 },
      /raw value 255 is both/,
    ],
  ] as const)
    t.throws(() => parseClassFile(value, 'mine.json'), { code: 'CLASSES', message }, title);
  t.throws(() => parseClassFile(1, 'mine.json'), { message: /^mine\.json is not a valid class set: / });
});

t.test('a class file is loaded by its path', async (t) => {
  const root = await writeTree(t, { 'mine.json': JSON.stringify(base), 'broken.json': '{"name": ' });
  t.equal((await loadClassSet(join(root, 'mine.json'))).name, 'mine');
  await t.rejects(loadClassSet(join(root, 'broken.json')), {
    code: 'CLASSES',
    message: /broken\.json is not JSON/,
  });
});
