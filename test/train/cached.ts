/** Training on cached outputs against live training, and against the reference's recorded runs. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { engine } from '../../lib/native/engine.js';
import type { RecordPart } from '../../lib/native/bindings/engine.js';
import type { TrainConfig } from '../../lib/train/config.js';
import { HeadGroup } from '../../lib/train/head-group.js';
import { train } from '../../lib/train/loop.js';
import { cosineLearningRate } from '../../lib/train/schedule.js';
import { close } from '../helpers/close.js';
import {
  formulaRecorded,
  recordedClasses,
  recordedHidden,
  recordedRuns,
  type Recorded,
} from '../helpers/recorded-training.js';
import { writeTinyNetwork } from '../helpers/tiny-network.js';
import { readMetrics, readTensors, tinySettings } from '../helpers/tiny-run.js';

const root = t.testdir();
const noJitter = { brightness: 0, contrast: 0, saturation: 0, hue: 0 };
const settings: Partial<TrainConfig> = {
  ...(await tinySettings(root, { train: 10, val: 6 })),
  ...noJitter,
  model: (await writeTinyNetwork(root)).model,
  epochs: 5,
  learningRate: 1e-2,
  patience: 0,
};
const cache = (dtype: string) => join(root, `cache-${dtype}`);

const liveRuns = new Map<string, string>();

/** Folder of the live run of these settings, which are trained once: a cache's dtype means nothing to it. */
async function liveRun({ cacheDtype: _, ...given }: Partial<TrainConfig>): Promise<string> {
  const key = JSON.stringify(given);
  const out = liveRuns.get(key) ?? join(root, `live-${liveRuns.size}`);
  if (!liveRuns.has(key)) await train({ ...settings, ...given, mode: 'live', out });
  liveRuns.set(key, out);
  return out;
}

/** Trains the same run live and cached; says how far they are from one another. */
async function compare(
  t: Test,
  given: Partial<TrainConfig>,
  bounds: { losses: number; mIoU: number; weight: number },
): Promise<void> {
  const { cacheDtype = 'bfloat16' } = given;
  const [live, cached] = [await liveRun(given), join(t.testdir(), 'cached')];
  await train({ ...settings, ...given, mode: 'cached', out: cached, cache: cache(cacheDtype) });
  const [expected, actual] = [readMetrics(live), readMetrics(cached)];
  t.same(
    actual.map(({ epoch, lr }) => [epoch, lr]),
    expected.map(({ epoch, lr }) => [epoch, lr]),
  );
  for (const key of ['trainLoss', 'valLoss']) {
    const errors = expected.map((line, i) =>
      Math.abs((actual[i]![key] as number) / (line[key] as number) - 1),
    );
    const largest = Math.max(...errors);
    t.ok(
      largest <= bounds.losses,
      `${key} of ${errors.length} epochs: ${largest.toExponential(1)} ≤ ${bounds.losses}`,
    );
  }
  const [last, expectedLast] = [actual, expected].map((lines) => lines.at(-1)!['mIoU'] as number);
  t.ok(expectedLast! > 0.015, `live mIoU ${expectedLast}`);
  const apart = Math.abs(last! - expectedLast!);
  t.ok(apart <= bounds.mIoU, `final mIoU: ${apart.toExponential(1)} ≤ ${bounds.mIoU}`);
  const weight = (run: string) => {
    const tensors = Object.entries(readTensors(run, 'last'));
    return tensors.find(([name]) => name.endsWith('class_embed.weight'))![1].data as Float32Array;
  };
  close(t, 'final weights', weight(cached), weight(live), { rtol: bounds.weight });
}

const float32 = { headPrecision: 'float32', cacheDtype: 'float32' } as const;

t.test('in float32 a run on cached outputs is the live one', async (t) => {
  await t.test('one image at a time, a step each', (t) =>
    compare(t, { ...float32, accumulate: 1 }, { losses: 1e-5, mIoU: 1e-4, weight: 1e-4 }),
  );
  await t.test('batches of three, the last of one, two a step', (t) =>
    compare(t, { ...float32, batchSize: 3, accumulate: 2 }, { losses: 1e-5, mIoU: 1e-4, weight: 1e-4 }),
  );
});

