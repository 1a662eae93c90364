/** Heads side by side: a sweep gives what its heads give alone; folds leave out what they should; probes. */
import { copyFileSync, cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { SegmentationDataset } from '../../lib/data/dataset.js';
import { openHead } from '../../lib/model/open-head.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import type { TrainConfig } from '../../lib/train/config.js';
import { evaluate } from '../../lib/evaluate/evaluate.js';
import { train } from '../../lib/train/loop.js';
import { foldsOf } from '../../lib/train/sweep-settings.js';
import { sameBits } from '../helpers/close.js';
import { readMetrics, readTensors, tinySettings } from '../helpers/tiny-run.js';

const root = t.testdir();
const settings = {
  ...(await tinySettings(root, { train: 10, val: 3 })),
  mode: 'cached',
  headPrecision: 'float32',
  cache: join(root, 'cache'),
  batchSize: 3,
  patience: 0,
} satisfies Partial<TrainConfig>;

/** Asserts that lines of metrics.jsonl are alike. */
function checkMetrics(t: Test, actual: Record<string, unknown>[], expected: Record<string, unknown>[]): void {
  t.equal(actual.length, expected.length, 'epochs');
  let largest = 0;
  for (const [i, line] of expected.entries())
    for (const key of ['epoch', 'trainLoss', 'valLoss', 'mIoU', 'perImageIoU', 'pixelAccuracy', 'lr']) {
      const [a, b] = [actual[i]![key] as number, line[key] as number];
      if (typeof a !== 'number' || typeof b !== 'number') t.fail(`${key}: ${a} for ${b}`);
      largest = Math.max(largest, Math.abs(a - b) / Math.max(1e-3, Math.abs(b)));
    }
  t.ok(largest <= 1e-5, `metrics: ${largest.toExponential(1)} ≤ 1e-5`);
}

t.test('each head of a sweep is what it is alone', async (t) => {
  const out = join(root, 'sweep');
  const sweep = 'lr=1e-3,4e-3;loss=cross-entropy,nll,mask2former;class-weights=none,frequency';
  const { heads, best } = await train({ ...settings, sweep, out });
  t.equal(heads!.length, 12);
  t.same(JSON.parse(readFileSync(join(out, 'sweep.json'), 'utf8')), heads);
  const lines = readMetrics(out);
  for (const { head, learningRate, weightDecay, loss, classWeights, best: own, outcome } of heads!)
    await t.test(`${loss}, rate ${learningRate}, class weights ${classWeights}`, async (t) => {
      const alone = join(root, `alone-${head}`);
      const result = await train({
        ...settings,
        ...{ learningRate, weightDecay, loss, classWeights },
        out: alone,
      });
      checkMetrics(
        t,
        lines.filter((line) => line['head'] === head),
        readMetrics(alone),
      );
      t.equal(own!.epoch, result.best!.epoch);
      t.equal(outcome, 'trained');
    });
  const bestOf = Math.max(...heads!.map((row) => row.best!.mIoU));
  t.equal(best!.mIoU, bestOf, 'the best head of all is the result');
  const classSet = await loadClassSet('idd26');
  using model = await SegmentationModel.load(settings.model);
  using head = await openHead(join(out, 'best.safetensors'));
  const val = await SegmentationDataset.open(settings.data, 'val', classSet);
  const measured = await evaluate(model, head, val, { imageSize: 64 });
  t.ok(Math.abs(measured.mIoU! - bestOf) < 1e-3, `its file: ${measured.mIoU} for ${bestOf}`);
});

t.test('a head that is lost leaves the others as they are', async (t) => {
  const out = join(root, 'lost');
  const { heads } = await train({ ...settings, sweep: 'lr=1e-3,1e38', maxNorm: 0, out });
  t.same(
    heads!.map(({ outcome }) => outcome),
    ['trained', 'lost'],
  );
  const alone = join(root, 'not-lost');
  await train({ ...settings, learningRate: 1e-3, maxNorm: 0, out: alone });
  checkMetrics(
    t,
    readMetrics(out).filter(({ head }) => head === 0),
    readMetrics(alone),
  );
  await t.rejects(train({ ...settings, learningRate: 1e38, maxNorm: 0, out: join(root, 'lost-alone') }), {
    code: 'RUN',
    message: /The loss became/,
  });
});

t.test('a head whose patience runs out stops, and the sweep when all have', async (t) => {
  const out = join(root, 'patience');
  const { heads, epochs } = await train({
    ...settings,
    sweep: 'lr=1e-12,2e-12',
    patience: 1,
    epochs: 9,
    out,
  });
  t.same(
    heads!.map(({ outcome, best }) => [outcome, best!.epoch]),
    [
      ['stopped', 1],
      ['stopped', 1],
    ],
  );
  t.equal(epochs, 2);
  t.equal(readMetrics(out).length, 4);
});

const weights = 'heads.0.segmentation_model.1.predictor.class_embed.weight';

for (const loss of ['cross-entropy', 'mask2former'] as const)
  t.test(`no head of a cross-validation with ${loss} learns from its fold`, async (t) => {
    const changed = join(root, `changed-${loss}`);
    cpSync(settings.data, changed, { recursive: true });
    const label = (index: number) =>
      join(changed, `gtFine/train/scene/00000${index}_gtFine_labellevel3Ids.png`);
    const fold = foldsOf(10, 2, 3);
    const [first, other] = [fold.indexOf(0), fold.indexOf(1)];
    // Every image of the first fold gets the label of an image of the other one.
    fold.forEach((own, index) => own === 0 && copyFileSync(label(other), label(index)));
    t.ok(first >= 0);
    const given = { ...settings, loss, folds: 2 };
    const [before, after] = [join(root, `folds-${loss}`), join(root, `folds-changed-${loss}`)];
    const { heads } = await train({ ...given, out: before });
    await train({ ...given, data: changed, cache: join(root, `changed-cache-${loss}`), out: after });
    const rows = (run: string) => {
      const { data, shape } = readTensors(run, 'last')[weights]!;
      t.equal(shape[0], 2);
      return [0, 1].map((head) => data.slice((head * data.length) / 2, ((head + 1) * data.length) / 2));
    };
    const [expected, actual] = [rows(before), rows(after)];
    t.ok(sameBits(actual[0]!, expected[0]!), 'the head that leaves the changed images out is the same');
    t.notOk(sameBits(actual[1]!, expected[1]!), 'the other one is not');
    t.same(
      heads!.map(({ head, outcome }) => [head, outcome]),
      [
        [0, 'trained'],
        [1, 'trained'],
      ],
    );
    t.notOk(existsSync(join(before, 'best.safetensors')), 'none of them is for use');
  });

t.test('a linear probe is trained, and its file evaluates on the live network to the same', async (t) => {
  const out = join(root, 'probe');
  const { best } = await train({
    ...settings,
    headKind: 'linear_probe',
    cache: join(root, 'probe-cache'),
    learningRate: 1e-2,
    epochs: 6,
    out,
  });
  const losses = readMetrics(out).map(({ trainLoss }) => trainLoss as number);
  t.ok(losses.at(-1)! < 0.9 * losses[0]!, `losses ${losses.map((loss) => loss.toFixed(3)).join(', ')}`);
  const classSet = await loadClassSet('idd26');
  using model = await SegmentationModel.load(settings.model);
  using probe = await openHead(join(out, 'best.safetensors'));
  const val = await SegmentationDataset.open(settings.data, 'val', classSet);
  const { mIoU, loss } = await evaluate(model, probe, val, { imageSize: 64 });
  t.ok(Math.abs(mIoU! - best!.mIoU) < 1e-3, `mIoU ${mIoU} for ${best!.mIoU}`);
  const valLoss = readMetrics(out)[best!.epoch - 1]!['valLoss'] as number;
  t.ok(Math.abs(loss! / valLoss - 1) < 5e-3, `loss ${loss} for ${valLoss}`);
});
