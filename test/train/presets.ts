/** Presets: groups of settings between the defaults and what is given. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { exportModel } from '../../lib/model/convert.js';
import { initModel } from '../../lib/model/init-model.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { fits } from '../../lib/setting.js';
import { resolveConfig, trainDefaults, type TrainConfig } from '../../lib/train/config.js';
import { train } from '../../lib/train/loop.js';
import { presetNote, trainPresets } from '../../lib/train/presets.js';
import type { RunDescription } from '../../lib/train/run-folder.js';
import { trainSettings, type TrainSettingName } from '../../lib/train/settings.js';
import { runCommand } from '../helpers/command-line.js';
import { asFlags, tensorDigests, tinySettings } from '../helpers/tiny-run.js';

const paths = { model: 'model.pt', data: 'data', out: 'run' };

t.test('the settings of every preset keep their rules, and those of recipe are the defaults', async (t) => {
  for (const [preset, kinds] of Object.entries(trainPresets))
    for (const [headKind, settings] of Object.entries(kinds)) {
      const names = Object.keys(settings) as (TrainSettingName & keyof typeof settings)[];
      for (const name of names) t.ok(fits(trainSettings[name], settings[name]), `${preset} ${name}`);
      t.doesNotThrow(() => resolveConfig({ ...paths, ...settings, headKind } as Partial<TrainConfig>));
      const other = trainPresets.recipe[headKind as keyof typeof kinds];
      t.same(names, Object.keys(other), 'presets decide over the same settings');
    }
  t.same(resolveConfig({ ...paths, preset: 'recipe' }), resolveConfig(paths));
  t.same(resolveConfig(paths), { ...trainDefaults, ...paths });
});

t.test('a preset goes before the defaults, and given settings go before it', async (t) => {
  const recommended = { loss: 'nll', initHead: 'map', learningRate: 1e-3 };
  const given = { ...paths, preset: 'recommended' } as const;
  t.match(resolveConfig(given), { ...recommended, preset: 'recommended', epochs: 20 });
  t.match(resolveConfig({ ...given, learningRate: 1e-4 }), {
    ...recommended,
    learningRate: 1e-4,
  });
  t.match(resolveConfig({ ...given, headKind: 'linear_probe' }), {
    ...trainPresets.recommended.linear_probe,
    loss: 'cross-entropy',
    initHead: 'xavier',
  });
  for (const preset of ['best', 'constructor'])
    t.throws(() => resolveConfig({ ...paths, preset } as unknown as Partial<TrainConfig>), {
      code: 'INVALID_ARGUMENT',
      message: new RegExp(`"preset" should be one of recipe, recommended, not "${preset}"`),
    });
});

t.test('what a preset sets is said, and what was given instead', async (t) => {
  const own = { headKind: 'class_embed', ...trainPresets.recommended.class_embed } as const;
  t.equal(presetNote('recommended', own), 'Preset recommended: loss nll, init-head map, lr 0.001');
  t.equal(
    presetNote('recommended', { ...own, learningRate: 1e-4 }),
    'Preset recommended: loss nll, init-head map; given instead: lr 0.0001',
  );
  t.equal(
    presetNote('recommended', { headKind: 'linear_probe', learningRate: 1 }),
    'Preset recommended: none of its settings; given instead: lr 1',
  );
});

t.test('flags and files name a preset; the run records it with its settings, and resumes', async (t) => {
  const root = t.testdir();
  const { learningRate: _, ...tiny } = await tinySettings(root, { train: 4, val: 2 });
  const settings = { ...tiny, epochs: 1 };
  const [out, written] = [join(root, 'run'), join(root, 'written')];
  const configOf = (run: string) =>
    (JSON.parse(readFileSync(join(run, 'config.json'), 'utf8')) as RunDescription).config;
  const flags = await runCommand(['train', ...asFlags({ ...settings, out }), '--preset', 'recommended']);
  t.equal(flags.code, 0, flags.stderr);
  t.match(flags.stderr, /Preset recommended: loss nll, init-head map, lr 0\.001/);
  t.match(configOf(out), { preset: 'recommended', ...trainPresets.recommended.class_embed });

  const spelled = { ...settings, ...trainPresets.recommended.class_embed };
  await train({ ...spelled, out: written });
  t.match(configOf(written), { preset: 'recipe', loss: 'nll' });
  t.same(tensorDigests(out, 'best'), tensorDigests(written, 'best'), 'the same head as by its settings');

  const [mixed, yaml] = [join(root, 'mixed'), join(root, 'run.yaml')];
  writeFileSync(yaml, 'preset: recommended\nlr: 2e-3\n');
  const file = await runCommand([
    ...['train', '--config', yaml, ...asFlags({ ...settings, out: mixed }), '--loss', 'cross-entropy'],
  ]);
  t.equal(file.code, 0, file.stderr);
  t.match(file.stderr, /Preset recommended: init-head map; given instead: loss cross-entropy, lr 0\.002/);
  t.match(configOf(mixed), { initHead: 'map', loss: 'cross-entropy', learningRate: 2e-3 });

  const resumed = await runCommand(['train', '--out', mixed, '--resume']);
  t.equal(resumed.code, 0, resumed.stderr);
  t.notMatch(resumed.stderr, /Preset/);
  await train({ out: mixed, preset: 'recommended' }, { resume: true });
  await t.rejects(train({ out: mixed, preset: 'recipe' }, { resume: true }), {
    code: 'RUN',
    message: /preset: "recommended" → "recipe"/,
  });
});

t.test('the network decides whose settings a preset means', async (t) => {
  const root = t.testdir();
  const { learningRate: _, ...tiny } = await tinySettings(root, { train: 4, val: 2 });
  const model = join(root, 'backbone.pt');
  await initModel({ arch: 'tiny-backbone', seed: 3, out: model });
  const lines: string[] = [];
  const settings: Partial<TrainConfig> = { ...tiny, model, epochs: 1, preset: 'recommended' };
  const out = join(root, 'probe');
  await train({ ...settings, mode: 'cached', out }, { onLog: (line) => void lines.push(line) });
  const { config } = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as RunDescription;
  t.match(config, {
    ...{ headKind: 'linear_probe', preset: 'recommended', loss: 'cross-entropy', initHead: 'xavier' },
    ...trainPresets.recommended.linear_probe,
  });
  t.ok(lines.includes(presetNote('recommended', config as Parameters<typeof presetNote>[1])));
});

t.test(
  'weights that a network or a class set lacks are refused before the pass over all images',
  async (t) => {
    const root = t.testdir();
    const { learningRate: _, ...settings } = await tinySettings(root, { train: 4, val: 2 });
    const classes = join(root, 'own.json');
    const own = Array.from({ length: 26 }, (_, i) => ({ name: `own ${i}`, color: [i, i, i] }));
    const mapping = Object.fromEntries(own.map((_, i) => [i, i]));
    writeFileSync(classes, JSON.stringify({ name: 'own', classes: own, mapping }));
    const model = join(root, 'other-head.pt');
    using network = await SegmentationModel.load(settings.model, { device: 'cpu' });
    using head = ClassHead.create({
      hidden: network.hidden,
      classes: await loadClassSet('idd26'),
      device: 'cpu',
    });
    await exportModel(network, head, model);
    const cases = [
      [{ classes }, 'CLASSES', /"own" has the name of an ADE20K class\. .*--init-head xavier/],
      [{ model }, 'HEAD_MISMATCH', /this one has 26 outputs\. .*--init-head xavier/],
    ] as const;
    for (const [given, code, message] of cases) {
      const phases = new Set<string>();
      const refused: Partial<TrainConfig> = { ...settings, ...given, preset: 'recommended', mode: 'cached' };
      await t.rejects(
        train({ ...refused, out: join(root, code) }, { onProgress: ({ phase }) => void phases.add(phase) }),
        { code, message },
      );
      t.same([...phases], [], 'nothing was computed');
    }
  },
);
