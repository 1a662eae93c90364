/** Training on a backbone alone: probes of one and of four layers, cached and live. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { listCaches } from '../../lib/cache/manage.js';
import { initModel } from '../../lib/model/init-model.js';
import { LinearProbe } from '../../lib/model/linear-probe.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import type { TrainConfig } from '../../lib/train/config.js';
import { train } from '../../lib/train/loop.js';
import { makeCache } from '../../lib/train/make-cache.js';
import type { RunDescription } from '../../lib/train/run-folder.js';
import { writeFormulaModel } from '../helpers/network.js';
import { sameRuns } from '../helpers/same-runs.js';
import { tensorDigests, tinySettings } from '../helpers/tiny-run.js';

const root = t.testdir();
const { model: whole, ...rest } = await tinySettings(root, { train: 10, val: 4 });
const model = join(root, 'backbone.pt');
await initModel({ arch: 'tiny-backbone', seed: 3, out: model });
const settings: Partial<TrainConfig> = {
  ...{ ...rest, model, mode: 'cached', cacheDtype: 'float32', patience: 0 },
  ...{ brightness: 0, contrast: 0, saturation: 0, hue: 0, batchSize: 3, learningRate: 1e-2 },
};
const logged = async (given: Partial<TrainConfig>) => {
  const lines: string[] = [];
  await train({ ...settings, ...given }, { onLog: (line) => void lines.push(line) });
  return lines;
};

t.test('a linear probe is trained without being asked for, and that is said', async (t) => {
  const out = join(root, 'run');
  const lines = await logged({ out });
  const note = `${model} is a backbone alone: a linear probe is trained (--head-kind linear_probe)`;
  t.equal(lines[0], note);
  t.match(readFileSync(join(out, 'training.log'), 'utf8'), note);
  const { config } = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as RunDescription;
  t.match(config, { headKind: 'linear_probe', layers: 1 });
  using probe = await LinearProbe.load(join(out, 'best.safetensors'), { device: 'cpu' });
  using network = await SegmentationModel.load(model, { device: 'cpu' });
  probe.assertFits(network);
  t.match({ ...probe }, { layers: 1, width: network.width, classes: 26 });
  t.equal(probe.metadata.modelId, network.id);
  const asked = await logged({ out: join(root, 'asked'), headKind: 'linear_probe' });
  t.notOk(asked.includes(note), 'nothing to say of what was asked for');
  t.same(tensorDigests(join(root, 'asked'), 'best'), tensorDigests(out, 'best'));
});

t.test('what the network does not have is refused before anything is made', async (t) => {
  const out = join(root, 'refused');
  await t.rejects(train({ ...settings, out, headKind: 'class_embed' }), {
    code: 'HEAD_MISMATCH',
    message: /backbone\.pt is a backbone alone: .*--head-kind linear_probe/,
  });
  await t.rejects(train({ ...settings, out, loss: 'nll' }), {
    code: 'INVALID_ARGUMENT',
    message: /"loss" is "nll", but a linear probe does not support it/,
  });
  await t.rejects(train({ ...settings, out, model: whole, layers: 4 }), {
    code: 'INVALID_ARGUMENT',
    message: /"layers" is 4, but class_embed reads queries/,
  });
  const detector = await writeFormulaModel(join(root, 'detector'), 'det');
  await t.rejects(train({ ...settings, out, model: detector }), {
    code: 'MODEL_FORMAT',
    message: /detector/,
  });
  const eomt = join(root, 'eomt.pt');
  await initModel({ arch: 'tiny-eomt', seed: 1, out: eomt });
  for (const mode of ['cached', 'live'] as const)
    await t.rejects(
      train({ ...settings, out, mode, model: eomt, headKind: 'linear_probe' }),
      { code: 'MODEL_FORMAT', message: /features/ },
      `${mode}: a network without features`,
    );
  t.notOk(existsSync(out));
});

const cases: Record<string, Partial<TrainConfig>> = {
  'one layer': {},
  'four layers': { layers: 4 },
  'four layers of a network with a decoder': { layers: 4, headKind: 'linear_probe', model: whole },
  'a sweep over four layers': {
    layers: 4,
    sweep: 'lr=1e-2,3e-3;class-weights=none,frequency;weight-decay=0,1e-2',
  },
  'folds over four layers': { layers: 4, folds: 3 },
};
for (const [name, given] of Object.entries(cases))
  t.test(`${name}: live training is cached training within 1e-5`, async (t) => {
    t.testdir();
    const run = (mode: 'live' | 'cached') => join(t.testdirName, mode);
    for (const mode of ['live', 'cached'] as const)
      await train({
        ...{ ...settings, ...given, mode, out: run(mode) },
        cache:
          mode === 'cached'
            ? join(root, `cache-${given.layers ?? 1}-${given.model ? 'whole' : 'alone'}`)
            : null,
      });
    sameRuns(t, run('live'), run('cached'));
  });

t.test('a run of four layers that was stopped goes on to the same bits', async (t) => {
  const given = { ...settings, layers: 4, cacheDtype: 'uint8' } as const;
  const [straight, out] = [join(root, 'straight'), join(root, 'stopped')];
  await train({ ...given, out: straight });
  const controller = new AbortController();
  await t.rejects(
    train({ ...given, out }, { signal: controller.signal, onEpoch: () => controller.abort() }),
    { code: 'ABORTED' },
  );
  await train({ ...given, out }, { resume: true });
  for (const name of ['best', 'last'] as const)
    t.same(tensorDigests(out, name), tensorDigests(straight, name), name);
  using probe = await LinearProbe.load(join(out, 'best.safetensors'), { device: 'cpu' });
  using network = await SegmentationModel.load(model, { device: 'cpu' });
  t.equal(probe.layers, 4);
  t.equal(probe.width, 4 * network.width);
});

t.test('the size of records is said before the first is made', async (t) => {
  using network = await SegmentationModel.load(model, { device: 'cpu' });
  const { width } = network;
  const folder = join(root, 'sizes');
  const made = async (name: string, given: Partial<TrainConfig>) => {
    const lines: string[] = [];
    const cache = join(folder, name);
    const { bytes } = await makeCache(
      { ...settings, ...given, cache },
      { onLog: (line) => void lines.push(line) },
    );
    return { bytes, lines };
  };
  const plain = await made('plain', { cacheDtype: 'bfloat16' });
  const labels = 64 * 64;
  t.equal(plain.bytes, 24 * (width * 16 * 2 + labels));
  t.match(plain.lines[0], /is a backbone alone: a linear probe/);
  const said = `24 records of ${((width * 32 + labels) / 1024).toFixed(1)} KiB (features ${width}×4×4 bfloat16)`;
  t.match(plain.lines[1], said);
  t.match(plain.lines[1], /; with --cache-dtype uint8 \d/);
  const small = await made('small', { layers: 4, cacheDtype: 'uint8' });
  t.equal(small.bytes, 24 * (4 * width * (16 + 8) + labels));
  t.match(small.lines[1], `(features ${4 * width}×4×4 uint8)`);
  t.notMatch(small.lines[1], 'with --cache-dtype');
  const contents = (await listCaches(folder)).map(({ key }) => `${key.contents} ${key.dtype}`);
  t.same(contents, ['features bfloat16', 'layer_features uint8']);
});
