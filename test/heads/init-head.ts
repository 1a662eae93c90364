import { join } from 'node:path';
import t from 'tap';
import type { ClassSet } from '../../lib/data/class-set.js';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { loadSourceClasses, parseSourceClasses } from '../../lib/data/source-classes.js';
import { ade150Names } from '../../lib/data/sets/ade150.js';
import { ClassHead } from '../../lib/model/class-head.js';
import type { HeadValues } from '../../lib/model/head-file.js';
import { initialHead, initialHeadOfModel } from '../../lib/model/init-head.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { close } from '../helpers/close.js';
import { probabilities } from '../helpers/dense-loss.js';
import { normals } from '../helpers/heads.js';
import { writeFormulaModel } from '../helpers/network.js';
import { createRandom } from '../helpers/random-values.js';
import { writeTree } from '../helpers/temporary.js';

const hidden = 16;
const random = createRandom(3);
const released: HeadValues = {
  classes: 151,
  hidden,
  weight: normals(random, 151 * hidden, 1),
  bias: normals(random, 151, 1),
};
const queries = Array.from({ length: 20 }, () => normals(random, hidden, 1));

function logits(query: Float32Array, { weight, bias }: HeadValues): number[] {
  return Array.from(bias, (shift, k) =>
    query.reduce((sum, value, c) => sum + weight[k * hidden + c]! * value, shift),
  );
}

const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);

/** A set with classes of these names. */
async function setOf(names: string[]): Promise<ClassSet> {
  const { classes, ...set } = await loadClassSet('ade150');
  return { ...set, name: 'mine', classes: names.map((name, index) => ({ ...classes[0]!, name, index })) };
}

t.test('IDD takes its classes from those of ADE20K that the recipe names', async (t) => {
  // ADE20K class (from 1) → IDD class.
  const recipe = [
    [7, 0],
    [12, 2],
    [92, 3],
    [13, 4],
    [117, 6],
    [128, 7],
    [21, 9],
    [84, 10],
    [81, 11],
    [1, 14],
    [33, 15],
    [39, 16],
    [101, 17],
    [44, 17],
    [137, 19],
    [94, 20],
    [2, 22],
    [62, 23],
    [5, 24],
    [3, 25],
  ];
  for (const name of ['idd26', 'idd26-reference']) {
    const sources = await loadSourceClasses(await loadClassSet(name));
    const pairs = sources.flatMap((rows, index) => rows.map((row) => [row + 1, index]));
    t.same(
      pairs.sort((a, b) => a[0]! - b[0]!),
      [...recipe].sort((a, b) => a[0]! - b[0]!),
      name,
    );
    const without = sources.flatMap((rows, index) => (rows.length === 0 ? [index] : []));
    t.same(without, [1, 5, 8, 12, 13, 18, 21], `${name}: what ADE20K lacks`);
  }
});

t.test('other sets take classes of equal names', async (t) => {
  const ade = await loadSourceClasses(await loadClassSet('ade150'));
  t.same(
    ade,
    ade150Names.map((_, index) => [index]),
    'ade150 takes each for itself',
  );
  const cityscapes = await loadClassSet('cityscapes19');
  const sources = await loadSourceClasses(cityscapes);
  const named = cityscapes.classes.filter((_, i) => sources[i]!.length > 0).map(({ name }) => name);
  t.same(
    named,
    cityscapes.classes.map(({ name }) => name).filter((name) => ade150Names.includes(name)),
  );
  t.ok(named.length >= 10);
  const spelled = await loadSourceClasses(await setOf(['Traffic_Light', 'zebra crossing']));
  t.same(spelled, [[ade150Names.indexOf('traffic light')], []]);
});

t.test('a set without a known name, and maps that are not valid, are CLASSES errors', async (t) => {
  const set = await setOf(['lane', 'shop']);
  await t.rejects(loadSourceClasses(set), { code: 'CLASSES', message: /"mine".*Give a class map/ });
  for (const [title, value, message] of [
    ['a list', [], /must contain an object/],
    ['an unknown class', { lan: ['road'] }, /no class "lan"\. Did you mean "lane"\?/],
    ['an unknown source', { lane: ['raod'] }, /lists "raod".*Did you mean "road"\?/],
    ['a source that is no name', { lane: [7] }, /lists 7, which is not a class/],
    ['a name in place of a list', { lane: 'road' }, /must have a list.*not "road"/],
    ['a source named twice', { lane: ['road', 'Road'] }, /lists "road" twice/],
    ['nothing', { lane: [] }, /no class has a source/],
  ] as const)
    t.throws(() => parseSourceClasses(value, set, 'm.json'), { code: 'CLASSES', message }, title);
  const folder = await writeTree(t, {
    'map.json': JSON.stringify({ shop: ['house', 'building'], lane: [] }),
    'broken.json': '{',
  });
  const own = await loadSourceClasses(set, join(folder, 'map.json'));
  t.same(own, [[], [ade150Names.indexOf('building'), ade150Names.indexOf('house')]]);
  await t.rejects(loadSourceClasses(set, join(folder, 'broken.json')), {
    code: 'CLASSES',
    message: /not JSON/,
  });
  await t.rejects(loadSourceClasses(set, join(folder, 'absent.json')), { code: 'FILE_NOT_FOUND' });
});

