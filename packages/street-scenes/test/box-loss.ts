/** The loss of boxes against loops in float64, its gradient against finite differences. */
import t from 'tap';
import { engine } from '../../../lib/native/engine.js';
import { measuredGradient } from '../../../test/helpers/central-differences.js';
import { close } from '../../../test/helpers/close.js';

import { assignments } from '../../../test/helpers/mask2former.js';
import { createRandom } from '../../../test/helpers/random-values.js';
import { trainingEngine } from '../lib/training-engine.js';

const e = engine();
const trainer = trainingEngine();
const [height, width] = [60, 80];

interface Case {
  batch: number;
  layers: number;
  queries: number;
  outputs: number;
  /** The most of an image. */
  most: number;
  repeats: number;
  /** Float64, as the engine takes them. */
  logits: Float64Array;
  boxes: Float64Array;
  targets: Float64Array;
  /** Of each image's targets. */
  classes: number[][];
}

/** Values of a seed; `changes`: other sizes, or values in place of the drawn ones. */
function makeCase(seed: number, changes: Partial<Case> = {}): Case {
  const random = createRandom(seed);
  const sizes = { batch: 2, layers: 2, queries: 5, outputs: 3, most: 3, repeats: 1, ...changes };
  const { batch, layers, queries, outputs, most } = sizes;
  const boxesOf = (count: number) =>
    Float64Array.from({ length: 4 * count }, (_, i) =>
      i % 4 < 2 ? [width, height][i % 4]! * random() : 5 + 30 * random(),
    );
  return {
    ...sizes,
    logits: Float64Array.from({ length: batch * layers * queries * outputs }, () => 6 * random() - 4),
    boxes: boxesOf(batch * layers * queries),
    targets: boxesOf(batch * most),
    classes: Array.from({ length: batch }, (_, b) =>
      Array.from({ length: most - b }, () => Math.floor(random() * outputs)),
    ),
    ...changes,
  };
}

async function run(own: Case) {
  const { batch, layers, queries, outputs, most, repeats, classes } = own;
  const result = await trainer.boxLoss({
    logits: e.tensor(own.logits, [batch, layers, queries, outputs]),
    boxes: e.tensor(own.boxes, [batch, layers, queries, 4]),
    targets: e.tensor(own.targets, [batch, most, 4]),
    ...{ classes, height, width, repeats },
  });
  const values = async (handle: typeof result.dLogits) => (await e.tensorData(handle)).data as Float64Array;
  return {
    losses: result.losses,
    dLogits: await values(result.dLogits),
    dBoxes: await values(result.dBoxes),
  };
}

type Box = readonly [x: number, y: number, width: number, height: number];

/** Length of what two intervals, by centre and size, have in common, and of the one that holds both. */
function intervals(a: Box, b: Box, axis: 0 | 1): { common: number; hull: number } {
  const low = [a, b].map((box) => box[axis] - box[axis + 2]! / 2);
  const high = [a, b].map((box) => box[axis] + box[axis + 2]! / 2);
  return {
    common: Math.max(0, Math.min(...high) - Math.max(...low)),
    hull: Math.max(...high) - Math.min(...low),
  };
}

function generalisedIou(a: Box, b: Box): number {
  const [x, y] = [intervals(a, b, 0), intervals(a, b, 1)];
  const union = a[2] * a[3] + b[2] * b[3] - x.common * y.common;
  const hull = x.hull * y.hull;
  return (x.common * y.common) / union - (hull - union) / hull;
}

function distance(a: Box, b: Box): number {
  return a.reduce((sum, value, i) => sum + Math.abs(value - b[i]!) / (i % 2 === 0 ? width : height), 0);
}

function focal(x: number, truth: boolean): number {
  const p = 1 / (1 + Math.exp(-x));
  return truth ? 0.25 * (1 - p) ** 2 * -Math.log(p) : 0.75 * p ** 2 * -Math.log(1 - p);
}