t.test('with the default dtypes it is close to the live one', async (t) => {
  await t.test('one image at a time', (t) => compare(t, {}, { losses: 5e-3, mIoU: 2e-3, weight: 1e-2 }));
  await t.test('batches of three, the last of one, two a step', (t) =>
    compare(t, { batchSize: 3, accumulate: 2 }, { losses: 5e-3, mIoU: 2e-3, weight: 1e-2 }),
  );
});

t.test('with masks of 8 bits it is near the live one', (t) =>
  compare(t, { cacheDtype: 'uint8' }, { losses: 5e-3, mIoU: 5e-3, weight: 2e-2 }),
);

/** Writes decoded images and their labels to a cache of one file; returns its records. */
async function writeRecorded(folder: string, { decoded, labels }: Recorded) {
  const shapes = { queries: decoded[0]!.queries.shape, masks: decoded[0]!.masks.shape };
  const layout: RecordPart[] = [
    { name: 'queries', shape: shapes.queries.slice(1), dtype: 'float32' },
    { name: 'masks', shape: shapes.masks.slice(1), dtype: 'float32' },
    { name: 'labels', shape: labels[0]!.shape.slice(1), dtype: 'uint8' },
  ];
  const cacheId = '0123456789abcdef'.repeat(2);
  const file = join(folder, 'records-00000.bin');
  const writer = engine().createCacheWriter(layout, cacheId, join(folder, 'lock'));
  await engine().openShard(writer, file, 0);
  const written = [];
  for (const [i, { queries, masks }] of decoded.entries()) {
    const parts = { queries: queries.handle, masks: masks.handle, labels: labels[i]!.handle };
    written.push(
      ...(await engine().appendRecords(
        writer,
        [{ parts, images: Uint32Array.from(Array(queries.shape[0]!).keys()) }],
        recordedClasses,
      )),
    );
  }
  await engine().syncShard(writer);
  engine().dispose(writer);
  const store = engine().createRecordStore({
    ...{ layout, cacheId, files: [file], device: 'cpu' },
    file: new Int32Array(written.length),
    offset: Float64Array.from(written, ({ offset }) => offset),
    checksum: BigUint64Array.from(written, ({ checksum }) => BigInt(`0x${checksum}`)),
  });
  return { store, written };
}

t.test('training on a cache gives the recorded losses and weights', async (t) => {
  const recorded = await formulaRecorded(t.testdir());
  const { golden, init, decoded } = recorded;
  const { store, written } = await writeRecorded(t.testdir(), recorded);
  t.same(await engine().verifyRecords(store), []);
  t.equal(written.length, decoded.length);
  for (const [name, settings] of Object.entries(recordedRuns))
    await t.test(name, async (t) => {
      const expected = (key: string) => golden[`${name}.${key}`]!.data as Float64Array;
      const { accumulate, ...rates } = settings;
      const steps = expected('lr').length;
      const order = golden[`${name}.image_index`]?.data as BigInt64Array | undefined;
      const records = Int32Array.from({ length: steps * accumulate }, (_, turn) =>
        order ? Number(order[turn]) : turn % decoded.length,
      );
      using group = new HeadGroup([{ ...rates, loss: 'cross-entropy', maxNorm: 1, classWeights: null }], {
        kind: 'class_embed',
        ...{ width: recordedHidden, classes: recordedClasses, device: 'cpu', precision: 'float32' },
        initial: init,
      });
      const learningRates = Float64Array.from({ length: steps }, (_, step) =>
        cosineLearningRate(rates.learningRate, step, steps),
      );
      const { losses, norms, batches } = await group.trainCached(
        store,
        { records, batchSize: 1, accumulate, learningRates },
        Infinity,
      );
      t.equal(batches, records.length);
      const stepLosses = learningRates.map((_, step) => {
        const own = losses.subarray(step * accumulate, (step + 1) * accumulate);
        return own.reduce((sum, loss) => sum + loss, 0) / accumulate;
      });
      close(t, 'losses', stepLosses, expected('loss'), { rtol: 1e-5, atol: 1e-4 });
      close(t, 'gradient norms', norms, expected('grad_norm'), { rtol: 1e-5 });
      const value = (await group.state()).arrays.value!;
      const weights = [...expected('weight'), ...expected('bias')];
      close(t, 'final weights', value, weights, { rtol: 1e-5 });
    });
});
