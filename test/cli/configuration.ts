/** `--config` and `--save-config`: settings of a command from a file, and as one. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { parse, stringify } from 'yaml';
import { readConfiguration } from '../../lib/cli/configuration.js';
import { runCommand } from '../helpers/command-line.js';
import { writeTree } from '../helpers/temporary.js';
import { asFlags, tensorDigests, tinySettings } from '../helpers/tiny-run.js';

const syntax = {
  name: 'paint',
  summary: 'Paints.',
  flags: {
    model: { type: 'text', value: 'FILE', required: true, help: 'the model' },
    'image-size': { type: 'integer', least: 32, value: 'N', help: 'size' },
    lr: { type: 'number', least: 0, most: 1, setting: 'learningRate', value: 'X', help: 'rate' },
    dtype: { type: 'text', choices: ['float32', 'bfloat16'], help: 'precision' },
    json: { type: 'boolean', help: 'as JSON' },
    config: { type: 'text', value: 'FILE', help: 'settings' },
  },
  positionals: { name: 'IMAGE…', help: 'images', least: 1, most: 2 },
} as const;

t.test('a file names settings as flags or as the library does, in YAML or JSON', async (t) => {
  const root = await writeTree(t, {
    'flags.yaml':
      'model: m.pt # the network\nimage-size: 64\nlr: 1e-3\njson: true\narguments: [a.png, b.png]\n',
    'library.json': '{"model": "m.pt", "imageSize": 64, "learningRate": 0.001, "dtype": null}',
    'saved.yaml': 'package: 9.9.9\ncommand: paint\nconfig:\n  lr: 0.5\n',
  });
  const flags = { model: 'm.pt', 'image-size': 64, lr: 1e-3 };
  const read = (name: string) => readConfiguration(syntax, join(root, name));
  t.same(await read('flags.yaml'), { flags: { ...flags, json: true }, positionals: ['a.png', 'b.png'] });
  t.same(await read('library.json'), { flags, positionals: [] });
  t.same(await read('saved.yaml'), { flags: { lr: 0.5 }, positionals: [] });
});

t.test('a flag that takes several values may be a list', async (t) => {
  const root = await writeTree(t, {
    'one.yaml': 'dtype: float32\n',
    'two.yaml': 'dtype: [bfloat16, float32]\n',
    'three.yaml': 'dtype: [bfloat16, float32, float32]\n',
    'none.yaml': 'dtype: []\n',
    'wrong.yaml': 'dtype: [bfloat16, 3]\n',
  });
  const flags = { dtype: { ...syntax.flags.dtype, times: 2 } };
  const read = (name: string) => readConfiguration({ ...syntax, flags }, join(root, name));
  t.same((await read('one.yaml')).flags, { dtype: ['float32'] });
  t.same((await read('two.yaml')).flags, { dtype: ['bfloat16', 'float32'] });
  await t.rejects(read('three.yaml'), { name: 'UsageError', message: /takes 1 to 2 values, not 3/ });
  await t.rejects(read('none.yaml'), { message: /takes 1 to 2 values, not 0/ });
  await t.rejects(read('wrong.yaml'), { message: /should be a string .* not 3/ });
});

t.test('what a file may not say is refused with what was expected', async (t) => {
  const cases: [string, RegExp][] = [
    ['imagesize: 64', /Unknown setting "imagesize" in .*\. Did you mean "imageSize"\?/],
    ['argument: [a]', /Unknown setting "argument".*Did you mean "arguments"\?/],
    ['qqqqqq: 1', /Unknown setting "qqqqqq".*paint has the settings model, image-size, lr, dtype, json\./],
    ['config: other.yaml', /Unknown setting "config"/],
    ['image-size: 64\nimageSize: 96', /sets --image-size twice, the second time as "imageSize"/],
    ['image-size: "64"', /"image-size" in .* should be a number, not "64"/],
    ['image-size: 16', /"image-size" in .* should be a whole number of at least 32, not "16"/],
    ['lr: fast', /"lr" in .* should be a number, not "fast"/],
    ['model: 3', /"model" in .* should be a string \(quoted if it looks like a number\), not 3/],
    ['model: ""', /"model" in .* is empty: the model/],
    [
      'dtype: float23',
      /"dtype" in .* should be one of float32, bfloat16, not "float23".*Did you mean "float32"/,
    ],
    ['json: 1', /"json" in .* should be true or false, not 1/],
    ['arguments: a.png', /"arguments" in .* should be a list of strings, not "a.png"/],
    ['package: 1.0.0\ncommand: draw\nconfig: {}', /is a configuration for draw, not for paint/],
  ];
  for (const [text, message] of cases) {
    const root = await writeTree(t, { 'c.yaml': text });
    await t.rejects(readConfiguration(syntax, join(root, 'c.yaml')), { name: 'UsageError', message }, text);
  }
  const root = await writeTree(t, { 'c.yaml': '- 1' });
  await t.rejects(readConfiguration(syntax, join(root, 'c.yaml')), { code: 'INVALID_ARGUMENT' });
});

t.test('configured by file, by the saved file and by flags: the same bits', async (t) => {
  const root = t.testdir();
  const at = (name: string) => join(root, name);
  const { model, data } = await tinySettings(root, { train: 3, val: 1 });
  const settings = { model, data, imageSize: 64, device: 'cpu', epochs: 2, batchSize: 2, seed: 5 } as const;
  await writeFile(at('run.yaml'), stringify({ ...settings, learningRate: 3e-3 }));
  const train = async (name: string, ...argv: string[]) => {
    const { code, stderr } = await runCommand(['train', '--out', at(name), ...argv]);
    t.equal(code, 0, stderr);
    return [tensorDigests(at(name), 'best'), tensorDigests(at(name), 'last')];
  };
  const byFile = await train('by-file', '--config', at('run.yaml'), '--save-config', at('saved.yaml'));
  const saved = parse(readFileSync(at('saved.yaml'), 'utf8')) as object;
  t.match(saved, { command: 'train', config: { 'batch-size': 2, lr: 3e-3, out: at('by-file') } });
  t.same(await train('by-saved', '--config', at('saved.yaml')), byFile);
  t.same(await train('by-run', '--config', at('by-file/config.json')), byFile);
  t.same(await train('by-flags', ...asFlags({ ...settings, learningRate: 3e-3 })), byFile);
  const faster = await train('faster', '--config', at('run.yaml'), '--lr', '1e-2');
  t.notSame(faster, byFile, 'a flag wins over the file');
});
