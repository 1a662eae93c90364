/** Linear probes side by side against their definition in float64. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { engine } from '../../lib/native/engine.js';
import type { HeadsHandle, HeadsState, TensorHandle } from '../../lib/native/bindings/engine.js';
import { close, sameBits } from '../helpers/close.js';
import { accumulate, floats, normals, stepOptions } from '../helpers/heads.js';
import {
  probeBatchLoss,
  probeLoss,
  probeScores,
  randomFeatures,
  statisticsOf,
  type Statistics,
} from '../helpers/probe-loss.js';
import { createRandom } from '../helpers/random-values.js';

const e = engine();
const sizes = { batch: 3, channels: 9, classes: 5, h: 4, w: 6, height: 16, width: 24 };
const { channels, classes } = sizes;
const parameters = classes * channels + classes + 2 * channels;

function makeHeads(seeds: number[], classWeights?: Float32Array): HeadsHandle {
  return e.createHeads({
    kind: 'linear_probe',
    width: channels,
    classes,
    device: 'cpu',
    seeds,
    ...(classWeights && { classWeights: e.tensor(classWeights, [seeds.length, classes]) }),
  });
}

/** Heads whose every parameter counts: weights of a deviation of 0.3, gamma about 1, beta and bias about 0. */
async function makeTrained(heads: number, classWeights?: Float32Array) {
  const handle = makeHeads(Array<number>(heads).fill(1), classWeights);
  const gammas = classes * channels + classes;
  const rows = Array.from({ length: heads }, (_, n) =>
    normals(createRandom(n + 7), parameters, 0.3).map((value, i) =>
      i >= gammas && i < gammas + channels ? 1 + value : value,
    ),
  );
  const value = e.tensor(Float32Array.from(rows.flatMap((row) => [...row])), [heads, parameters]);
  await e.headsRestore(handle, { ...(await e.headsState(handle)), value });
  return { handle, rows };
}

async function stateOf(heads: HeadsHandle) {
  const state = await e.headsState(heads);
  const entries = Object.entries(state) as [keyof HeadsState, TensorHandle][];
  const values = await Promise.all(
    entries.map(async ([key, tensor]) => [key, await floats(tensor)] as const),
  );
  return Object.fromEntries(values) as Record<keyof HeadsState, Float32Array>;
}

const rowOf = (values: Float32Array, n: number, heads: number) =>
  values.subarray((n * values.length) / heads, ((n + 1) * values.length) / heads);

t.test('a new probe has normal weights of deviation 0.01, and a batch norm that does nothing', async (t) => {
  const large = e.createHeads({
    kind: 'linear_probe',
    width: 300,
    classes: 100,
    device: 'cpu',
    seeds: [3, 4, 3],
  });
  const state = await stateOf(large);
  const [a, b, c] = [0, 1, 2].map((n) => rowOf(state.value, n, 3));
  t.ok(sameBits(a!, c!), 'equal seeds give equal weights');
  t.notOk(sameBits(a!, b!));
  const weight = a!.subarray(0, 30_000);
  const mean = weight.reduce((sum, value) => sum + value, 0) / weight.length;
  const deviation = Math.sqrt(weight.reduce((sum, value) => sum + value ** 2, 0) / weight.length);
  close(t, 'mean and deviation', [mean, deviation], [0, 0.01], { rtol: Infinity, atol: 2e-4 });
  t.ok(
    a!.subarray(30_000, 30_100).every((value) => value === 0),
    'bias',
  );
  t.ok(
    a!.subarray(30_100, 30_400).every((value) => value === 1),
    'gamma',
  );
  t.ok(
    a!.subarray(30_400).every((value) => value === 0),
    'beta',
  );
  t.ok(state.runningMean.every((value) => value === 0) && state.runningVar.every((value) => value === 1));
});

