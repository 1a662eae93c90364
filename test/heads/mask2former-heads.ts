import t from 'tap';
import { engine } from '../../lib/native/engine.js';
import type { HeadsHandle, TensorHandle } from '../../lib/native/bindings/engine.js';
import { close } from '../helpers/close.js';
import { accumulate, floats, normals, randomBatch, stepOptions, type BatchSizes } from '../helpers/heads.js';
import { maskCostOf, mask2formerLoss } from '../helpers/mask2former.js';
import { createRandom } from '../helpers/random-values.js';

const e = engine();
const sizes = { batch: 3, queries: 6, hidden: 10, classes: 5, h: 8, w: 12, height: 32, width: 48 };

interface Made {
  heads: HeadsHandle;
  /** Of each head. */
  weight: Float32Array[];
  bias: Float32Array[];
}

function makeHeads(
  { hidden, classes }: BatchSizes,
  count: number,
  options: { precision?: 'bfloat16' | 'float32'; classWeights?: Float32Array; seed?: number } = {},
): Made {
  const random = createRandom(options.seed ?? 5);
  const outputs = classes + 1;
  const weight = Array.from({ length: count }, () => normals(random, outputs * hidden, 0.4));
  const bias = Array.from({ length: count }, () => normals(random, outputs, 0.4));
  const flat = (rows: Float32Array[]) => Float32Array.from(rows.flatMap((row) => [...row]));
  const heads = e.createHeads({
    kind: 'mask2former',
    width: hidden,
    classes,
    device: 'cpu',
    precision: options.precision ?? 'float32',
    weight: e.tensor(flat(weight), [count, outputs, hidden]),
    bias: e.tensor(flat(bias), [count, outputs]),
    ...(options.classWeights && { classWeights: e.tensor(options.classWeights, [count, classes]) }),
  });
  return { heads, weight, bias };
}

async function gradientOf({ heads, weight }: Made): Promise<Float32Array[]> {
  const all = await floats((await e.headsState(heads)).gradient);
  const size = all.length / weight.length;
  return weight.map((_, n) => all.subarray(n * size, (n + 1) * size));
}

for (const [what, own] of [
  ['more queries than classes', sizes],
  ['fewer queries than classes', { ...sizes, queries: 3 }],
  ['labels that the grid does not divide', { ...sizes, height: 37, width: 50 }],
  ['labels smaller than the grid', { ...sizes, height: 6, width: 10 }],
  ['a coarse grid', { ...sizes, h: 2, w: 3, height: 8, width: 12 }],
  ['a single class', { ...sizes, classes: 1 }],
] as const)
  t.test(`losses and gradients follow the definition: ${what}`, async (t) => {
    const { classes } = own;
    for (const seed of [1, 2, 3, 4, 5]) {
      const random = createRandom(seed);
      const classWeights = Float32Array.from({ length: 2 * classes }, () => random() * 3);
      const made = makeHeads(own, 2, { classWeights, seed });
      const batch = randomBatch(own, { seed, ...(seed === 5 && { blank: [1] }) });
      const losses = await accumulate(made.heads, batch.handles, 0.5);
      const gradients = await gradientOf(made);
      const { losses: evaluated } = await e.headsEvaluate(made.heads, batch.handles);
      for (const n of [0, 1]) {
        const head = { weight: made.weight[n]!, bias: made.bias[n]! };
        const weights = classWeights.subarray(n * classes, (n + 1) * classes);
        const parts = [0, 1, 2].map((b) => mask2formerLoss(own, batch, b, head, weights));
        const total = parts.reduce((sum, { sums }) => sum + sums[1], 0);
        const loss = parts.reduce((sum, { sums }) => sum + sums[0], 0) / total;
        close(t, `case ${seed}, loss of head ${n}`, [losses[n]!], [loss], { rtol: 1e-6 });
        const gradient = parts[0]!.gradient.map(
          (_, i) => (0.5 * parts.reduce((sum, part) => sum + part.gradient[i]!, 0)) / total,
        );
        close(t, `case ${seed}, gradient of head ${n}`, gradients[n]!, gradient, { rtol: 1e-5 });
        const plain = [0, 1, 2].flatMap((b) => mask2formerLoss(own, batch, b, head).sums);
        const sums = [0, 1, 2].flatMap((b) => [...evaluated.subarray((2 * b + n) * 2, (2 * b + n) * 2 + 2)]);
        close(t, `case ${seed}, evaluated sums of head ${n}`, sums, plain, { rtol: 1e-6 });
      }
    }
  });

