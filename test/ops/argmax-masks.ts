/** argmax_masks: the fused kernel and plain libtorch against a float64 reference, on every device. */
import t from 'tap';
import { engine } from '../../lib/native/engine.js';
import { place, product, randomValues, rounded } from '../helpers/network-ops.js';
import { opDevices, valuesOf } from '../helpers/op-devices.js';
import { resizedPlaces } from '../helpers/resized-places.js';
import { argmaxMasks } from '../helpers/operators.js';

interface Case {
  masks: [batch: number, queries: number, height: number, width: number];
  classes: number;
  size: [height: number, width: number];
  /** By how much of itself a class of a pair differs from the other one, at most. Default: classes have nothing in common. */
  near?: number;
  /** What is taken off the shares. Default 0. */
  less?: number;
}

/** Class shares. */
function sharesOf({ masks: [batch, queries], classes, near, less = 0 }: Case): Float64Array {
  const shares = randomValues(2, batch * queries * classes, 0.9).map((value) => Math.abs(value) - less);
  if (near === undefined) return shares;
  const changes = randomValues(4, shares.length, near);
  return shares.map((share, i) => (i % 2 === 0 ? share : shares[i - 1]! * (1 + changes[i]!)));
}

/** Scores B×K×(H·W) of mask logits and class shares. */
function scoresOf(
  { masks: [batch, queries, h, w], classes, size }: Case,
  logits: Float64Array,
  shares: Float64Array,
) {
  const [height, width] = size;
  const rows = resizedPlaces(h, height);
  const columns = resizedPlaces(w, width);
  const out = new Float64Array(batch * classes * height * width);
  for (let plane = 0; plane < batch * queries; plane++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const [top, low, down] = rows[y]!;
        const [left, right, across] = columns[x]!;
        const at = (row: number, column: number) => logits[(plane * h + row) * w + column]!;
        const near = at(top, left) * (1 - down) + at(low, left) * down;
        const far = at(top, right) * (1 - down) + at(low, right) * down;
        const mask = 1 / (1 + Math.exp(-(near * (1 - across) + far * across)));
        const image = Math.floor(plane / queries);
        for (let k = 0; k < classes; k++)
          out[((image * classes + k) * height + y) * width + x]! += mask * shares[plane * classes + k]!;
      }
  return out;
}

async function run(given: Case, logits: Float64Array, shares: Float64Array, device: string, plain: boolean) {
  const [height, width] = given.size;
  const [batch, queries] = given.masks;
  const masks = await place(logits, given.masks, 'float32', device);
  const classes = await place(shares, [batch, queries, given.classes], 'float32', device);
  const result = await argmaxMasks(classes, masks, { height, width, plain });
  t.same(engine().tensorInfo(result).shape, [batch, height, width]);
  return (await valuesOf(result)) as Uint8Array;
}

const cases: [name: string, given: Case][] = [
  ['150 classes, two images', { masks: [2, 20, 9, 12], classes: 150, size: [36, 48] }],
  ['26 classes, 100 queries', { masks: [1, 100, 8, 10], classes: 26, size: [33, 41] }],
  ['65 classes', { masks: [1, 17, 5, 7], classes: 65, size: [19, 23] }],
  ['130 queries', { masks: [1, 130, 6, 7], classes: 124, size: [24, 25] }],
  ['pairs of classes', { masks: [1, 100, 8, 10], classes: 150, size: [32, 40], near: 3e-3 }],
  [
    'pairs of classes, less than 1 in 1000 apart',
    { masks: [2, 60, 8, 8], classes: 26, size: [27, 29], near: 3e-4 },
  ],
  ['shares below 0', { masks: [1, 30, 5, 6], classes: 40, size: [12, 13], less: 0.3 }],
  ['170 classes', { masks: [1, 70, 5, 6], classes: 170, size: [12, 13] }],
  ['255 classes', { masks: [1, 7, 3, 5], classes: 255, size: [12, 20] }],
  ['one class, one query', { masks: [2, 1, 4, 4], classes: 1, size: [9, 8] }],
  ['smaller maps', { masks: [1, 5, 17, 23], classes: 33, size: [9, 8] }],
  ['one grid value', { masks: [1, 3, 1, 1], classes: 3, size: [9, 13] }],
];

for (const { device, skip } of opDevices) {
  t.test(`the best classes on ${device} are the reference's`, { skip }, async (t) => {
    for (const [name, given] of cases)
      await t.test(name, async (t) => {
        const [batch] = given.masks;
        const { classes } = given;
        const logits = await rounded(randomValues(1, product(given.masks), 6), 'float32');
        const shares = await rounded(sharesOf(given), 'float32');
        const scores = scoresOf(given, logits, shares);
        const pixels = product(given.size);
        for (const plain of [false, true]) {
          const best = await run(given, logits, shares, device, plain);
          let worst = 0;
          for (let i = 0; i < batch * pixels; i++) {
            const of = (k: number) => scores[(Math.floor(i / pixels) * classes + k) * pixels + (i % pixels)]!;
            let most = -Infinity;
            for (let k = 0; k < classes; k++) most = Math.max(most, of(k));
            worst = Math.max(worst, (most - of(best[i]!)) / Math.abs(most));
          }
          t.ok(worst <= 3e-6, `${plain ? 'plain' : 'fused'}: at most ${worst} below the best`);
        }
      });
  });

  t.test(`of equal scores on ${device} the first class wins, and NaN is above all`, { skip }, async (t) => {
    for (const classes of [40, 150, 200]) {
      const given: Case = { masks: [1, 2, 3, 3], classes, size: [12, 12] };
      const logits = randomValues(3, product(given.masks));
      const shares = new Float64Array(2 * classes).fill(0.25);
      for (const k of [7, classes - 30]) shares[k] = shares[classes + k] = 0.5;
      for (const plain of [false, true])
        t.ok((await run(given, logits, shares, device, plain)).every((k) => k === 7));
      for (const k of [classes - 20, classes - 10]) shares[k] = NaN;
      for (const plain of [false, true])
        t.ok((await run(given, logits, shares, device, plain)).every((k) => k === classes - 20));
    }
  });
}

t.test('masks and classes that do not fit are refused', async (t) => {
  const e = engine();
  const zeros = (...shape: number[]) => e.tensor(new Float32Array(product(shape)), shape);
  for (const plain of [false, true]) {
    const refused = async (classes: number[], masks: number[], height: number, message: RegExp) =>
      t.rejects(argmaxMasks(zeros(...classes), zeros(...masks), { height, width: 4, plain }), {
        code: 'SHAPE',
        message,
      });
    await refused([1, 2, 3], [1, 3, 2, 2], 4, /expected classes B×Q×K/);
    await refused([2, 3], [1, 3, 2, 2], 4, /expected classes B×Q×K/);
    await refused([1, 2, 256], [1, 2, 2, 2], 4, /at most 255/);
    await refused([1, 2, 3], [1, 2, 2, 2], 0, /expected sides of at least 1/);
  }
});
