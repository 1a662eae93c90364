/** Files of settings: what YAML and JSON hide is refused, by name and place. */
import { join } from 'node:path';
import t from 'tap';
import { readClassFile } from '../lib/data/class-file.js';
import { repeatedKey } from '../lib/json.js';
import { readSettingsFile } from '../lib/settings-file.js';
import { writeTree } from './helpers/temporary.js';

t.test('a key that is there twice is refused, with its lines', async (t) => {
  const root = await writeTree(t, {
    'a.yaml': 'model: m.pt\nimage-size: 64\narguments: [x]\nimage-size: 128\n',
    'deep.yaml': 'a: 1\nb:\n  c: 1\n  "c": 2\n',
    'a.json': '{"model": "m.pt", "image-size": 64,\n "image-size": 32}',
    'line.json': '{"epochs":1,"epochs":2}',
    'classes.json': '{"name": "x",\n"classes": [{"name": "a"}],\n"name": "y"}',
  });
  const cases = {
    'a.yaml': /a\.yaml has "image-size" twice, in lines 2 and 4\. Remove one of them\./,
    'deep.yaml': /"c" twice, in lines 3 and 4/,
    'a.json': /a\.json has "image-size" twice, in lines 1 and 2\./,
    'line.json': /"epochs" twice, in line 1\./,
  };
  for (const [name, message] of Object.entries(cases))
    await t.rejects(readSettingsFile(join(root, name)), { code: 'INVALID_ARGUMENT', message }, name);
  await t.rejects(readClassFile(join(root, 'classes.json')), {
    code: 'CLASSES',
    message: /"name" twice, in lines 1 and 3/,
  });
});

t.test('keys are told from values, whatever they contain', (t) => {
  const cases: [value: string, expected: string | undefined][] = [
    ['{"a": {"b": 1}, "b": {"a": [{"b": 1}, {"b": 2}]}}', undefined],
    ['{"a": "a", "b": "{\\"a\\": 1", "c": ["a", "a"]}', undefined],
    ['{"a": [], "b": {}, "c": [[], {"a": 1}], "a": 0}', 'a'],
    ['{"\\u0061": 1, "a": 2}', 'a'],
    ['{"a\\\\": 1, "a\\\\": 2}', 'a\\'],
    ['[1, {"x": {"y": 1, "y": 2}}]', 'y'],
    ['"a"', undefined],
  ];
  for (const [text, expected] of cases) {
    JSON.parse(text);
    t.equal(repeatedKey(text)?.key, expected, text);
  }
  t.end();
});

t.test('aliases that stand for millions of values are refused; some aliases are read', async (t) => {
  const level = (name: string, of: string) => `${name}: &${name} [${Array.from({ length: 9 }, () => `*${of}`).join(', ')}]`; // prettier-ignore
  const levels = ['b', 'c', 'd', 'e', 'f'].map((name, i) => level(name, 'abcde'[i]!));
  const root = await writeTree(t, {
    'bomb.yaml': ['a: &a [x, x]', ...levels, 'model: *f'].join('\n'),
    'few.yaml': 'data: &d here\nout: *d\n',
  });
  await t.rejects(readSettingsFile(join(root, 'bomb.yaml')), {
    code: 'INVALID_ARGUMENT',
    message: /bomb\.yaml cannot be read: .*alias.* Write the values of aliases/i,
  });
  t.same((await readSettingsFile(join(root, 'few.yaml'))).settings, { data: 'here', out: 'here' });
});

t.test('a folder is named as one, with the settings that it has', async (t) => {
  const root = await writeTree(t, { 'run/config.json': '{}', 'other/x': '' });
  await t.rejects(readSettingsFile(join(root, 'run')), {
    code: 'FILE_NOT_FOUND',
    message: /run is a folder: the settings of a run are in .*run.config\.json\./,
  });
  await t.rejects(readSettingsFile(join(root, 'other')), {
    code: 'FILE_NOT_FOUND',
    message: /other is a folder: give the path of a YAML or JSON file\./,
  });
});
