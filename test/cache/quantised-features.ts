/** Features in 8 bits: how far off they are, and what training on them gives. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { CacheFolder } from '../../lib/cache/cache-folder.js';
import { readRecord } from '../../lib/cache/read-record.js';
import { NetworkOutputs } from '../../lib/model/network-outputs.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import type { RecordPart } from '../../lib/native/bindings/engine.js';
import type { TrainConfig } from '../../lib/train/config.js';
import { HeadGroup } from '../../lib/train/head-group.js';
import { train } from '../../lib/train/loop.js';
import { close } from '../helpers/close.js';
import { createRandom } from '../helpers/random-values.js';
import { cacheSource, fill } from '../helpers/tiny-cache.js';
import { readMetrics, tinySettings } from '../helpers/tiny-run.js';

const e = engine();
const cacheId = '0123456789abcdef0123456789abcdef';
const [images, channels, h, w, classes] = [3, 5, 4, 6, 4];
const layout: RecordPart[] = [
  { name: 'features', shape: [channels, h, w], dtype: 'uint8' },
  { name: 'feature_ranges', shape: [channels, 2], dtype: 'float32' },
  { name: 'labels', shape: [32, 48], dtype: 'uint8' },
];
const random = createRandom(7);
/** Channels of many sizes; the last is the same everywhere. */
const values = Float32Array.from({ length: images * channels * h * w }, (_, i) => {
  const channel = Math.floor(i / (h * w)) % channels;
  return channel === channels - 1 ? 1.25 : (random() - 0.3) * 10 ** (channel - 1);
});
const labels = Uint8Array.from({ length: images * 32 * 48 }, () => Math.floor(random() * classes));

t.test('a stored value is off by half a step of its channel at most', async (t) => {
  const folder = t.testdir();
  const file = join(folder, 'records.bin');
  const writer = e.createCacheWriter(layout, cacheId, join(folder, 'lock'));
  await e.openShard(writer, file, 0);
  using features = Tensor.from(values, [images, channels, h, w]);
  using truth = Tensor.from(labels, [images, 32, 48]);
  const parts = { features: features.handle, labels: truth.handle };
  const places = await e.appendRecords(
    writer,
    [{ parts, images: Uint32Array.from(Array(images).keys()) }],
    classes,
  );
  e.dispose(writer);
  t.equal(e.recordBytes(layout), 128 + 64 + 32 * 48, 'a byte a value');

  const read: number[] = [];
  for (const place of places) {
    using outputs = await readRecord(file, place, layout);
    t.same(outputs.features!.shape, [1, channels, h, w]);
    read.push(...(await outputs.features!.floats()));
  }
  for (let row = 0; row < images * channels; row++) {
    const [own, stored] = [values, read].map((all) => [...all.slice(row * h * w, (row + 1) * h * w)]);
    const step = (Math.max(...own!) - Math.min(...own!)) / 255;
    const worst = Math.max(...own!.map((value, i) => Math.abs(value - stored![i]!)));
    t.ok(worst <= step * 0.5001, `row ${row}: ${worst} of a step of ${step}`);
    t.equal(Math.min(...stored!), Math.min(...own!), 'the least value is exact');
  }

  const store = e.createRecordStore({
    ...{ layout, cacheId, files: [file], device: 'cpu', file: new Int32Array(images) },
    offset: Float64Array.from(places, ({ offset }) => offset),
    checksum: BigUint64Array.from(places, ({ checksum }) => BigInt(`0x${checksum}`)),
  });
  await e.loadRecords(store);
  const setting = {
    loss: 'cross-entropy',
    learningRate: 1e-2,
    weightDecay: 0,
    maxNorm: 1,
    classWeights: null,
  } as const;
  const group = () =>
    new HeadGroup([setting], {
      ...{ kind: 'linear_probe', width: channels, classes, device: 'cpu', precision: 'float32' },
      initial: { seed: 1 },
    });
  using cached = group();
  const plan = { batchSize: images, accumulate: 1, learningRates: Float64Array.of(1e-2) };
  const { losses } = await cached.trainCached(store, { ...plan, records: Int32Array.of(0, 1, 2) }, Infinity);
  using again = Tensor.from(Float32Array.from(read), [images, channels, h, w]);
  using live = group();
  const [loss] = await live.accumulate(new NetworkOutputs(undefined, again), truth, 1);
  close(t, 'the engine reads what readRecord reads', losses, [loss!], { rtol: 1e-6 });
  e.dispose(store);
});

