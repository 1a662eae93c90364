/** Mask2Former's loss against loops in float64, its gradient against finite differences. */
import t from 'tap';
import { engine } from '../../../lib/native/engine.js';
import { assignments } from '../../../test/helpers/mask2former.js';
import { measuredGradient } from '../../../test/helpers/central-differences.js';
import { close } from '../../../test/helpers/close.js';
import { createRandom } from '../../../test/helpers/random-values.js';
import { trainingEngine } from '../lib/training-engine.js';

const e = engine();
const trainer = trainingEngine();

interface Case {
  batch: number;
  layers: number;
  queries: number;
  /** Outputs, "no object" last. */
  outputs: number;
  segments: number;
  cells: number;
  /** Float64, as the engine takes them. */
  logits: Float64Array;
  masks: Float64Array;
  shares: Float64Array;
  counted: Float64Array;
  /** Of each image's segments. */
  classes: number[][];
}

/** Values of a seed; `changes`: other sizes, or values in place of the drawn ones. */
function makeCase(seed: number, changes: Partial<Case> = {}): Case {
  const random = createRandom(seed);
  const sizes = { batch: 2, layers: 2, queries: 4, outputs: 4, segments: 3, cells: 12, ...changes };
  const { batch, layers, queries, outputs, segments, cells } = sizes;
  const values = (count: number, scale: number) =>
    Float64Array.from({ length: count }, () => scale * (2 * random() - 1));
  const shares = new Float64Array(batch * segments * cells);
  const counted = Float64Array.from({ length: batch * cells }, () => (random() < 0.85 ? 1 : 0));
  const classes = Array.from({ length: batch }, (_, b) =>
    Array.from({ length: b === 0 ? segments : segments - 1 }, () => Math.floor(random() * (outputs - 1))),
  );
  for (let b = 0; b < batch; b++)
    for (let i = 0; i < cells; i++) {
      const weights = classes[b]!.map(() => random() + 0.1);
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      weights.forEach((weight, s) => {
        shares[(b * segments + s) * cells + i] = (counted[b * cells + i]! * weight) / total;
      });
    }
  return {
    ...sizes,
    logits: values(batch * layers * queries * outputs, 2),
    masks: values(batch * layers * queries * cells, 3),
    ...{ shares, counted, classes },
    ...changes,
  };
}

async function run(own: Case) {
  const { batch, layers, queries, outputs, segments, cells } = own;
  const result = await trainer.setLoss({
    logits: e.tensor(own.logits, [batch, layers, queries, outputs]),
    masks: e.tensor(own.masks, [batch, layers, queries, cells]),
    shares: e.tensor(own.shares, [batch, segments, cells]),
    counted: e.tensor(own.counted, [batch, cells]),
    classes: own.classes,
  });
  const values = async (handle: typeof result.dLogits) => (await e.tensorData(handle)).data as Float64Array;
  return {
    losses: result.losses,
    dLogits: await values(result.dLogits),
    dMasks: await values(result.dMasks),
  };
}

