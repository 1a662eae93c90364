import t from 'tap';
import { engine } from '../../lib/native/engine.js';
import type { HeadsHandle } from '../../lib/native/bindings/engine.js';
import { adamwByDefinition } from '../helpers/adamw.js';
import { close } from '../helpers/close.js';
import { denseLoss } from '../helpers/dense-loss.js';
import { accumulate, floats, normals, randomBatch, stepOptions } from '../helpers/heads.js';
import { classEmbedGradients } from '../helpers/operators.js';
import { createRandom } from '../helpers/random-values.js';

const e = engine();
const sizes = { batch: 3, queries: 12, hidden: 24, classes: 7, h: 8, w: 12, height: 32, width: 48 };
const { hidden, classes } = sizes;
type Precision = 'bfloat16' | 'float32';

function makeWeights(heads: number, seed = 5) {
  const random = createRandom(seed);
  return {
    weight: normals(random, heads * classes * hidden, 0.3),
    bias: normals(random, heads * classes, 0.3),
  };
}

function makeHeads(
  heads: number,
  precision: Precision,
  options: { loss?: 'cross-entropy' | 'nll'; classWeights?: Float32Array; seed?: number } = {},
): HeadsHandle {
  const { weight, bias } = makeWeights(heads, options.seed);
  return e.createHeads({
    kind: 'class_embed',
    width: hidden,
    classes,
    device: 'cpu',
    precision,
    losses: Array<'cross-entropy' | 'nll'>(heads).fill(options.loss ?? 'cross-entropy'),
    weight: e.tensor(weight, [heads, classes, hidden]),
    bias: e.tensor(bias, [heads, classes]),
    ...(options.classWeights && { classWeights: e.tensor(options.classWeights, [heads, classes]) }),
  });
}

const row = (values: Float32Array, head: number, count: number) =>
  values.subarray((head * values.length) / count, ((head + 1) * values.length) / count);

/** One of `makeHeads(heads, precision)` by itself. */
function makeAlone(head: number, heads: number, precision: Precision): HeadsHandle {
  const { weight, bias } = makeWeights(heads);
  return e.createHeads({
    kind: 'class_embed',
    width: hidden,
    classes,
    device: 'cpu',
    precision,
    losses: ['cross-entropy'],
    weight: e.tensor(row(weight, head, heads), [1, classes, hidden]),
    bias: e.tensor(row(bias, head, heads), [1, classes]),
  });
}

async function stateOf(heads: HeadsHandle) {
  const state = await e.headsState(heads);
  return { value: await floats(state.value), gradient: await floats(state.gradient) };
}

for (const precision of ['float32', 'bfloat16'] as const)
  for (const batch of [1, 3]) {
    t.test(`heads learn what autograd and AdamW tell, ${precision}, batches of ${batch}`, async (t) => {
      const heads = makeHeads(2, precision);
      const { weight, bias } = makeWeights(2);
      const truths = [0, 1].map((n) => {
        const value = Float64Array.from([...row(weight, n, 2), ...row(bias, n, 2)]);
        const zeros = () => new Float64Array(value.length);
        return { value, gradient: zeros(), expAvg: zeros(), expAvgSq: zeros() };
      });
      const losses: number[] = [];
      const expected: number[] = [];
      const norms: number[] = [];
      const expectedNorms: number[] = [];
      for (let step = 1; step <= 20; step++) {
        for (const part of [0, 1]) {
          // Every fifth batch has nothing to learn from in its first image.
          const random = randomBatch(
            { ...sizes, batch },
            { seed: 2 * step + part, ...(step % 5 === 0 && { blank: [0] }) },
          );
          losses.push(...(await accumulate(heads, random.handles, 0.5)));
          for (const truth of truths) {
            const head = {
              weight: truth.value.subarray(0, classes * hidden),
              bias: truth.value.subarray(classes * hidden),
            };
            let [sum, pixels] = [0, 0];
            for (let b = 0; b < batch; b++) {
              const [loss, weight] = denseLoss(sizes, random, b, head, 'cross-entropy');
              [sum, pixels] = [sum + loss, pixels + weight];
            }
            expected.push(pixels > 0 ? sum / pixels : 0);
            if (pixels === 0) continue;
            const layer = {
              weight: e.tensor(Float32Array.from(head.weight), [classes, hidden]),
              bias: e.tensor(Float32Array.from(head.bias), [classes]),
            };
            const { dWeight, dBias } = await classEmbedGradients(layer, random.handles, precision);
            for (const [i, slope] of [...(await floats(dWeight)), ...(await floats(dBias))].entries())
              truth.gradient[i]! += 0.5 * slope;
          }
        }
        norms.push(...(await e.headsStep(heads, [stepOptions, stepOptions], [step, step], [true, true])));
        expectedNorms.push(...truths.map((truth) => adamwByDefinition(truth, stepOptions, step)));
      }
      // By definition in float64, the logits not rounded.
      close(t, 'losses', losses, expected, { rtol: precision === 'float32' ? 1e-6 : 1e-3 });
      close(t, 'gradient norms', norms, expectedNorms, { rtol: 1e-5 });
      const state = await e.headsState(heads);
      const together = (name: keyof (typeof truths)[0]) => truths.flatMap((truth) => [...truth[name]]);
      close(t, 'weights', await floats(state.value), together('value'), { rtol: 1e-6 });
      // In bfloat16 an error of 1e-7 rounds one of some hundred logit gradients the other way now and then.
      const rtol = precision === 'float32' ? 1e-6 : 1e-3;
      close(t, 'first moments', await floats(state.expAvg), together('expAvg'), { rtol });
    });
  }

