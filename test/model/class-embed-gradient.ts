import t from 'tap';
import { engine } from '../../lib/native/engine.js';
import type { HeadBatch, HeadsHandle, TensorHandle } from '../../lib/native/bindings/engine.js';
import { classEmbedGradients } from '../helpers/operators.js';
import { createRandom } from '../helpers/random-values.js';

const e = engine();
const [batch, queries, hidden, classes] = [2, 12, 24, 7];
const [h, w, height, width] = [8, 12, 32, 48];

const values = async (tensor: TensorHandle) =>
  Float64Array.from((await e.tensorData(tensor)).data as Float32Array);

function relativeError(actual: Float64Array, expected: Float64Array): number {
  let difference = 0;
  let norm = 0;
  for (const [i, value] of expected.entries()) {
    difference += (actual[i]! - value) ** 2;
    norm += value ** 2;
  }
  return Math.sqrt(difference / norm);
}

/** Random queries, mask logits and labels of which a tenth are ignored. */
function makeCase(seed: number) {
  const random = createRandom(seed);
  const normal = (n: number, scale: number) =>
    Float32Array.from({ length: n }, () => scale * (random() + random() + random() - 1.5) * 2);
  const labels = Uint8Array.from({ length: batch * height * width }, () =>
    random() < 0.1 ? 255 : Math.floor(random() * classes),
  );
  return {
    outputs: {
      queries: e.tensor(normal(batch * queries * hidden, 1), [batch, queries, hidden]),
      masks: e.tensor(normal(batch * queries * h * w, 2), [batch, queries, h, w]),
      labels: e.tensor(labels, [batch, height, width]),
    },
    random,
  };
}

const makeHead = (precision: 'bfloat16' | 'float32') =>
  e.createHeads({
    ...{ kind: 'class_embed', losses: ['cross-entropy'], width: hidden, classes, device: 'cpu', precision },
    seeds: [5],
  });

async function gradients(head: HeadsHandle): Promise<{ dWeight: Float64Array; dBias: Float64Array }> {
  const gradient = await values((await e.headsState(head)).gradient);
  return { dWeight: gradient.subarray(0, classes * hidden), dBias: gradient.subarray(classes * hidden) };
}

/** Mean over the pixels that count, and how many they are. */
async function lossOf(head: HeadsHandle, given: HeadBatch): Promise<{ loss: number; pixels: number }> {
  const sums = await e.headsLosses(head, given);
  const [sum, pixels] = [0, 1].map((part) => sums[part]! + sums[2 + part]!);
  return { loss: sum! / pixels!, pixels: pixels! };
}

/** The loss with `amount` times the direction added to the weight. */
async function lossAt(head: HeadsHandle, given: HeadBatch, direction: Float64Array, amount: number) {
  const state = await e.headsState(head);
  const row = await values(state.value);
  const moved = e.tensor(
    Float32Array.from(row, (value, i) => value + amount * (direction[i] ?? 0)),
    [1, row.length],
  );
  await e.headsRestore(head, { ...state, value: moved });
  const { loss } = await lossOf(head, given);
  await e.headsRestore(head, state);
  return loss;
}