t.test('a layout has ranges with features in uint8, and only then', async (t) => {
  const [features, ranges, truth] = layout as [RecordPart, RecordPart, RecordPart];
  const expected = { code: 'INVALID_ARGUMENT', message: /feature_ranges C×2/ };
  t.throws(() => e.recordBytes([features, truth]), expected);
  t.throws(() => e.recordBytes([{ ...features, dtype: 'bfloat16' }, ranges, truth]), expected);
  t.throws(() => e.recordBytes([features, { ...ranges, shape: [channels + 1, 2] }, truth]), expected);
  const folder = t.testdir();
  const writer = e.createCacheWriter(layout, cacheId, join(folder, 'lock'));
  await e.openShard(writer, join(folder, 'records.bin'), 0);
  using flat = Tensor.from(values.subarray(0, 10), [2, 5]);
  using one = Tensor.from(labels.subarray(0, 32 * 48), [1, 32, 48]);
  await t.rejects(
    e.appendRecords(
      writer,
      [{ parts: { features: flat.handle, labels: one.handle }, images: Uint32Array.of(0) }],
      classes,
    ),
    {
      code: 'SHAPE',
      message: /features B×C×h×w/,
    },
  );
  e.dispose(writer);
});

const root = t.testdir();
const settings: Partial<TrainConfig> = {
  ...(await tinySettings(root)),
  ...{ headKind: 'linear_probe', mode: 'cached', headPrecision: 'float32' },
};

t.test('training on them is training on float32 within their rounding', async (t) => {
  const losses: Record<string, number[]> = {};
  for (const cacheDtype of ['float32', 'uint8'] as const) {
    const out = join(root, cacheDtype);
    await train({ ...settings, cacheDtype, out });
    losses[cacheDtype] = readMetrics(out).flatMap(({ trainLoss, valLoss }) => [
      Number(trainLoss),
      Number(valLoss),
    ]);
  }
  close(t, 'losses', losses['uint8']!, losses['float32']!, { rtol: 5e-3 });
  t.notSame(losses['uint8'], losses['float32']);
});

t.test('a cache that an earlier release began in bfloat16 goes on so', async (t) => {
  const source = await cacheSource({ ...settings, cacheDtype: 'uint8' });
  const path = join(root, 'earlier');
  mkdirSync(path);
  const begun = await CacheFolder.open(path, source.key);
  const width = 64;
  const earlier: RecordPart[] = [
    { name: 'features', shape: [width, 4, 4], dtype: 'bfloat16' },
    { name: 'labels', shape: [64, 64], dtype: 'uint8' },
  ];
  await begun.tidy({ layout: earlier, passSize: 1 }, new Map());
  const { made } = await fill(path, source);
  t.equal(made, 22);
  const folder = await CacheFolder.open(path, source.key);
  t.same(folder.layout, earlier);
  t.same((await folder.verify()).damage, []);
});

t.test('a layout that no file could hold is refused', (t) => {
  const [features, ranges, truth] = layout as [RecordPart, RecordPart, RecordPart];
  for (const shape of [
    [2 ** 40, 2 ** 40],
    [2 ** 31, 2 ** 31],
  ])
    t.throws(() => e.recordBytes([features, ranges, { ...truth, shape }]), {
      code: 'INVALID_ARGUMENT',
      message: /labels .* is larger than any file/,
    });
  t.end();
});