for (const precision of ['float32', 'bfloat16'] as const)
  t.test(`heads side by side learn what each of them does alone, ${precision}`, async (t) => {
    const random = createRandom(3);
    const classWeights = Float32Array.from({ length: 3 * classes }, () => random() * 3);
    const make = (chosen: number[]) => {
      const { weight, bias } = makeWeights(3);
      const pick = (all: Float32Array) => Float32Array.from(chosen.flatMap((n) => [...row(all, n, 3)]));
      return e.createHeads({
        kind: 'class_embed',
        width: hidden,
        classes,
        device: 'cpu',
        precision,
        losses: chosen.map((n) => (n === 1 ? 'nll' : 'cross-entropy')),
        weight: e.tensor(pick(weight), [chosen.length, classes, hidden]),
        bias: e.tensor(pick(bias), [chosen.length, classes]),
        classWeights: e.tensor(pick(classWeights), [chosen.length, classes]),
      });
    };
    const options = [1e-3, 5e-3, 1e-2].map((learningRate) => ({ ...stepOptions, learningRate }));
    const together = make([0, 1, 2]);
    const alone = [make([0]), make([1]), make([2])];
    for (let step = 1; step <= 5; step++) {
      const { handles } = randomBatch(sizes, { seed: step });
      // Head 2 rests in the third step, and learns from two images of three.
      const include = Float32Array.from([1, 1, 1, 1, 1, 0, 1, 1, 1]);
      const losses = await accumulate(together, handles, 1, e.tensor(include, [3, 3]));
      const active = [true, true, step !== 3];
      const taken = [step, step, step > 3 ? step - 1 : step];
      const norms = await e.headsStep(together, options, taken, active);
      for (const n of [0, 1, 2]) {
        const own = e.tensor(Float32Array.from([1, n === 2 ? 0 : 1, 1]), [3, 1]);
        const [loss] = await accumulate(alone[n]!, handles, 1, own);
        const [norm] = await e.headsStep(alone[n]!, [options[n]!], [taken[n]!], [active[n]!]);
        close(t, `step ${step}, head ${n}`, [losses[n]!, norms[n]!], [loss!, norm!], { rtol: 1e-6 });
      }
    }
    const { value } = await stateOf(together);
    for (const n of [0, 1, 2])
      close(t, `weights of head ${n}`, row(value, n, 3), (await stateOf(alone[n]!)).value, { rtol: 1e-6 });
  });