// Batch means are taken off before the products: a mean of 100 deviations does not cost the digits that it has.
for (const [name, offset, rtol] of [
  ['features about zero', 0, 1e-6],
  ['features far from zero', 30, 1e-5],
] as const)
  t.test(`losses and every element of the gradients follow the definition: ${name}`, async (t) => {
    const random = createRandom(4);
    const classWeights = Float32Array.from({ length: 2 * classes }, () => random() * 3);
    const { handle, rows } = await makeTrained(2, classWeights);
    const batch = randomFeatures(sizes, { seed: 9, offset, blank: [1] });
    const include = Float32Array.from([1, 1, 1, 1, 0, 1]);
    const images = [
      [0, 1],
      [0, 1, 2],
    ];
    const tensor = e.tensor(include, [3, 2]);
    const losses = await accumulate(handle, batch.handles, 0.5, tensor);
    const { gradient } = await stateOf(handle);
    for (const n of [0, 1]) {
      const own = rowOf(classWeights, n, 2);
      const lossAt = (row: ArrayLike<number>) => probeBatchLoss(sizes, batch, images[n]!, row, own);
      close(t, `loss of head ${n}`, [losses[n]!], [lossAt(rows[n]!)], { rtol: 1e-6 });
      const differences = Float64Array.from({ length: parameters }, (_, i) => {
        const moved = (amount: number) =>
          lossAt(Float64Array.from(rows[n]!, (value, j) => (i === j ? value + amount : value)));
        return (moved(1e-4) - moved(-1e-4)) / 2e-4;
      });
      const expected = differences.map((value) => 0.5 * value);
      const parts = {
        weight: [0, classes * channels],
        bias: [classes * channels, parameters - 2 * channels],
        gamma: [parameters - 2 * channels, parameters - channels],
        beta: [parameters - channels, parameters],
      } as const;
      for (const [part, range] of Object.entries(parts))
        close(
          t,
          `gradient of the ${part} of head ${n}`,
          rowOf(gradient, n, 2).subarray(...range),
          expected.subarray(...range),
          { rtol },
        );
    }
  });

t.test('running statistics move by a tenth, each head’s over its own images', async (t) => {
  const { handle } = await makeTrained(3);
  const mean = [0, 1, 2].map(() => new Float64Array(channels));
  const variance = [0, 1, 2].map(() => new Float64Array(channels).fill(1));
  const included = [[0, 1, 2], [1], []];
  const include = e.tensor(Float32Array.from([1, 0, 0, 1, 1, 0, 1, 0, 0]), [3, 3]);
  for (const seed of [1, 2, 3]) {
    const batch = randomFeatures(sizes, { seed, offset: 2 });
    await e.headsAccumulate(handle, batch.handles, 1, include);
    for (const [n, images] of included.entries()) {
      if (images.length === 0) continue;
      const own = statisticsOf(sizes, batch, images);
      const bessel = own.count / (own.count - 1);
      mean[n] = mean[n]!.map((value, c) => 0.9 * value + 0.1 * own.mean[c]!);
      variance[n] = variance[n]!.map((value, c) => 0.9 * value + 0.1 * bessel * own.variance[c]!);
    }
  }
  const { runningMean, runningVar } = await stateOf(handle);
  for (const n of [0, 1, 2]) {
    close(t, `mean of head ${n}`, rowOf(runningMean, n, 3), mean[n]!, { rtol: 1e-6 });
    close(t, `variance of head ${n}`, rowOf(runningVar, n, 3), variance[n]!, { rtol: 1e-6 });
  }
});

t.test('evaluation uses the running statistics, and counts as the definition does', async (t) => {
  const classWeights = Float32Array.from({ length: 2 * classes }, (_, i) => i);
  const { handle, rows } = await makeTrained(2, classWeights);
  const include = e.tensor(Float32Array.from([1, 0, 1, 1, 0, 1]), [3, 2]);
  for (const seed of [1, 2, 3, 4, 5])
    await e.headsAccumulate(handle, randomFeatures(sizes, { seed }).handles, 1, include);
  const before = await stateOf(handle);
  const batch = randomFeatures(sizes, { seed: 11, blank: [2] });
  const { losses, confusion } = await e.headsEvaluate(handle, batch.handles);
  t.same(await stateOf(handle), before, 'nothing is changed');
  const pixels = sizes.height * sizes.width;
  for (const n of [0, 1]) {
    const statistics: Statistics = {
      mean: Float64Array.from(rowOf(before.runningMean, n, 2)),
      variance: Float64Array.from(rowOf(before.runningVar, n, 2)),
      count: 0,
    };
    for (const b of [0, 1, 2]) {
      const expected = probeLoss(sizes, batch, b, rows[n]!, statistics);
      const at = (b * 2 + n) * 2;
      close(t, `loss of image ${b}, head ${n}`, losses.subarray(at, at + 2), expected, { rtol: 1e-6 });
      const scores = probeScores(sizes, batch, b, rows[n]!, statistics);
      const counts = new Float64Array(classes ** 2);
      for (let i = 0; i < pixels; i++) {
        const label = batch.labels[b * pixels + i]!;
        if (label === 255) continue;
        let best = 0;
        for (let k = 1; k < classes; k++) if (scores[k]![i]! > scores[best]![i]!) best = k;
        counts[label * classes + best]!++;
      }
      const first = (b * 2 + n) * classes ** 2;
      t.same(confusion.slice(first, first + classes ** 2), counts, `counts of image ${b}, head ${n}`);
    }
  }
});