t.test('a query is matched as soon as its probability outweighs what its mask costs more', async (t) => {
  const own = { ...sizes, batch: 1, queries: 2, hidden: 1, classes: 1, h: 4, w: 6 };
  let compared = 0;
  for (let seed = 1; seed <= 20; seed++) {
    const batch = randomBatch(own, { seed });
    batch.masks.forEach((mask, i) => (batch.masks[i] = mask / 8));
    const more = maskCostOf(own, batch, [0, 0, 0]) - maskCostOf(own, batch, [0, 1, 0]);
    for (const beyond of [-1e-5, 1e-5]) {
      // Logits x and 0 of the first query, 0 and 0 of the second.
      const p = 0.5 + more / 2 + beyond;
      if (p <= 0 || p >= 1) continue;
      const heads = e.createHeads({
        kind: 'mask2former',
        width: 1,
        classes: 1,
        device: 'cpu',
        precision: 'float32',
        weight: e.tensor(Float32Array.of(1, 0), [1, 2, 1]),
        bias: e.tensor(new Float32Array(2), [1, 2]),
      });
      const queries = e.tensor(Float32Array.of(Math.log(p / (1 - p)), 0), [1, 2, 1]);
      const masks = e.tensor(batch.masks, [1, 2, own.h, own.w]);
      const [loss] = await accumulate(heads, { ...batch.handles, queries, masks }, 1);
      const first = -(Math.log(p) + 0.1 * Math.log(0.5)) / 1.1;
      const second = -(Math.log(0.5) + 0.1 * Math.log(1 - p)) / 1.1;
      const expected = beyond > 0 ? first : second;
      if (Math.abs(loss! - expected) > 1e-5) t.fail(`case ${seed}, ${beyond}: ${loss} for ${expected}`);
      compared++;
    }
  }
  t.ok(compared >= 30, `${compared} cases`);
});

t.test('the loss falls when a head learns, in both precisions', async (t) => {
  for (const precision of ['float32', 'bfloat16'] as const) {
    const made = makeHeads(sizes, 2, { precision });
    const { handles } = randomBatch(sizes, { seed: 11 });
    const options = { ...stepOptions, learningRate: 3e-2 };
    const losses: number[] = [];
    for (let step = 1; step <= 60; step++) {
      losses.push((await accumulate(made.heads, handles, 1))[0]!);
      await e.headsStep(made.heads, [options, options], [step, step], [true, true]);
    }
    t.ok(losses.at(-1)! < 0.3 * losses[0]!, `${precision}: from ${losses[0]} to ${losses.at(-1)}`);
  }
});

t.test('evaluation counts as ade20k class maps do, in bands as in one piece', async (t) => {
  for (const own of [sizes, { ...sizes, batch: 1, height: 1000, width: 2000 }]) {
    const { heads, weight, bias } = makeHeads(own, 2);
    const { handles } = randomBatch(own, { seed: 21 });
    const { confusion } = await e.headsEvaluate(heads, handles);
    const { hidden, classes, batch } = own;
    for (const n of [0, 1]) {
      const head = e.createHeads({
        kind: 'class_embed',
        width: hidden,
        classes: classes + 1,
        device: 'cpu',
        precision: 'float32',
        losses: ['cross-entropy'],
        weight: e.tensor(weight[n]!, [1, classes + 1, hidden]),
        bias: e.tensor(bias[n]!, [1, classes + 1]),
      });
      const { map } = await e.classMap(head, handles, { ...own, scoring: 'ade20k' });
      const counts = new Float64Array(classes ** 2);
      for (let b = 0; b < batch; b++)
        for (let i = 0; i < counts.length; i++) counts[i]! += confusion[(b * 2 + n) * counts.length + i]!;
      const expected = await e.confusion(map, handles.labels, classes);
      const moved = expected.reduce((sum, count, i) => sum + Math.abs(count - counts[i]!), 0) / 2;
      t.ok(moved <= 1e-5 * own.height * own.width, `head ${n}, ${own.width}×${own.height}: ${moved} differ`);
    }
  }
});