for (const { precision, autograd, differences, amount } of [
  // float32: rounding of sums in another order. bfloat16: 8 bits of mantissa in operands and products on both sides,
  // and a loss that moves in steps when weights are rounded, hence the longer way for its differences.
  { precision: 'float32', autograd: 1e-5, differences: 2e-3, amount: 1e-2 },
  { precision: 'bfloat16', autograd: 1e-2, differences: 5e-2, amount: 1e-1 },
] as const) {
  t.test(`the gradient in ${precision}`, async (t) => {
    const { outputs, random } = makeCase(11);
    const head = makeHead(precision);
    const { loss, weight } = await e.headsAccumulate(head, outputs, 1);
    const pixels = weight[0]!;
    const { dWeight, dBias } = await gradients(head);

    t.same(
      await lossOf(head, outputs),
      { loss: loss[0], pixels },
      'comes with the loss that headsLosses gives',
    );
    t.ok(
      pixels > 0.85 * batch * height * width && pixels < 0.95 * batch * height * width,
      'leaves ignored pixels out',
    );

    const row = await values((await e.headsState(head)).value);
    const layer = {
      weight: e.tensor(Float32Array.from(row.subarray(0, classes * hidden)), [classes, hidden]),
      bias: e.tensor(Float32Array.from(row.subarray(classes * hidden)), [classes]),
    };
    const truth = await classEmbedGradients(layer, outputs, precision);
    const weightError = relativeError(dWeight, await values(truth.dWeight));
    const biasError = relativeError(dBias, await values(truth.dBias));
    t.ok(weightError <= autograd, `is autograd's for the weight: ${weightError} ≤ ${autograd}`);
    t.ok(biasError <= autograd, `is autograd's for the bias: ${biasError} ≤ ${autograd}`);

    for (const round of [1, 2, 3]) {
      const direction = dWeight.map((value) => Math.sign(value) * random());
      const up = await lossAt(head, outputs, direction, amount);
      const down = await lossAt(head, outputs, direction, -amount);
      const slope = (up - down) / (2 * amount);
      const expected = direction.reduce((sum, value, i) => sum + value * dWeight[i]!, 0);
      const error = Math.abs(slope - expected) / Math.abs(expected);
      t.ok(
        error <= differences,
        `is the finite difference along direction ${round}: ${error} ≤ ${differences}`,
      );
    }
  });
}

t.test('backward of given logit gradients is the outer product with the queries', async (t) => {
  const { outputs, random } = makeCase(3);
  const head = makeHead('float32');
  const dLogits = Float32Array.from({ length: batch * queries * classes }, () => random() - 0.5);
  await e.headsBackward(head, outputs.queries, e.tensor(dLogits, [batch, queries, classes]));
  const q = await values(outputs.queries);
  const expected = new Float64Array(classes * hidden);
  for (let row = 0; row < batch * queries; row++)
    for (let k = 0; k < classes; k++)
      for (let c = 0; c < hidden; c++)
        expected[k * hidden + c]! += dLogits[row * classes + k]! * q[row * hidden + c]!;
  t.ok(relativeError((await gradients(head)).dWeight, expected) < 1e-5);
});

t.test('gradients add up with their scales, and a step clears them', async (t) => {
  const { outputs } = makeCase(4);
  const head = makeHead('float32');
  await e.headsAccumulate(head, outputs, 1);
  const once = (await gradients(head)).dWeight;
  await e.headsAccumulate(head, outputs, 0.5);
  const both = (await gradients(head)).dWeight;
  t.ok(
    relativeError(
      both,
      once.map((value) => 1.5 * value),
    ) < 1e-6,
  );
  const options = { learningRate: 1e-3, weightDecay: 0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, maxNorm: 1 };
  await e.headsStep(head, [options], [1], [true]);
  t.equal(Math.max(...(await gradients(head)).dWeight.map(Math.abs)), 0);
});

t.test('an image without a counted pixel teaches nothing', async (t) => {
  const { outputs } = makeCase(6);
  const head = makeHead('float32');
  const labels = e.tensor(new Uint8Array(batch * height * width).fill(255), [batch, height, width]);
  const { loss, weight } = await e.headsAccumulate(head, { ...outputs, labels }, 1);
  t.same([...loss, ...weight], [0, 0]);
  t.equal(Math.max(...(await gradients(head)).dWeight.map(Math.abs)), 0);
});

t.test('a gradient that is not finite is refused and changes nothing', async (t) => {
  const { outputs } = makeCase(8);
  const head = makeHead('float32');
  const before = await values((await e.headsState(head)).value);
  const infinite = new Float32Array(batch * queries * classes).fill(Infinity);
  await e.headsBackward(head, outputs.queries, e.tensor(infinite, [batch, queries, classes]));
  const options = { learningRate: 1e-3, weightDecay: 0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, maxNorm: 1 };
  await t.rejects(e.headsStep(head, [options], [1], [true], true), { code: 'INVALID_ARGUMENT' });
  t.same(await values((await e.headsState(head)).value), before);
});
