import { join } from 'node:path';
import t from 'tap';
import {
  configDifferences,
  readConfigFile,
  resolveConfig,
  trainDefaults,
  type TrainConfig,
} from '../../lib/train/config.js';
import { writeTree } from '../helpers/temporary.js';

const paths = { model: 'model.pt', data: 'data', out: 'run' };

t.test('the defaults are the recipe', async (t) => {
  const config = resolveConfig(paths);
  t.match(config, {
    ...paths,
    epochs: 20,
    patience: 10,
    learningRate: 1e-4,
    weightDecay: 1e-4,
    batchSize: 1,
    accumulate: 1,
    maxNorm: 1,
    imageSize: 512,
    flip: 0.5,
    brightness: 0.3,
    contrast: 0.3,
    saturation: 0.3,
    hue: 0.1,
    precision: 'float16',
    headPrecision: 'bfloat16',
    mode: 'cached',
    views: 0,
    loss: 'cross-entropy',
    headKind: null,
    layers: 1,
  });
});

t.test(
  'the loss reference is cross-entropy under its earlier name: in settings, and in a run to go on with',
  async (t) => {
    const stored = { ...resolveConfig(paths), loss: 'reference' } as unknown as TrainConfig;
    const config = resolveConfig(stored);
    t.equal(config.loss, 'cross-entropy');
    t.same(configDifferences(stored, config), []);
    t.same(configDifferences(stored, { ...config, loss: 'nll' }), ['loss: "cross-entropy" → "nll"']);
    t.equal(resolveConfig({ ...stored, headKind: 'linear_probe' }).loss, 'cross-entropy');
  },
);

t.test('an undefined setting leaves the default', async (t) => {
  const given = { ...paths, epochs: undefined } as unknown as Partial<TrainConfig>;
  t.equal(resolveConfig(given).epochs, trainDefaults.epochs);
});

t.test('a setting that is wrong is named with what was expected and what came', async (t) => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ epochs: 0 }, /"epochs" should be a whole number of at least 1, not 0\./],
    [{ epochs: 1.5 }, /"epochs" should be a whole number of at least 1, not 1\.5/],
    [{ epochs: '3' }, /"epochs" should be a whole number of at least 1, not "3"/],
    [{ learningRate: 0 }, /"learningRate" should be a number above 0, not 0/],
    [{ learningRate: NaN }, /"learningRate"/],
    [{ hue: 0.6 }, /"hue" should be a number from 0 to 0\.5, not 0\.6/],
    [{ flip: -0.1 }, /"flip" should be a number from 0 to 1/],
    [{ headPrecision: 'float16' }, /"headPrecision" should be one of bfloat16, float32, not "float16"/],
    [{ mode: 'fast' }, /"mode" should be one of cached, live, not "fast"/],
    [{ mode: 'live', views: 3 }, /"views" is 3, but live training does not support it\. Use mode cached/],
    [{ headKind: 'linear_probe', loss: 'nll' }, /"loss" is "nll", but a linear probe does not support it/],
    [{ headKind: 'linear_probe', layers: 3 }, /"layers" should be one of 1, 4, not 3/],
    [
      { headKind: 'class_embed', layers: 4 },
      /"layers" is 4, but class_embed reads queries and masks\. .*--head-kind linear_probe/,
    ],
    [{ passSize: 0 }, /"passSize" should be a whole number of at least 1, or null, not 0/],
    [{ passSize: 2.5 }, /"passSize" should be a whole number of at least 1, or null, not 2\.5/],
    [{ mode: 'live', passSize: 4 }, /"passSize" is 4, but live training does not support it/],
    [{ folds: 1 }, /"folds" should be a whole number of at least 2, or 0, not 1/],
    [{ folds: 3, sweep: 'lr=1,2' }, /either a sweep or folds/],
    [{ cacheDtype: 'int8' }, /"cacheDtype" should be one of bfloat16, uint8, float32/],
    [{ labelKind: 'ids' }, /"labelKind" should be one of labelIds, .*, or null/],
    [{ model: undefined }, /Missing --model FILE: .*\(setting "model"\)/],
    [{ learnRate: 1 }, /Unknown setting "learnRate"\. Did you mean "learningRate"\?/],
  ];
  for (const [given, message] of cases)
    t.throws(
      () => resolveConfig({ ...paths, ...given }),
      { code: 'INVALID_ARGUMENT', message },
      JSON.stringify(given),
    );
});

t.test('an image size that is no multiple of 32 is refused with the nearest ones', async (t) => {
  t.throws(() => resolveConfig({ ...paths, imageSize: 500 }), {
    code: 'SHAPE',
    message: /width 480 or 512 instead of 500/,
  });
});

t.test('a settings file is read, and refused where it is none', async (t) => {
  const root = await writeTree(t, {
    'good.json': '{"epochs": 5, "labelKind": null}',
    'unknown.json': '{"epoch": 5}',
    'list.json': '[1]',
    'broken.json': '{"epochs": ',
    'good.yaml': '# a comment\nepochs: 5\nlearningRate: 1e-3\n',
    'saved.json': '{"package": "0.1.0", "config": {"epochs": 7}, "modelId": "x"}',
    'list.yaml': '- 1\n',
    'broken.yaml': 'epochs: [5\n',
    'tagged.yaml': 'epochs: !minutes 5\n',
    'empty.yaml': '',
  });
  t.same(await readConfigFile(join(root, 'good.yaml')), { epochs: 5, learningRate: 1e-3 });
  t.same(await readConfigFile(join(root, 'saved.json')), { epochs: 7 });
  t.same(await readConfigFile(join(root, 'good.json')), { epochs: 5, labelKind: null });
  const refused: [string, string, RegExp][] = [
    [
      'unknown.json',
      'INVALID_ARGUMENT',
      /Unknown setting "epoch" in .*unknown\.json\. Did you mean "epochs"/,
    ],
    ['list.json', 'INVALID_ARGUMENT', /should contain settings by name.*, not a list/],
    ['list.yaml', 'INVALID_ARGUMENT', /, not a list/],
    ['empty.yaml', 'INVALID_ARGUMENT', /, not null/],
    ['broken.yaml', 'INVALID_ARGUMENT', /broken\.yaml is not valid YAML: .*line 2/],
    ['tagged.yaml', 'INVALID_ARGUMENT', /contains unsupported YAML: .*!minutes/],
    ['broken.json', 'INVALID_ARGUMENT', /is not JSON/],
    ['absent.json', 'FILE_NOT_FOUND', /absent\.json/],
  ];
  for (const [name, code, message] of refused)
    await t.rejects(readConfigFile(join(root, name)), { code, message }, name);
});

t.test('differences are listed, but for what does not touch the result', async (t) => {
  const config = resolveConfig(paths);
  const moved = {
    ...config,
    data: '/elsewhere',
    model: 'm2.pt',
    out: 'r2',
    prefetch: 9,
    saveEverySeconds: 1,
  };
  t.same(configDifferences(config, moved), []);
  t.same(configDifferences(config, { ...config, epochs: 30, seed: 1 }), ['epochs: 20 → 30', 'seed: 0 → 1']);
});