/** Total, classes, l1 and giou by the definition (cpp/training/box_loss.h). */
function reference(own: Case): number[] {
  const { batch, layers, queries, outputs, most, repeats } = own;
  const sums = { classes: 0, l1: 0, giou: 0 };
  const boxAt = (values: Float64Array, i: number) => [...values.subarray(4 * i, 4 * i + 4)] as unknown as Box;
  for (let b = 0; b < batch; b++)
    for (let layer = 0; layer < layers; layer++) {
      const at = (q: number) => (b * layers + layer) * queries + q;
      const logit = (q: number, k: number) => own.logits[at(q) * outputs + k]!;
      const wanted = own.classes[b]!.flatMap((ownClass, i) =>
        Array.from({ length: repeats }, () => ({ ownClass, box: boxAt(own.targets, b * most + i) })),
      );
      let best: { cost: number; columns: number[] } = { cost: Infinity, columns: [] };
      for (const columns of assignments(wanted.length, queries)) {
        const cost = columns.reduce((sum, q, i) => {
          if (q < 0) return sum;
          const { ownClass, box } = wanted[i]!;
          const found = boxAt(own.boxes, at(q));
          const x = logit(q, ownClass);
          const classes = focal(x, true) - focal(x, false);
          return sum + 2 * classes + 5 * distance(found, box) - 2 * generalisedIou(found, box);
        }, 0);
        if (cost < best.cost) best = { cost, columns };
      }
      for (let q = 0; q < queries; q++) {
        const target = wanted[best.columns.indexOf(q)];
        for (let k = 0; k < outputs; k++) sums.classes += focal(logit(q, k), target?.ownClass === k);
        if (!target) continue;
        sums.l1 += distance(boxAt(own.boxes, at(q)), target.box);
        sums.giou += 1 - generalisedIou(boxAt(own.boxes, at(q)), target.box);
      }
    }
  const n = Math.max(1, repeats * own.classes.reduce((sum, { length }) => sum + length, 0));
  const [classes, l1, giou] = [sums.classes, sums.l1, sums.giou].map((sum) => sum / n) as [
    number,
    number,
    number,
  ];
  return [2 * classes + 5 * l1 + 2 * giou, classes, l1, giou];
}

for (const [what, changes] of [
  ['more queries than boxes', {}],
  ['as many queries as boxes', { queries: 3 }],
  ['fewer queries than boxes', { queries: 2 }],
  ['fewer queries than repeated boxes', { queries: 3, repeats: 2 }],
  ['two queries a box', { queries: 7, repeats: 2 }],
  ['one output, one prediction, one image', { batch: 1, layers: 1, outputs: 1 }],
] as const)
  t.test(`losses follow the definition: ${what}`, async (t) => {
    for (const seed of [1, 2, 3, 4]) {
      const own = makeCase(seed, changes);
      close(t, `case ${seed}`, [...(await run(own)).losses], reference(own), { rtol: 1e-9 });
    }
  });

t.test('gradients follow from small changes', async (t) => {
  const own = makeCase(11);
  const { dLogits, dBoxes } = await run(own);
  for (const [name, values, gradient] of [
    ['logits', own.logits, dLogits],
    ['boxes', own.boxes, dBoxes],
  ] as const) {
    const measured = await measuredGradient(values, async () => (await run(own)).losses[0]!);
    close(t, name, [...gradient], measured, { rtol: 1e-5, atol: 1e-7 });
  }
});

t.test('an image without a box teaches that nothing is there', async (t) => {
  const own = makeCase(5, { batch: 1, classes: [[]], targets: new Float64Array(12) });
  const { losses, dLogits, dBoxes } = await run(own);
  close(t, 'losses', [...losses], reference(own), { rtol: 1e-9 });
  t.ok(losses[1]! > 0 && losses[2] === 0 && losses[3] === 0);
  t.ok(dLogits.every((value) => value > 0));
  t.ok(dBoxes.every((value) => value === 0));
});

t.test('what does not fit together is refused', async (t) => {
  const own = makeCase(1);
  await t.rejects(run({ ...own, classes: [[0, 1, 3], [0]] }), {
    code: 'LABEL_VALUE',
    message: /class 3 of 3/,
  });
  await t.rejects(run({ ...own, classes: [[0, 1, 2, 0], [0]] }), {
    code: 'LABEL_VALUE',
    message: /more than 3/,
  });
  await t.rejects(run({ ...own, classes: [[0, 1, 2]] }), { code: 'SHAPE' });
  await t.rejects(run({ ...own, repeats: 0 }), { code: 'INVALID_ARGUMENT' });
  await t.rejects(run({ ...own, logits: own.logits.map(() => NaN) }), {
    code: 'INVALID_ARGUMENT',
    message: /diverged/,
  });
});
