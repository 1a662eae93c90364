/** The rules of settings: which values keep them, and how they are told. */
import t from 'tap';
import { expected, fits, flagOf, renamed, valueOfText, type ValueRule } from '../lib/setting.js';

const rules: [ValueRule, string, right: unknown[], wrong: unknown[]][] = [
  [{ type: 'text' }, 'a non-empty string', ['a'], ['', 1, null, undefined]],
  [{ type: 'text', choices: ['a', 'b'] }, 'one of a, b', ['a'], ['c', '', 1]],
  [{ type: 'boolean' }, 'true or false', [true, false], ['true', 1]],
  [{ type: 'number' }, 'a number', [0.5, -1], [NaN, Infinity, '1', null]],
  [{ type: 'integer', least: 1 }, 'a whole number of at least 1', [1, 5], [0, 1.5, 2 ** 60]],
  [{ type: 'number', least: 0, most: 0.5 }, 'a number from 0 to 0.5', [0, 0.5], [-0.1, 0.6]],
  [{ type: 'number', above: 0 }, 'a number above 0', [1e-9], [0, -1]],
  [{ type: 'number', below: 1 }, 'a number below 1', [0.5, -3], [1]],
  [{ type: 'number', above: 0, below: 1 }, 'a number above 0 and below 1', [0.5], [0, 1]],
  [{ type: 'integer', least: 2, off: 0 }, 'a whole number of at least 2, or 0', [0, 2], [1, -1]],
];

for (const [rule, text, right, wrong] of rules)
  t.test(`${text}: told, and kept by the right values alone`, async (t) => {
    t.equal(expected(rule), text);
    for (const value of right) t.ok(fits(rule, value), String(value));
    for (const value of wrong) t.notOk(fits(rule, value), String(value));
  });

t.test('a text gives a number where the rule wants one, and nothing where it breaks the rule', async (t) => {
  t.equal(valueOfText({ type: 'number', least: 0 }, '1e-3'), 1e-3);
  t.equal(valueOfText({ type: 'text' }, '7'), '7');
  for (const text of ['', ' ', 'x', '-1'])
    t.equal(valueOfText({ type: 'number', least: 0 }, text), undefined);
});

t.test('an earlier name of a value gives the present one', async (t) => {
  const rule: ValueRule = { type: 'text', choices: ['new', 'other'], formerly: { old: 'new' } };
  t.equal(valueOfText(rule, 'old'), 'new');
  t.same(
    ['old', 'new', 'toString', null].map((value) => renamed(rule, value)),
    ['new', 'new', 'toString', null],
  );
  t.equal(expected(rule), 'one of new, other', 'it is not offered');
});

t.test('a flag is the setting’s name with hyphens, or its own', async (t) => {
  t.equal(flagOf('saveEverySeconds', { type: 'number', help: '' }), 'save-every-seconds');
  t.equal(flagOf('learningRate', { type: 'number', help: '', flag: 'lr' }), 'lr');
});
