/** score_loss: fused kernels and plain libtorch against a float64 reference, on every device. */
import t, { type Test } from 'tap';
import { engine } from '../../lib/native/engine.js';
import { close, sameBits } from '../helpers/close.js';
import { onDevice, opDevices, valuesOf } from '../helpers/op-devices.js';
import { createRandom } from '../helpers/random-values.js';
import { referenceLoss, type ScoreCase } from '../helpers/score-reference.js';
import { type ScoreLoss, scoreLoss } from '../helpers/operators.js';

interface CaseOptions {
  batch?: number;
  classes?: number;
  losses?: ScoreLoss[];
  /** Scores are 0 … scale. */
  scale?: number;
  ignored?: number;
  weighted?: boolean;
}

function makeCase(
  seed: number,
  grid: readonly [number, number],
  size: readonly [number, number],
  options: CaseOptions = {},
): ScoreCase {
  const { batch = 1, classes = 5, losses = ['cross-entropy'], scale = 4, ignored = 0.1 } = options;
  const random = createRandom(seed);
  const heads = losses.length;
  const floats = (length: number, most: number) => Float32Array.from({ length }, () => most * random());
  const label = () => (random() < ignored ? 255 : Math.floor(random() * classes));
  return {
    batch,
    heads,
    classes,
    grid,
    size,
    losses,
    scores: floats(batch * heads * classes * grid[0] * grid[1], scale),
    labels: Uint8Array.from({ length: batch * size[0] * size[1] }, label),
    ...(options.weighted && { classWeights: floats(heads * classes, 3) }),
  };
}

interface Result {
  sums: Float64Array;
  gradient?: Float32Array;
}

async function run(given: ScoreCase, device: string, plain: boolean, gradient = true): Promise<Result> {
  const { batch, heads, classes, grid, size, losses, classWeights } = given;
  const result = await scoreLoss(
    await onDevice(given.scores, [batch, heads, classes, ...grid], device),
    await onDevice(given.labels, [batch, ...size], device),
    {
      losses,
      plain,
      gradient,
      ...(classWeights && { classWeights: await onDevice(classWeights, [heads, classes], device) }),
    },
  );
  return {
    sums: (await valuesOf(result.sums)) as Float64Array,
    ...(result.gradient && { gradient: (await valuesOf(result.gradient)) as Float32Array }),
  };
}

function compare(t: Test, name: string, given: ScoreCase, actual: Result, rtol: number): void {
  const expected = referenceLoss(given);
  // Of one class the loss is 0, and what comes instead has no relative error.
  const tolerance = given.classes > 1 ? { rtol } : { atol: 1e-6 * given.labels.length };
  close(t, `${name}: sums`, actual.sums, expected.sums, tolerance);
  const shape = [given.batch, given.heads, given.classes, ...given.grid];
  close(t, `${name}: gradient`, actual.gradient!, expected.gradient, { ...tolerance, shape });
}

const both: ScoreLoss[] = ['cross-entropy', 'nll'];
const cases: [name: string, given: ScoreCase, rtol?: number][] = [
  ['four times, two images and heads', makeCase(1, [8, 12], [32, 48], { batch: 2, losses: both })],
  ['four times, 26 classes, several vectors wide', makeCase(2, [20, 70], [80, 280], { classes: 26 })],
  ['twice', makeCase(3, [9, 33], [18, 66], { losses: both })],
  ['sizes that are no multiple', makeCase(4, [7, 5], [19, 23], { losses: both })],
  ['more than four times, no multiple', makeCase(5, [3, 4], [29, 41], { losses: both })],
  ['sixteen times', makeCase(6, [4, 3], [64, 48], { classes: 26 })],
  ['smaller labels', makeCase(7, [17, 23], [9, 8], { losses: both })],
  ['far smaller labels', makeCase(8, [40, 50], [3, 2])],
  ['higher and narrower', makeCase(9, [5, 20], [16, 7], { losses: both })],
  ['equal sizes', makeCase(10, [6, 7], [6, 7], { losses: both })],
  ['one grid value', makeCase(11, [1, 1], [9, 13], { losses: both })],
  ['one grid value, one pixel', makeCase(12, [1, 1], [1, 1], { ignored: 0 })],
  ['one grid row', makeCase(13, [1, 9], [7, 36])],
  ['one grid column', makeCase(14, [9, 1], [36, 1])],
  ['one class', makeCase(15, [5, 6], [20, 24], { classes: 1, losses: both })],
  ['255 classes', makeCase(16, [3, 5], [12, 20], { classes: 255, losses: both })],
  ['class weights a head', makeCase(17, [6, 5], [24, 20], { weighted: true, losses: ['nll', ...both] })],
  ['most pixels ignored', makeCase(18, [10, 40], [40, 160], { ignored: 0.97, losses: both })],
  // The resized scores themselves are rounded to 4e-6.
  ['scores of 0 … 100', makeCase(19, [10, 11], [40, 44], { scale: 100, losses: both }), 5e-6],
];

