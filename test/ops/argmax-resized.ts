/** argmax_resized: fused kernels and plain libtorch against a float64 reference, on every device. */
import t from 'tap';
import { engine } from '../../lib/native/engine.js';
import { dtypes, place, product, randomValues, rounded } from '../helpers/network-ops.js';
import { opDevices, valuesOf } from '../helpers/op-devices.js';
import { resizedPlaces } from '../helpers/resized-places.js';
import { argmaxResized, type ComputedDType } from '../helpers/operators.js';

interface Case {
  scores: [batch: number, classes: number, height: number, width: number];
  size: [height: number, width: number];
}

/** How far the best class of each pixel is above each other one; resized values B×K×H×W. */
function resized({ scores: [batch, classes, h, w], size: [height, width] }: Case, values: Float64Array) {
  const rows = resizedPlaces(h, height);
  const columns = resizedPlaces(w, width);
  const out = new Float64Array(batch * classes * height * width);
  for (let plane = 0; plane < batch * classes; plane++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const [top, low, down] = rows[y]!;
        const [left, right, across] = columns[x]!;
        const at = (row: number, column: number) => values[(plane * h + row) * w + column]!;
        const near = at(top, left) * (1 - down) + at(low, left) * down;
        const far = at(top, right) * (1 - down) + at(low, right) * down;
        out[(plane * height + y) * width + x] = near * (1 - across) + far * across;
      }
  return out;
}

async function run(given: Case, values: Float64Array, dtype: ComputedDType, device: string, plain: boolean) {
  const [height, width] = given.size;
  const scores = await place(values, given.scores, dtype, device);
  const result = await argmaxResized(scores, { height, width, plain });
  t.same(engine().tensorInfo(result).shape, [given.scores[0], height, width]);
  return (await valuesOf(result)) as Uint8Array;
}

const cases: [name: string, given: Case][] = [
  ['four times, two images', { scores: [2, 5, 9, 20], size: [36, 80] }],
  ['26 classes', { scores: [1, 26, 16, 35], size: [64, 140] }],
  ['sizes that are no multiple', { scores: [2, 4, 7, 5], size: [19, 23] }],
  ['smaller maps', { scores: [1, 4, 17, 23], size: [9, 8] }],
  ['the same size', { scores: [1, 4, 6, 7], size: [6, 7] }],
  ['one grid value', { scores: [1, 3, 1, 1], size: [9, 13] }],
  ['one class', { scores: [2, 1, 5, 6], size: [20, 24] }],
  ['255 classes', { scores: [1, 255, 3, 5], size: [12, 20] }],
];

for (const { device, skip } of opDevices) {
  t.test(`the best classes on ${device} are the reference's`, { skip }, async (t) => {
    for (const [name, given] of cases)
      for (const dtype of dtypes)
        await t.test(`${name}, ${dtype}`, async (t) => {
          const values = randomValues(1, product(given.scores));
          const scores = resized(given, await rounded(values, dtype));
          const [batch, classes] = given.scores;
          const pixels = product(given.size);
          for (const plain of [false, true]) {
            const best = await run(given, values, dtype, device, plain);
            let worst = 0;
            for (let i = 0; i < batch * pixels; i++) {
              const of = (k: number) =>
                scores[(Math.floor(i / pixels) * classes + k) * pixels + (i % pixels)]!;
              let most = -Infinity;
              for (let k = 0; k < classes; k++) most = Math.max(most, of(k));
              worst = Math.max(worst, most - of(best[i]!));
            }
            const bound = dtype === 'float64' ? 1e-14 : 1e-6;
            t.ok(worst <= bound, `${plain ? 'plain' : 'fused'}: at most ${worst} below the best`);
          }
        });
  });

  t.test(`of equal scores on ${device} the first class wins`, { skip }, async (t) => {
    const given: Case = { scores: [1, 6, 7, 19], size: [28, 76] };
    const values = randomValues(2, product(given.scores));
    const cells = 7 * 19;
    for (let i = 0; i < cells; i++) values[4 * cells + i] = values[2 * cells + i]! += 3;
    for (const dtype of dtypes)
      t.ok(
        (await run(given, values, dtype, device, false)).every((k) => k === 2),
        dtype,
      );
    values.fill(0.5);
    t.ok((await run(given, values, 'float32', device, false)).every((k) => k === 0));
  });

  t.test(`NaN on ${device} is above all`, { skip }, async (t) => {
    const given: Case = { scores: [1, 4, 3, 3], size: [12, 12] };
    const values = randomValues(3, product(given.scores));
    values[2 * 9 + 4] = NaN;
    values[3 * 9 + 4] = NaN;
    for (const plain of [false, true])
      t.equal((await run(given, values, 'float32', device, plain))[6 * 12 + 6], 2);
  });
}

t.test('scores that do not fit are refused', async (t) => {
  const e = engine();
  const zeros = (...shape: number[]) => e.tensor(new Float32Array(product(shape)), shape);
  for (const plain of [false, true]) {
    const refused = async (shape: number[], height: number, message: RegExp) =>
      t.rejects(argmaxResized(zeros(...shape), { height, width: 4, plain }), { code: 'SHAPE', message });
    await refused([2, 3, 4], 4, /expected scores B×K×h×w/);
    await refused([1, 256, 2, 2], 4, /at most 255 classes/);
    await refused([1, 2, 2, 2], 0, /expected sides of 1 to 1048576/);
  }
});
