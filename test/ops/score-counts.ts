/** score_counts: fused kernels and plain libtorch against a float64 reference, on every device. */
import t from 'tap';
import { onDevice, opDevices, valuesOf } from '../helpers/op-devices.js';
import { createRandom } from '../helpers/random-values.js';
import { referenceCounts, type ScoreCase } from '../helpers/score-reference.js';
import { scoreCounts } from '../helpers/operators.js';

function makeCase(
  seed: number,
  shape: readonly [batch: number, heads: number, classes: number],
  grid: readonly [number, number],
  size: readonly [number, number],
): ScoreCase {
  const [batch, heads, classes] = shape;
  const random = createRandom(seed);
  const scores = Float32Array.from({ length: batch * heads * classes * grid[0] * grid[1] }, random);
  const labels = Uint8Array.from({ length: batch * size[0] * size[1] }, () =>
    random() < 0.1 ? 255 : random() * classes,
  );
  return { batch, heads, classes, grid, size, scores, labels, losses: [] };
}

async function run(given: ScoreCase, device: string, plain: boolean): Promise<number[]> {
  const { batch, heads, classes, grid, size } = given;
  const scores = await onDevice(given.scores, [batch, heads, classes, ...grid], device);
  const labels = await onDevice(given.labels, [batch, ...size], device);
  const counts = await valuesOf(await scoreCounts(scores, labels, { plain }));
  return Array.from(counts as BigInt64Array, Number);
}

const cases: [name: string, given: ScoreCase][] = [
  ['four times, two images, three heads', makeCase(1, [2, 3, 5], [9, 20], [36, 80])],
  ['26 classes', makeCase(2, [1, 1, 26], [16, 35], [64, 140])],
  ['sizes that are no multiple', makeCase(3, [2, 1, 4], [7, 5], [19, 23])],
  ['smaller labels', makeCase(4, [1, 2, 4], [17, 23], [9, 8])],
  ['one grid value', makeCase(5, [1, 1, 3], [1, 1], [9, 13])],
  ['one class', makeCase(6, [1, 2, 1], [5, 6], [20, 24])],
  ['255 classes', makeCase(7, [2, 1, 255], [3, 5], [12, 20])],
];

for (const { device, skip } of opDevices) {
  t.test(`counts on ${device} are the reference's`, { skip }, async (t) => {
    for (const [name, given] of cases)
      await t.test(name, async (t) => {
        const { counts, narrow } = referenceCounts(given, 1e-6);
        for (const plain of [false, true]) {
          const actual = await run(given, device, plain);
          const moved = actual.reduce((sum, value, i) => sum + Math.abs(value - counts[i]!), 0) / 2;
          t.ok(
            moved <= narrow,
            `${plain ? 'plain' : 'fused'}: ${moved} pixels elsewhere, ${narrow} undecided`,
          );
        }
      });
  });

  t.test(`of equal scores on ${device} the first class wins`, { skip }, async (t) => {
    const given = makeCase(20, [1, 2, 6], [7, 19], [28, 76]);
    const cells = 7 * 19;
    // Classes 2 and 4 are equal and above the others; head 1: all are equal.
    for (let i = 0; i < cells; i++) given.scores[4 * cells + i] = given.scores[2 * cells + i]! += 1;
    given.scores.fill(0.5, 6 * cells);
    const counts = await run(given, device, false);
    const predicted = (head: number, k: number) =>
      [0, 1, 2, 3, 4, 5].reduce((sum, truth) => sum + counts[(head * 6 + truth) * 6 + k]!, 0);
    const counted = given.labels.filter((label) => label !== 255).length;
    t.equal(predicted(0, 2), counted);
    t.equal(predicted(1, 0), counted);
  });

  t.test(`ignored pixels on ${device} are counted nowhere`, { skip }, async (t) => {
    const given = makeCase(21, [1, 1, 3], [4, 5], [16, 20]);
    given.labels.fill(255);
    t.ok((await run(given, device, false)).every((count) => count === 0));
  });
}