t.test('heads side by side learn what each of them does alone', async (t) => {
  const together = makeHeads([1, 2, 3]);
  const alone = [makeHeads([1]), makeHeads([2]), makeHeads([3])];
  const options = [1e-3, 5e-3, 1e-2].map((learningRate) => ({ ...stepOptions, learningRate }));
  const folds = [
    [1, 1, 1],
    [1, 1, 0],
    [0, 1, 1],
  ];
  for (let step = 1; step <= 5; step++) {
    const { handles } = randomFeatures(sizes, { seed: step });
    const include = Float32Array.from([0, 1, 2].flatMap((b) => folds.map((fold) => fold[b]!)));
    const losses = await accumulate(together, handles, 1, e.tensor(include, [3, 3]));
    const norms = await e.headsStep(together, options, [step, step, step], [true, true, true]);
    for (const n of [0, 1, 2]) {
      const own = e.tensor(Float32Array.from(folds[n]!), [3, 1]);
      const [loss] = await accumulate(alone[n]!, handles, 1, own);
      const [norm] = await e.headsStep(alone[n]!, [options[n]!], [step], [true]);
      close(t, `step ${step}, head ${n}`, [losses[n]!, norms[n]!], [loss!, norm!], { rtol: 1e-6 });
    }
  }
  const all = await stateOf(together);
  for (const n of [0, 1, 2]) {
    const own = await stateOf(alone[n]!);
    for (const key of ['value', 'expAvg', 'runningMean', 'runningVar'] as const)
      close(t, `${key} of head ${n}`, rowOf(all[key], n, 3), own[key], { rtol: 2e-6 });
  }
});

t.test('an image that a head does not learn from might as well not be there', async (t) => {
  const [kept, dropped] = [makeHeads([5]), makeHeads([5])];
  const batch = randomFeatures(sizes, { seed: 3 });
  const include = e.tensor(Float32Array.from([1, 1, 0]), [3, 1]);
  const two = {
    records: [1, 2],
    features: e.tensor(batch.features.subarray(0, (2 * batch.features.length) / 3), [2, channels, 4, 6]),
    labels: e.tensor(batch.labels.subarray(0, (2 * batch.labels.length) / 3), [2, 16, 24]),
  };
  close(t, 'loss', await accumulate(kept, batch.handles, 1, include), await accumulate(dropped, two, 1), {
    rtol: 1e-6,
  });
  const [a, b] = [await stateOf(kept), await stateOf(dropped)];
  for (const key of ['gradient', 'runningMean', 'runningVar'] as const)
    close(t, key, a[key], b[key], { rtol: 1e-6 });
});

t.test('a probe learns what a convolution can tell', async (t) => {
  // The label is the channel that is highest at the grid's own resolution.
  const grid = { batch: 4, channels, classes, h: 8, w: 8, height: 8, width: 8 };
  const heads = makeHeads([1, 2]);
  const options = [1e-2, 1e-2].map((learningRate) => ({ ...stepOptions, learningRate, weightDecay: 0 }));
  const batchOf = (seed: number) => {
    const batch = randomFeatures(grid, { seed });
    const labels = Uint8Array.from({ length: 4 * 64 }, (_, i) => {
      let best = 0;
      const at = (c: number) => {
        const value = batch.features[(Math.floor(i / 64) * channels + c) * 64 + (i % 64)]!;
        return (value - Math.sin(c)) / (0.2 + c / channels);
      };
      for (let c = 1; c < classes; c++) if (at(c) > at(best)) best = c;
      return best;
    });
    return { ...batch.handles, labels: e.tensor(labels, [4, 8, 8]) };
  };
  for (let step = 1; step <= 150; step++) {
    await e.headsAccumulate(heads, batchOf(step), 1);
    await e.headsStep(heads, options, [step, step], [true, true]);
  }
  const { confusion } = await e.headsEvaluate(heads, batchOf(1000));
  for (const n of [0, 1]) {
    let right = 0;
    for (let b = 0; b < 4; b++)
      for (let k = 0; k < classes; k++) right += confusion[((b * 2 + n) * classes + k) * classes + k]!;
    t.ok(right > 0.9 * 256, `head ${n}: ${right} of 256 cells`);
  }
});

/** A bfloat16 tensor of values that are exact in it, through a file: JavaScript has no array of that type. */
async function bfloat16(folder: string, values: Float32Array, shape: number[]): Promise<TensorHandle> {
  const bits = Uint16Array.from(new Uint32Array(values.buffer), (word) => word >>> 16);
  const header = JSON.stringify({ x: { dtype: 'BF16', shape, data_offsets: [0, bits.byteLength] } });
  const size = Buffer.alloc(8);
  const padded = header.padEnd(8 * Math.ceil(header.length / 8));
  size.writeBigUInt64LE(BigInt(padded.length));
  const path = join(folder, 'x.safetensors');
  writeFileSync(path, Buffer.concat([size, Buffer.from(padded), Buffer.from(bits.buffer)]));
  return (await e.readTensors(path)).tensors['x']!;
}

