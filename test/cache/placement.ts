/** Records give the same training wherever they lie: mapped, in pinned memory, on a CUDA device. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { HeadGroup } from '../../lib/train/head-group.js';
import { train } from '../../lib/train/loop.js';
import { engine } from '../../lib/native/engine.js';
import type { RecordPart, WrittenRecord } from '../../lib/native/bindings/engine.js';
import { close } from '../helpers/close.js';
import { randomBatch } from '../helpers/heads.js';
import { randomFeatures } from '../helpers/probe-loss.js';
import { readMetrics, tinySettings } from '../helpers/tiny-run.js';
import { createRandom } from '../helpers/random-values.js';

const e = engine();
const skip = e.info().cudaAvailable ? false : 'no CUDA device answers';
const sizes = { batch: 12, queries: 20, hidden: 32, classes: 7, h: 16, w: 24, height: 64, width: 96 };
const { queries, hidden, classes, h, w, height, width, batch: records } = sizes;
const labels: RecordPart = { name: 'labels', shape: [height, width], dtype: 'uint8' };
const layouts = {
  'queries and masks': [
    { name: 'queries', shape: [queries, hidden], dtype: 'float32' },
    { name: 'masks', shape: [queries, h, w], dtype: 'float32' },
    labels,
  ],
  features: [{ name: 'features', shape: [hidden, h, w], dtype: 'bfloat16' }, labels],
  'features in 8 bits': [
    { name: 'features', shape: [hidden, h, w], dtype: 'uint8' },
    { name: 'feature_ranges', shape: [hidden, 2], dtype: 'float32' },
    labels,
  ],
} satisfies Record<string, RecordPart[]>;
/** Records of a layout in a file. */
interface Written {
  layout: RecordPart[];
  file: string;
  places: WrittenRecord[];
}
const cacheId = '0123456789abcdef0123456789abcdef';

async function writeRecords(t: Test, layout: RecordPart[]): Promise<Written> {
  const folder = t.testdir();
  const file = join(folder, 'records.bin');
  const writer = e.createCacheWriter(layout, cacheId, join(folder, 'lock'));
  await e.openShard(writer, file, 0);
  const { handles } = randomBatch(sizes, { seed: 3 });
  const { features } = randomFeatures({ ...sizes, channels: hidden }, { seed: 4 }).handles;
  const { queries, masks, labels } = handles;
  const places = await e.appendRecords(
    writer,
    [{ parts: { queries, masks, features, labels }, images: Uint32Array.from(Array(sizes.batch).keys()) }],
    classes,
  );
  e.dispose(writer);
  return { layout, file, places };
}

/** Losses and weights of two epochs in batches of 5, and the counts of all records. */
async function trained(
  { layout, file, places }: Written,
  device: string,
  budget?: { deviceBytes: number; pinnedBytes: number },
) {
  const store = e.createRecordStore({
    ...{ layout, cacheId, files: [file], device },
    file: new Int32Array(records),
    offset: Float64Array.from(places, ({ offset }) => offset),
    checksum: BigUint64Array.from(places, ({ checksum }) => BigInt(`0x${checksum}`)),
  });
  const held = await e.loadRecords(store, budget);
  const random = createRandom(5);
  const weight = Float32Array.from({ length: classes * hidden }, () => random() - 0.5);
  const settings = { loss: 'cross-entropy', learningRate: 1e-2, weightDecay: 1e-4, maxNorm: 1 } as const;
  const isProbe = layout.some(({ name }) => name === 'features');
  using group = new HeadGroup([{ ...settings, classWeights: null }], {
    ...{ width: hidden, classes, device, precision: 'float32' },
    ...(isProbe
      ? { kind: 'linear_probe', initial: { seed: 2 } }
      : { kind: 'class_embed', initial: { weight, bias: new Float32Array(classes) } }),
  });
  const plan = {
    records: Int32Array.from({ length: 2 * records }, (_, i) => (i * 7) % records),
    ...{ batchSize: 5, accumulate: 2 },
    learningRates: new Float64Array(3).fill(1e-2),
  };
  const { losses } = await group.trainCached(store, plan, Infinity);
  const counts: number[] = [];
  await group.evaluateCached(
    store,
    Int32Array.from({ length: records }, (_, i) => i),
    (_, __, ___, confusion) => counts.push(...confusion),
  );
  const { arrays } = await group.state();
  e.dispose(store);
  return { held, losses, value: arrays.value!, counts };
}

for (const [what, layout] of Object.entries(layouts)) {
  t.test(`${what} on a CUDA device, in pinned memory and mapped train alike`, { skip }, async (t) => {
    const written = await writeRecords(t, layout);
    const cpu = await trained(written, 'cpu');
    const bytes = e.recordBytes(layout);
    for (const [name, onDevice, inPinnedMemory] of [
      ['all on the device', records, 0],
      ['none on the device', 0, 0],
      ['all pinned', 0, records],
      ['some of each', 4, 3],
    ] as const) {
      const budget = { deviceBytes: onDevice * bytes, pinnedBytes: inPinnedMemory * bytes };
      const cuda = await trained(written, 'cuda:0', budget);
      t.same(cuda.held, { onDevice, inPinnedMemory }, name);
      close(t, `${name}: losses`, cuda.losses, cpu.losses, { rtol: 1e-5 });
      close(t, `${name}: weights`, cuda.value, cpu.value, { rtol: 1e-5 });
      close(t, `${name}: counts`, cuda.counts, cpu.counts, { rtol: 1e-2 });
    }
    const { held } = await trained(written, 'cuda:0');
    t.same(held, { onDevice: records, inPinnedMemory: 0 }, 'without a budget, what is free');
  });

  t.test(`mapped ${what} train alike on every reading`, async (t) => {
    const written = await writeRecords(t, layout);
    const [first, second] = [await trained(written, 'cpu'), await trained(written, 'cpu')];
    t.same(first.held, { onDevice: 0, inPinnedMemory: 0 });
    t.same(first, second);
  });
}

t.test('cached training on CUDA has the losses of live training there', { skip }, async (t) => {
  const root = t.testdir();
  const settings = { ...(await tinySettings(root)), device: 'cuda' };
  const plain = { brightness: 0, contrast: 0, saturation: 0, hue: 0 };
  for (const [name, exact, rtol] of [
    ['float32', { headPrecision: 'float32', cacheDtype: 'float32' }, 1e-5],
    ['bfloat16', {}, 5e-3],
  ] as const) {
    const losses: Record<string, number[]> = {};
    for (const mode of ['live', 'cached'] as const) {
      const out = join(root, name, mode);
      await train({ ...settings, ...plain, ...exact, mode, out });
      losses[mode] = readMetrics(out).flatMap(({ trainLoss, valLoss }) => [
        Number(trainLoss),
        Number(valLoss),
      ]);
    }
    close(t, name, losses['cached']!, losses['live']!, { rtol });
  }
});
