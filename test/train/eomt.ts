/** Training class_embed on an EoMT network: cached as live, in use afterwards, and what it cannot train. */
import { join } from 'node:path';
import t from 'tap';
import { evaluate } from '../../lib/evaluate/evaluate.js';
import { SegmentationFeatures } from '../../lib/features/segmentation-features.js';
import { SegmentationDataset } from '../../lib/data/dataset.js';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { initModel } from '../../lib/model/init-model.js';
import { openSegmenter } from '../../lib/model/segmenter.js';
import type { TrainConfig } from '../../lib/train/config.js';
import { train } from '../../lib/train/loop.js';
import { runCommand } from '../helpers/command-line.js';
import { sameRuns } from '../helpers/same-runs.js';
import { picture } from '../helpers/tiny-network.js';
import { readMetrics, tinySettings } from '../helpers/tiny-run.js';

const root = t.testdir();
const model = join(root, 'eomt.pt');
await initModel({ arch: 'tiny-eomt', seed: 1, out: model });
const settings: Partial<TrainConfig> & { data: string } = {
  ...(await tinySettings(root, { train: 10, val: 4 })),
  ...{ brightness: 0, contrast: 0, saturation: 0, hue: 0 },
  ...{ headPrecision: 'float32', cacheDtype: 'float32', batchSize: 3, accumulate: 2 },
  ...{ model, epochs: 5, learningRate: 5e-2, patience: 0 },
};
const [live, cached] = [join(root, 'live'), join(root, 'cached')];

t.test('live training is cached training within 1e-5, and it learns', async (t) => {
  await train({ ...settings, mode: 'live', out: live });
  await train({ ...settings, mode: 'cached', out: cached, cache: join(root, 'cache') });
  sameRuns(t, live, cached);
  const losses = readMetrics(cached).map((line) => line['valLoss'] as number);
  t.ok(losses.at(-1)! < 0.9 * losses[0]!, `validation loss ${losses[0]} to ${losses.at(-1)}`);
});

t.test('matched masks, and a cache of 8 bits', async (t) => {
  const out = join(t.testdir(), 'run');
  const cache = join(t.testdirName, 'cache');
  await train({ ...settings, mode: 'cached', loss: 'mask2former', cacheDtype: 'uint8', out, cache });
  const losses = readMetrics(out).map((line) => line['trainLoss'] as number);
  t.ok(losses.every(Number.isFinite) && losses.at(-1)! < losses[0]!, losses.join(' '));
});

t.test("training begins with the network's own class_embed, whose 150 classes are mapped", async (t) => {
  const out = join(t.testdir(), 'run');
  const given = { initHead: 'map', epochs: 1, cache: join(root, 'cache') } as const;
  await train({ ...settings, ...given, mode: 'cached', out });
  t.equal(readMetrics(out).length, 1);
});

t.test('the trained head evaluates, predicts, exports and counts', async (t) => {
  const head = join(cached, 'best.safetensors');
  const classSet = await loadClassSet('idd26');
  using segmenter = await openSegmenter({ model, head, device: 'cpu' });
  const dataset = await SegmentationDataset.open(settings.data, 'val', classSet);
  const { mIoU } = await evaluate(segmenter.model, segmenter.head, dataset, { imageSize: 64 });
  t.ok(mIoU! > 0.02, `mIoU ${mIoU}`);

  const exported = join(t.testdir(), 'exported.pt');
  const { code, stderr } = await runCommand(['export', '--model', model, '--head', head, '--out', exported]);
  t.equal(code, 0, stderr);
  using whole = await openSegmenter({ model: exported, head, device: 'cpu' });
  const image = picture(96, 64);
  const [a, b] = [await segmenter.segment(image), await whole.segment(image)];
  t.same(a.data, b.data);

  // The classes of both heads, of one pass.
  using features = await SegmentationFeatures.open({
    ...{ model: segmenter.model, head, imageSize: 64, flavour: 'idd26' },
  });
  const [row] = await features.of([image]);
  const total = row!.values.reduce((sum, value) => sum + value, row!.unassigned);
  t.ok(Math.abs(total - 100) < 1e-6, `percentages sum to ${total}`);
});

t.test('a linear probe is refused: there are no features', async (t) => {
  for (const mode of ['live', 'cached'] as const)
    await t.rejects(train({ ...settings, mode, headKind: 'linear_probe', out: join(t.testdir(), mode) }), {
      code: 'MODEL_FORMAT',
    });
});
