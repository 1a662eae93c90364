import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { classWeights } from '../../lib/train/class-weights.js';
import { close } from '../helpers/close.js';

const classSet = await loadClassSet('idd26');
const pixels = classSet.classes.map((_, k) => (k === 0 ? 900 : k === 1 ? 100 : 0));

t.test('none weighs nothing', async (t) => {
  t.equal(await classWeights('none', classSet, pixels), null);
});

t.test('frequency weighs rare classes more, between 1.4 and 50.5', async (t) => {
  const weights = (await classWeights('frequency', classSet, pixels))!;
  close(t, 'weights', weights.slice(0, 3), [1 / Math.log(1.92), 1 / Math.log(1.12), 1 / Math.log(1.02)], {
    atol: 1e-12,
  });
  t.equal(weights.length, 26);
  const [least] = (await classWeights(
    'frequency',
    classSet,
    pixels.map((n) => (n > 500 ? n : 0)),
  ))!;
  t.match([least!.toFixed(1), weights[2]!.toFixed(1)], ['1.4', '50.5']);
  const blank = (await classWeights(
    'frequency',
    classSet,
    pixels.map(() => 0),
  ))!;
  t.ok(blank.every(Number.isFinite), 'without a labelled pixel, too');
});

t.test('a file names weights; classes that it leaves out weigh 1', async (t) => {
  const path = join(t.testdir(), 'weights.json');
  writeFileSync(path, JSON.stringify({ person: 3, sky: 0 }));
  const weights = (await classWeights(path, classSet, pixels))!;
  classSet.classes.forEach(({ name }, k) =>
    t.equal(weights[k], name === 'person' ? 3 : name === 'sky' ? 0 : 1, name),
  );
});

t.test('a file that is something else is refused', async (t) => {
  const path = join(t.testdir(), 'weights.json');
  const cases: [string, RegExp][] = [
    ['{', /it is not JSON/],
    ['[1]', /it is not an object/],
    ['null', /it is not an object/],
    ['{"persn": 2}', /"idd26" has no class "persn"\. Did you mean "person"\?/],
    ['{"person": -1}', /the weight of "person" is -1, not a number of at least 0/],
    ['{"person": "2"}', /the weight of "person" is "2"/],
  ];
  for (const [content, message] of cases) {
    writeFileSync(path, content);
    await t.rejects(classWeights(path, classSet, pixels), { code: 'CLASSES', message }, content);
  }
  const absent = join(t.testdir(), 'absent.json');
  await t.rejects(classWeights(absent, classSet, pixels), { code: 'FILE_NOT_FOUND' });
});
