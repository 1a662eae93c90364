import t from 'tap';
import { classSetNames, loadClassSet } from '../../lib/data/class-sets.js';
import { DinoSegError } from '../../lib/errors.js';
import { parseClassSet, stringifyClassSet } from '../../lib/model/class-set-json.js';

const refuse = (what: string) => new DinoSegError('CHECKPOINT_FORMAT', what);

t.test('a class set survives being written to the metadata of a head file', async (t) => {
  for (const name of classSetNames) {
    const set = await loadClassSet(name);
    const text = stringifyClassSet(set);
    t.same(parseClassSet(text, refuse), set, name);
    t.notOk(text.includes('\n'), 'one line');
  }
});

t.test('other text is refused, with what is wrong', async (t) => {
  const stored = (member: object) => {
    const mapping = { kind: 'labelIds', pairs: [[7, 0]], ignored: [0] };
    return JSON.stringify({
      name: 'x',
      classes: [{ name: 'a', color: [0, 0, 0] }],
      mappings: [mapping],
      ...member,
    });
  };
  parseClassSet(stored({}), refuse);
  const mapping = (member: object) => ({
    mappings: [{ kind: 'labelIds', pairs: [], ignored: [], ...member }],
  });
  for (const [text, message] of [
    ['', /not JSON/],
    ['[]', /"name" is missing/],
    ['null', /it should be an object, not null/],
    ['{"name": "x"}', /"classes" is missing/],
    [stored({ classes: [{ name: 'a', color: null }] }), /"classes\.0\.color" should be a list, not null/],
    [
      stored({ classes: [{ name: 'a', color: [0, 0, 256] }] }),
      /"classes\.0\.color\.2" should be <=255, not 256/,
    ],
    [stored(mapping({ kind: 'k' })), /"mappings\.0\.kind" should be .*labelIds.*, not "k"/],
    [stored(mapping({ pairs: [[7, 1]] })), /do not fit each other/],
  ] as const)
    t.throws(() => parseClassSet(text, refuse), { code: 'CHECKPOINT_FORMAT', message }, text);
});