for (const { device, skip } of opDevices) {
  t.test(`score loss on ${device} is the reference's`, { skip }, async (t) => {
    for (const [name, given, rtol = 1e-6] of cases)
      await t.test(name, async (t) => {
        compare(t, 'fused', given, await run(given, device, false), rtol);
        compare(t, 'plain', given, await run(given, device, true), 10 * rtol);
      });
  });

  t.test(`classes that are out of the question on ${device} leave nothing undefined`, { skip }, async (t) => {
    const given = makeCase(30, [6, 9], [24, 36], { classes: 4 });
    const places = 6 * 9;
    given.scores.fill(-1e4, places, 2 * places);
    given.labels.forEach((label, i) => (given.labels[i] = label === 1 ? 255 : label));
    compare(t, 'everywhere', given, await run(given, device, false), 1e-6);
    for (let i = 0; i < given.scores.length; i++) if (i % 3 === 0) given.scores[i] = -1e4;
    // Resized scores of that size are rounded to 1e-3.
    compare(t, 'here and there', given, await run(given, device, false), 1e-3);
  });

  t.test(
    `scores of wide and narrow range side by side on ${device} are the reference's`,
    { skip },
    async (t) => {
      const given = makeCase(34, [10, 80], [40, 320], { classes: 6, weighted: true });
      // Far apart: in a few cells, next to others that are not.
      for (let i = 0; i < given.scores.length; i += 97) given.scores[i]! += 60;
      compare(t, 'fused', given, await run(given, device, false), 5e-6);
    },
  );

  t.test(`without a counted pixel on ${device} loss, weight and gradient are 0`, { skip }, async (t) => {
    const given = makeCase(31, [5, 6], [20, 24], { losses: both, ignored: 1 });
    const { sums, gradient } = await run(given, device, false);
    t.same([...sums], [0, 0, 0, 0]);
    t.ok(gradient!.every((value) => value === 0));
  });

  t.test(`a score that is not a number on ${device} is not lost`, { skip }, async (t) => {
    const given = makeCase(32, [5, 6], [20, 24], { losses: both, ignored: 0 });
    given.scores.fill(NaN);
    const { sums, gradient } = await run(given, device, false);
    t.notOk(Number.isFinite(sums[0]) || Number.isFinite(sums[2]));
    t.notOk(gradient!.some(Number.isFinite));
  });

  t.test(`every run on ${device} gives the same bits, with and without the gradient`, { skip }, async (t) => {
    const given = makeCase(33, [33, 21], [132, 84], { batch: 2, classes: 7, losses: both, weighted: true });
    const { threads } = engine().info();
    t.teardown(() => engine().setThreads(threads));
    const first = await run(given, device, false);
    for (const count of [1, 2, 3, 5]) {
      engine().setThreads(count);
      const again = await run(given, device, false);
      t.ok(sameBits(again.sums, first.sums), `sums, ${count} threads`);
      t.ok(sameBits(again.gradient!, first.gradient!), `gradient, ${count} threads`);
    }
    const alone = await run(given, device, false, false);
    t.equal(alone.gradient, undefined);
    close(t, 'sums alone', alone.sums, first.sums, { rtol: device === 'cpu' ? 0 : 1e-6 });
  });
}

t.test('shapes that do not fit are refused', async (t) => {
  const e = engine();
  const scores = e.tensor(new Float32Array(2 * 1 * 3 * 4 * 5), [2, 1, 3, 4, 5]);
  const labels = e.tensor(new Uint8Array(2 * 8 * 10), [2, 8, 10]);
  const losses = ['cross-entropy'] as const;
  const weights = e.tensor(new Float32Array(4), [1, 4]);
  for (const plain of [false, true]) {
    const refused = async (message: RegExp, ...[given, of, options]: Parameters<typeof scoreLoss>) =>
      t.rejects(scoreLoss(given, of, { plain, ...options }), { code: 'SHAPE', message });
    await refused(/expected scores/, e.tensor(new Float32Array(60), [3, 4, 5]), labels, { losses });
    await refused(/expected scores/, e.tensor(new Float32Array(256), [1, 1, 256, 1, 1]), labels, { losses });
    await refused(/expected labels/, scores, e.tensor(new Uint8Array(80), [1, 8, 10]), { losses });
    await refused(/a loss for each of 1 heads, got 2/, scores, labels, { losses: both });
    await refused(/a loss for each of 1 heads, got 0/, scores, labels, { losses: [] });
    await refused(/expected class weights 1×3/, scores, labels, { losses, classWeights: weights });
  }
});