t.test('bfloat16 features are taken for what they stand for', async (t) => {
  const batch = randomFeatures(sizes, { seed: 5 });
  const coarse = batch.features.map((value) => Math.round(value * 16) / 16);
  const shape = [sizes.batch, channels, sizes.h, sizes.w];
  const stored = await bfloat16(t.testdir(), coarse, shape);
  t.equal(e.tensorInfo(stored).dtype, 'bfloat16');
  const [exact, rounded] = [makeHeads([1]), makeHeads([1])];
  const losses = await accumulate(exact, { ...batch.handles, features: e.tensor(coarse, shape) }, 1);
  t.same(await accumulate(rounded, { ...batch.handles, features: stored }, 1), losses);
  t.same(await stateOf(rounded), await stateOf(exact));
});

t.test('a batch without a counted pixel gives loss 0 and no gradient', async (t) => {
  const { handle } = await makeTrained(2);
  const blank = randomFeatures(sizes, { seed: 41, blank: [0, 1, 2] });
  t.same([...(await accumulate(handle, blank.handles, 1))], [0, 0]);
  t.ok((await stateOf(handle)).gradient.every((value) => value === 0));
});

t.test('a head that has diverged leaves the others alone', async (t) => {
  const { handle, rows } = await makeTrained(2);
  rows[0]![0] = Infinity;
  const value = e.tensor(Float32Array.from([...rows[0]!, ...rows[1]!]), [2, parameters]);
  await e.headsRestore(handle, { ...(await e.headsState(handle)), value });
  const losses = await accumulate(handle, randomFeatures(sizes, { seed: 51 }).handles, 1);
  t.ok(!Number.isFinite(losses[0]) && Number.isFinite(losses[1]));
  await e.headsStep(handle, [stepOptions, stepOptions], [1, 1], [true, true]);
  t.ok(rowOf((await stateOf(handle)).value, 1, 2).every(Number.isFinite));
});

t.test('a state comes back as it was, running statistics included', async (t) => {
  const [heads, other] = [makeHeads([1, 2]), makeHeads([3, 4])];
  for (const seed of [61, 62]) {
    await e.headsAccumulate(heads, randomFeatures(sizes, { seed }).handles, 1);
    if (seed === 61) await e.headsStep(heads, [stepOptions, stepOptions], [1, 1], [true, true]);
  }
  await e.headsRestore(other, await e.headsState(heads));
  for (const each of [heads, other]) {
    await e.headsAccumulate(each, randomFeatures(sizes, { seed: 63 }).handles, 1);
    await e.headsStep(each, [stepOptions, stepOptions], [2, 2], [true, true]);
  }
  t.same(await stateOf(other), await stateOf(heads));
});

t.test('what does not fit is refused', async (t) => {
  const heads = makeHeads([1, 2]);
  const { handles } = randomFeatures(sizes, { seed: 71 });
  const narrow = randomFeatures({ ...sizes, channels: 4 }, { seed: 71 }).handles;
  const point = randomFeatures({ ...sizes, h: 1, w: 1 }, { seed: 71 }).handles;
  await t.rejects(e.headsAccumulate(heads, narrow, 1), {
    code: 'HEAD_MISMATCH',
    message: /expects features B×9×h×w.*trained on this network/,
  });
  await t.rejects(e.headsAccumulate(heads, point, 1), { code: 'SHAPE', message: /more than one position/ });
  await t.rejects(e.headsAccumulate(heads, { ...handles, records: [1] }, 1), { code: 'SHAPE' });
  await t.rejects(e.headsEvaluate(heads, { ...handles, labels: handles.features }), { code: 'SHAPE' });
  const { features: _, ...without } = handles;
  await t.rejects(e.headsAccumulate(heads, without as typeof handles, 1), {
    code: 'INVALID_ARGUMENT',
    message: /learn from features/,
  });
  const { runningMean: __, ...state } = await e.headsState(heads);
  await t.rejects(e.headsRestore(heads, state), { code: 'INVALID_ARGUMENT', message: /runningMean/ });
  const options = { kind: 'linear_probe', width: 9, classes: 5, device: 'cpu', seeds: [1] } as const;
  for (const [change, code] of [
    [{ width: 0 }, 'INVALID_ARGUMENT'],
    [{ classes: 256 }, 'HEAD_MISMATCH'],
    [{ seeds: [] }, 'INVALID_ARGUMENT'],
    [{ seeds: ['one'] }, 'INVALID_ARGUMENT'],
    [{ classWeights: e.tensor(new Float32Array(4), [1, 4]) }, 'SHAPE'],
    [{ classWeights: e.tensor(new Float32Array(5).fill(-1), [1, 5]) }, 'INVALID_ARGUMENT'],
    [{ device: 'cuda:99' }, 'DEVICE'],
  ] as const)
    t.throws(
      () => e.createHeads({ ...options, ...change } as typeof options),
      { code },
      JSON.stringify(change),
    );
});
