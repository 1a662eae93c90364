import t from 'tap';
import { classSetNames, loadClassSet } from '../../lib/data/class-sets.js';
import { parseClassSet, stringifyClassSet } from '../../lib/model/class-set-json.js';

t.test('a class set survives being written to the metadata of a head file', async (t) => {
  for (const name of classSetNames) {
    const set = await loadClassSet(name);
    const text = stringifyClassSet(set);
    t.same(parseClassSet(text), set, name);
    t.notOk(text.includes('\n'), 'one line');
  }
});

t.test('other text is refused', async (t) => {
  for (const text of ['', '[]', '{"name": "x"}']) t.throws(() => parseClassSet(text), text);
  const foreign =
    '{"name":"x","classes":[{"name":"a","color":[0,0,0]}],"mappings":[{"kind":"k","pairs":[],"ignored":[]}]}';
  t.throws(() => parseClassSet(foreign), /unknown kind/);
});