t.test('masks stored as uint8 are taken for the logits that they stand for', async (t) => {
  const batch = randomBatch(sizes, { seed: 31 });
  const shape = [sizes.batch, sizes.queries, sizes.h, sizes.w];
  batch.masks.set([50, -50]);
  const bytes = Uint8Array.from(batch.masks, (mask) => Math.round(255 / (1 + Math.exp(-mask))));
  const logits = Float32Array.from(bytes, (byte) => {
    const p = Math.min(1019 / 1020, Math.max(1 / 1020, byte / 255));
    return Math.log(p / (1 - p));
  });
  const of = async (masks: TensorHandle) => {
    const { heads } = makeHeads(sizes, 2);
    const handles = { ...batch.handles, masks };
    const learned = await accumulate(heads, handles, 1);
    return { learned, ...(await e.headsEvaluate(heads, handles)) };
  };
  const [stored, exact] = [await of(e.tensor(bytes, shape)), await of(e.tensor(logits, shape))];
  t.same(stored, exact);
});

t.test('what masks cost is kept by record', async (t) => {
  const { heads } = makeHeads(sizes, 1);
  const { handles } = randomBatch(sizes, { seed: 41, records: [7, 8, 9] });
  const first = await accumulate(heads, handles, 1);
  const shape = [sizes.batch, sizes.queries, sizes.h, sizes.w];
  const others = normals(
    createRandom(42),
    shape.reduce((a, b) => a * b),
    4,
  );
  const masks = e.tensor(others, shape);
  t.same(await accumulate(heads, { ...handles, masks }, 1), first);
  const renamed = { ...handles, masks, records: [1, 2, 3] };
  t.not((await accumulate(heads, renamed, 1))[0], first[0]);
  const fewer = randomBatch({ ...sizes, queries: 3 }, { seed: 41, records: [7, 8, 9] }).handles;
  await t.rejects(e.headsAccumulate(heads, fewer, 1), { code: 'INVALID_ARGUMENT', message: /record 7/ });
});

t.test('images without a counted pixel teach nothing', async (t) => {
  const made = makeHeads(sizes, 2);
  const { handles } = randomBatch(sizes, { seed: 51, blank: [0, 1, 2] });
  t.same([...(await accumulate(made.heads, handles, 1))], [0, 0]);
  for (const gradient of await gradientOf(made)) t.ok(gradient.every((value) => value === 0));
  t.same([...(await e.headsEvaluate(made.heads, handles)).losses], new Array(12).fill(0));
});

t.test('a head that has diverged leaves the others alone', async (t) => {
  const { hidden, classes } = sizes;
  const { weight, bias } = makeHeads(sizes, 2);
  bias[0]![0] = Infinity;
  const heads = e.createHeads({
    kind: 'mask2former',
    width: hidden,
    classes,
    device: 'cpu',
    precision: 'float32',
    weight: e.tensor(Float32Array.from([...weight[0]!, ...weight[1]!]), [2, classes + 1, hidden]),
    bias: e.tensor(Float32Array.from([...bias[0]!, ...bias[1]!]), [2, classes + 1]),
  });
  const { handles } = randomBatch(sizes, { seed: 61 });
  const losses = await accumulate(heads, handles, 1);
  t.ok(Number.isNaN(losses[0]) && Number.isFinite(losses[1]));
  const norms = await e.headsStep(heads, [stepOptions, stepOptions], [1, 1], [true, true]);
  t.ok(Number.isNaN(norms[0]) && Number.isFinite(norms[1]));
});

t.test('labels that are no classes, and weights of another size, are refused', async (t) => {
  const { heads } = makeHeads({ ...sizes, classes: 3 }, 1);
  const { handles } = randomBatch(sizes, { seed: 71 });
  await t.rejects(e.headsAccumulate(heads, handles, 1), {
    code: 'LABEL_VALUE',
    message: /labels contain [34]/,
  });
  const { hidden, classes } = sizes;
  t.throws(
    () =>
      e.createHeads({
        kind: 'mask2former',
        width: hidden,
        classes,
        device: 'cpu',
        precision: 'float32',
        weight: e.tensor(new Float32Array(classes * hidden), [1, classes, hidden]),
        bias: e.tensor(new Float32Array(classes), [1, classes]),
      }),
    { code: 'HEAD_MISMATCH', message: /expected heads of 6 outputs/ },
  );
});