for (const loss of ['cross-entropy', 'nll'] as const)
  t.test(`${loss}: losses, class weights and gradients follow the definition`, async (t) => {
    const random = createRandom(4);
    const classWeights = Float32Array.from({ length: 2 * classes }, () => random() * 3);
    const heads = makeHeads(2, 'float32', { loss, classWeights });
    const { weight, bias } = makeWeights(2);
    const batch = randomBatch(sizes, { seed: 9, blank: [1] });
    const losses = await accumulate(heads, batch.handles, 1);
    const { gradient } = await stateOf(heads);
    const lossOf = (n: number, values: Float32Array, weights?: Float32Array, images = [0, 1, 2]) => {
      const head = {
        weight: values.subarray(0, classes * hidden),
        bias: values.subarray(classes * hidden),
      };
      const sums = images.map((b) => denseLoss(sizes, batch, b, head, loss, weights));
      return sums.reduce((all, [sum]) => all + sum, 0) / sums.reduce((all, [, total]) => all + total, 0);
    };
    const values = [0, 1].map((n) => Float32Array.from([...row(weight, n, 2), ...row(bias, n, 2)]));
    const expected = [0, 1].map((n) => lossOf(n, values[n]!, row(classWeights, n, 2)));
    close(t, 'losses', losses, expected, { rtol: 1e-6 });
    for (const n of [0, 1]) {
      const own = row(gradient, n, 2);
      const norm = Math.hypot(...own);
      const moved = (amount: number) =>
        lossOf(
          n,
          values[n]!.map((value, i) => value + (amount * own[i]!) / norm),
          row(classWeights, n, 2),
        );
      const slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
      close(t, `slope of head ${n} along its gradient`, [norm], [slope], { rtol: 1e-4 });
    }

    const { losses: sums } = await e.headsEvaluate(heads, batch.handles);
    const unweighted = [0, 2].flatMap((b) => [0, 1].map((n) => lossOf(n, values[n]!, undefined, [b])));
    const quotient = (b: number, n: number) => sums[(b * 2 + n) * 2]! / sums[(b * 2 + n) * 2 + 1]!;
    close(
      t,
      'evaluated losses of images, without class weights',
      [quotient(0, 0), quotient(0, 1), quotient(2, 0), quotient(2, 1)],
      unweighted,
      { rtol: 1e-6 },
    );
    t.same([...sums.subarray(4, 8)], [0, 0, 0, 0], 'nothing of an image without a counted pixel');
  });

t.test('evaluation counts as each head’s own class maps do, and gives its losses', async (t) => {
  for (const precision of ['float32', 'bfloat16'] as const) {
    const heads = makeHeads(2, precision);
    const { handles } = randomBatch(sizes, { seed: 21 });
    const { losses, confusion } = await e.headsEvaluate(heads, handles);
    t.same(await e.headsLosses(heads, handles), losses, 'headsLosses gives the same');
    for (const n of [0, 1]) {
      const alone = makeAlone(n, 2, precision);
      const { map } = await e.classMap(alone, handles, { ...sizes, scoring: 'recipe' });
      const counts = new Float64Array(classes ** 2);
      for (let b = 0; b < sizes.batch; b++)
        for (let i = 0; i < counts.length; i++) counts[i]! += confusion[(b * 2 + n) * counts.length + i]!;
      t.same(counts, await e.confusion(map, handles.labels, classes), `${precision}, head ${n}`);
      const { loss, weight } = await e.headsAccumulate(alone, handles, 1);
      const total = (part: number) => [0, 1, 2].reduce((sum, b) => sum + losses[(b * 2 + n) * 2 + part]!, 0);
      t.equal(total(1), weight[0]);
      close(t, `${precision} loss of head ${n}`, [total(0) / weight[0]!], loss, { rtol: 1e-6 });
    }
  }
});

t.test('masks stored as uint8 are taken for what they stand for', async (t) => {
  const heads = makeHeads(2, 'float32');
  const batch = randomBatch(sizes, { seed: 31 });
  const shape = [sizes.batch, sizes.queries, sizes.h, sizes.w];
  const bytes = Uint8Array.from(batch.masks, (mask) => Math.round(255 / (1 + Math.exp(-mask))));
  const logits = Float32Array.from(bytes, (byte) => Math.log(byte / (255 - byte)));
  const stored = await accumulate(heads, { ...batch.handles, masks: e.tensor(bytes, shape) }, 1);
  const exact = await accumulate(heads, { ...batch.handles, masks: e.tensor(logits, shape) }, 1);
  close(t, 'losses', stored, exact, { rtol: 1e-6 });
});

t.test('a batch without a counted pixel gives loss 0 and no gradient', async (t) => {
  const heads = makeHeads(2, 'float32');
  const blank = randomBatch(sizes, { seed: 41, blank: [0, 1, 2] });
  t.same([...(await accumulate(heads, blank.handles, 1))], [0, 0]);
  const { handles } = randomBatch(sizes, { seed: 42 });
  const include = e.tensor(Float32Array.from([0, 1, 0, 1, 0, 1]), [3, 2]);
  const [left, taken] = await accumulate(heads, handles, 1, include);
  t.equal(left, 0, 'a head that learns from no image of the batch');
  t.ok(taken! > 0);
  const { gradient } = await stateOf(heads);
  t.ok(row(gradient, 0, 2).every((value) => value === 0));
  t.notOk(row(gradient, 1, 2).every((value) => value === 0));
});