/** Total, classes, mask and dice by the definition (cpp/training/set_loss.h). */
function reference(own: Case): number[] {
  const { batch, layers, queries, outputs, segments, cells } = own;
  const sums = { nll: 0, weight: 0, mask: 0, dice: 0, pairs: 0 };
  for (let b = 0; b < batch; b++)
    for (let layer = 0; layer < layers; layer++) {
      const at = (q: number) => (b * layers + layer) * queries + q;
      const probabilities = (q: number) => {
        const row = own.logits.subarray(at(q) * outputs, (at(q) + 1) * outputs);
        const total = row.reduce((sum, x) => sum + Math.exp(x), 0);
        return Array.from(row, (x) => Math.exp(x) / total);
      };
      const share = (s: number, i: number) => own.shares[(b * segments + s) * cells + i]!;
      const costs = (q: number, s: number) => {
        let [mask, count, overlap, sizes] = [0, 0, 0, 0];
        for (let i = 0; i < cells; i++) {
          if (own.counted[b * cells + i] === 0) continue;
          const x = own.masks[at(q) * cells + i]!;
          const p = 1 / (1 + Math.exp(-x));
          mask += Math.log(1 + Math.exp(x)) - x * share(s, i);
          count++;
          overlap += p * share(s, i);
          sizes += p + share(s, i);
        }
        return { mask: mask / count, dice: 1 - (2 * overlap + 1) / (sizes + 1) };
      };
      const kept = own.classes[b]!.map((_, s) => s).filter((s) => {
        let area = 0;
        for (let i = 0; i < cells; i++) area += share(s, i);
        return area >= 1;
      });
      let best: { cost: number; columns: number[] } = { cost: Infinity, columns: [] };
      for (const columns of assignments(kept.length, queries)) {
        const cost = columns.reduce((sum, q, k) => {
          const { mask, dice } = costs(q, kept[k]!);
          const ownClass = own.classes[b]![kept[k]!]!;
          return sum + 5 * mask + 5 * dice - (ownClass < 0 ? 0 : 2 * probabilities(q)[ownClass]!);
        }, 0);
        if (cost < best.cost) best = { cost, columns };
      }
      for (let q = 0; q < queries; q++) {
        const k = best.columns.indexOf(q);
        const target = k < 0 ? outputs - 1 : own.classes[b]![kept[k]!]!;
        if (target < 0) continue;
        const weight = k < 0 ? 0.1 : 1;
        sums.nll -= weight * Math.log(probabilities(q)[target]!);
        sums.weight += weight;
      }
      best.columns.forEach((q, k) => {
        const { mask, dice } = costs(q, kept[k]!);
        sums.mask += mask;
        sums.dice += dice;
        sums.pairs++;
      });
    }
  const classes = (layers * sums.nll) / sums.weight;
  const [mask, dice] = [sums.mask, sums.dice].map((sum) => (layers * sum) / sums.pairs) as [number, number];
  return [2 * classes + 5 * mask + 5 * dice, classes, mask, dice];
}

for (const [what, changes] of [
  ['more queries than segments', {}],
  ['as many queries as segments', { queries: 3 }],
  ['one prediction, one image', { batch: 1, layers: 1 }],
] as const)
  t.test(`losses follow the definition: ${what}`, async (t) => {
    for (const seed of [1, 2, 3, 4]) {
      const own = makeCase(seed, changes);
      close(t, `case ${seed}`, [...(await run(own)).losses], reference(own), { rtol: 1e-9 });
    }
  });

t.test('a segment without a class has a mask, and its query no class to learn', async (t) => {
  const own = makeCase(7, { batch: 1 });
  own.classes[0]![1] = -1;
  const { losses, dLogits } = await run(own);
  close(t, 'losses', [...losses], reference(own), { rtol: 1e-9 });
  const { queries, layers, outputs } = own;
  const still = Array.from({ length: layers * queries }, (_, q) =>
    dLogits.subarray(q * outputs, (q + 1) * outputs).every((value) => value === 0),
  );
  t.equal(still.filter(Boolean).length, layers, 'a query of each prediction is left out');
});

t.test('gradients follow from small changes', async (t) => {
  const own = makeCase(11);
  const { dLogits, dMasks } = await run(own);
  for (const [name, values, gradient] of [
    ['logits', own.logits, dLogits],
    ['masks', own.masks, dMasks],
  ] as const) {
    const measured = await measuredGradient(values, async () => (await run(own)).losses[0]!);
    close(t, name, [...gradient], measured, { rtol: 1e-5, atol: 1e-7 });
  }
});

t.test('an image without a segment teaches that nothing is there', async (t) => {
  const own = makeCase(5, { batch: 1, classes: [[]] });
  own.shares.fill(0);
  own.counted.fill(0);
  const { losses, dMasks } = await run(own);
  t.ok(losses[1]! > 0 && losses[2] === 0 && losses[3] === 0);
  t.ok(dMasks.every((value) => value === 0));
});

t.test('what does not fit together is refused', async (t) => {
  const own = makeCase(1);
  await t.rejects(run({ ...own, classes: [[0, 1, 3], [0]] }), { code: 'LABEL_VALUE' });
  await t.rejects(run({ ...own, classes: [[0, 1, 2]] }), { code: 'SHAPE' });
  await t.rejects(run({ ...own, logits: own.logits.map(() => NaN) }), {
    code: 'INVALID_ARGUMENT',
    message: /diverged/,
  });
});