t.test('classes keep their logits, and those that ADE20K lacks share that of no object', async (t) => {
  const sources = await loadSourceClasses(await loadClassSet('idd26'));
  const head = initialHead(released, sources, { noObject: false });
  t.equal(head.classes, 26);
  for (const [i, query] of queries.entries()) {
    const [before, after] = [logits(query, released), logits(query, head)];
    for (const [index, rows] of sources.entries())
      if (rows.length > 0) {
        const expected = sum(rows.map((row) => before[row]!)) / rows.length;
        if (Math.abs(after[index]! - expected) > 1e-5) t.fail(`query ${i}, class ${index}`);
        if (rows.length === 1 && after[index] !== before[rows[0]!]) t.fail(`query ${i}, class ${index}`);
      }
    const without = after.filter((_, index) => sources[index]!.length === 0);
    close(
      t,
      `query ${i}: weight of what ADE20K lacks`,
      [sum(without.map(Math.exp))],
      [Math.exp(before[150]!)],
      {
        rtol: 1e-6,
      },
    );
  }
});

t.test(
  'in a head with no object that row stays, and what ADE20K lacks starts between the classes',
  async (t) => {
    const sources = await loadSourceClasses(await loadClassSet('idd26'));
    const head = initialHead(released, sources, { noObject: true });
    t.equal(head.classes, 27);
    for (const [i, query] of queries.entries()) {
      const [before, after] = [logits(query, released), logits(query, head)];
      t.equal(after[26], before[150], `query ${i}: no object`);
      t.equal(after[0], before[ade150Names.indexOf('road')], `query ${i}: road`);
      const classes = before.slice(0, 150);
      const without = after.filter((_, index) => sources[index]?.length === 0);
      close(t, `query ${i}: what ADE20K lacks`, without, new Array(7).fill(sum(classes) / 150), {
        atol: 1e-5,
      });
      const mean = sum(classes.map(Math.exp)) / 150;
      t.ok(
        without.every((logit) => Math.exp(logit) <= mean),
        `query ${i}: at most the mean share`,
      );
    }
  },
);

t.test('ade150 is the released head, with and without no object', async (t) => {
  const sources = await loadSourceClasses(await loadClassSet('ade150'));
  t.same(initialHead(released, sources, { noObject: true }), released);
  t.same(initialHead(released, sources, { noObject: false }), {
    classes: 150,
    hidden,
    weight: released.weight.subarray(0, 150 * hidden),
    bias: released.bias.subarray(0, 150),
  });
});

t.test('a model gives first weights from its released head only', async (t) => {
  const path = await writeFormulaModel(t.testdir());
  const set = await loadClassSet('idd26');
  using model = await SegmentationModel.load(path);
  using own = ClassHead.ofModel(model);
  const { weight, bias } = await own.state();
  const head = await initialHeadOfModel(model, set, { noObject: false });
  t.match(head, { classes: 26, hidden: 64 });
  const road = ade150Names.indexOf('road');
  t.same(head.weight.subarray(0, 64), weight.subarray(road * 64, (road + 1) * 64));
  t.equal(head.bias[0], bias[road]);

  const folder = await writeTree(t, { 'map.json': JSON.stringify({ road: ['earth'] }) });
  const classMap = join(folder, 'map.json');
  const mapped = await initialHeadOfModel(model, set, { noObject: true, classMap });
  t.equal(mapped.bias[0], bias[ade150Names.indexOf('earth')]);

  using other = ClassHead.create({ hidden: 64, classes: 26 });
  const values = { classes: 26, hidden: 64, ...(await other.state()) };
  const sources = await loadSourceClasses(set);
  t.throws(() => initialHead(values, sources, { noObject: false }), {
    code: 'HEAD_MISMATCH',
    message: /this one has 26 outputs/,
  });
});

t.test('an empty query speaks for what ADE20K lacks, not for a known class', async (t) => {
  const sources = await loadSourceClasses(await loadClassSet('idd26'));
  const { weight, bias } = initialHead(released, sources, { noObject: false });
  for (const query of queries) {
    const before = probabilities(query, released.weight, released.bias);
    const after = probabilities(query, weight, bias);
    const lacking = sum(after.filter((_, index) => sources[index]!.length === 0));
    const road = ade150Names.indexOf('road');
    close(t, 'road to no object', [after[0]! / lacking], [before[road]! / before[150]!], {
      rtol: 1e-5,
    });
  }
});