t.test('a head that has diverged leaves the others alone', async (t) => {
  const { weight, bias } = makeWeights(2);
  bias[0] = Infinity;
  const options = { width: hidden, classes, device: 'cpu', precision: 'float32' } as const;
  const heads = e.createHeads({
    kind: 'class_embed',
    ...options,
    losses: ['cross-entropy', 'cross-entropy'],
    weight: e.tensor(weight, [2, classes, hidden]),
    bias: e.tensor(bias, [2, classes]),
  });
  const { handles } = randomBatch(sizes, { seed: 51 });
  const losses = await accumulate(heads, handles, 1);
  t.ok(Number.isNaN(losses[0]) && Number.isFinite(losses[1]));
  const norms = await e.headsStep(heads, [stepOptions, stepOptions], [1, 1], [true, true]);
  t.ok(!Number.isFinite(norms[0]) && Number.isFinite(norms[1]));
  t.ok(row((await stateOf(heads)).value, 1, 2).every(Number.isFinite));
});

t.test('a state comes back as it was', async (t) => {
  const [heads, other] = [makeHeads(2, 'float32'), makeHeads(2, 'float32', { seed: 6 })];
  for (const seed of [61, 62]) {
    await e.headsAccumulate(heads, randomBatch(sizes, { seed }).handles, 1);
    if (seed === 61) await e.headsStep(heads, [stepOptions, stepOptions], [1, 1], [true, true]);
  }
  await e.headsRestore(other, await e.headsState(heads));
  for (const each of [heads, other])
    await e.headsStep(each, [stepOptions, stepOptions], [2, 2], [true, true]);
  t.same(await stateOf(other), await stateOf(heads));
});

t.test('what does not fit is refused', async (t) => {
  const heads = makeHeads(2, 'float32');
  const { handles } = randomBatch(sizes, { seed: 71 });
  const narrow = randomBatch({ ...sizes, hidden: 8 }, { seed: 71 }).handles;
  await t.rejects(e.headsAccumulate(heads, narrow, 1), { code: 'HEAD_MISMATCH' });
  await t.rejects(e.headsAccumulate(heads, { ...handles, records: [1] }, 1), { code: 'SHAPE' });
  await t.rejects(e.headsAccumulate(heads, { ...handles, labels: handles.masks }, 1), { code: 'SHAPE' });
  const include = e.tensor(new Float32Array(3), [3, 1]);
  await t.rejects(e.headsAccumulate(heads, handles, 1, include), { code: 'SHAPE' });
  await t.rejects(e.headsStep(heads, [stepOptions], [1], [true]), { code: 'INVALID_ARGUMENT' });
  const others = [stepOptions, { ...stepOptions, beta1: 0.8 }];
  await t.rejects(e.headsStep(heads, others, [1, 1], [true, true]), { code: 'INVALID_ARGUMENT' });
  await t.rejects(e.headsRestore(heads, await e.headsState(makeHeads(1, 'float32'))), {
    code: 'HEAD_MISMATCH',
  });
  const { weight, bias } = makeWeights(1);
  const options = {
    kind: 'class_embed',
    width: hidden,
    classes,
    device: 'cpu',
    precision: 'float32',
    losses: ['cross-entropy'],
    weight: e.tensor(weight, [1, classes, hidden]),
    bias: e.tensor(bias, [1, classes]),
  } as const;
  for (const [change, code] of [
    [{ width: 25 }, 'HEAD_MISMATCH'],
    [{ classes: 8 }, 'HEAD_MISMATCH'],
    [{ bias: e.tensor(bias, [classes]) }, 'HEAD_MISMATCH'],
    [{ losses: ['cross-entropy', 'nll'] }, 'INVALID_ARGUMENT'],
    [{ losses: ['hinge'] }, 'INVALID_ARGUMENT'],
    [{ kind: 'forest' }, 'INVALID_ARGUMENT'],
    [{ classWeights: e.tensor(new Float32Array(3), [3]) }, 'SHAPE'],
    [{ classWeights: e.tensor(new Float32Array(classes).fill(-1), [1, classes]) }, 'INVALID_ARGUMENT'],
    [{ device: 'cuda:99' }, 'DEVICE'],
  ] as const)
    t.throws(
      () => e.createHeads({ ...options, ...change } as typeof options),
      { code },
      JSON.stringify(change),
    );
  e.dispose(heads);
  e.dispose(heads);
  await t.rejects(e.headsState(heads), { code: 'DISPOSED', message: /this head was used/ });
});
