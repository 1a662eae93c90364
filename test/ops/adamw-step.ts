/** adamw_step: fused kernels and plain libtorch against a float64 reference, on every device. */
import t from 'tap';
import { engine } from '../../lib/native/engine.js';
import { adamwNames as names, adamwByDefinition, type AdamwState } from '../helpers/adamw.js';
import { close, sameBits } from '../helpers/close.js';
import { onDevice, opDevices, valuesOf } from '../helpers/op-devices.js';
import { createRandom } from '../helpers/random-values.js';
import { adamwStep } from '../helpers/operators.js';

const [beta1, beta2, epsilon] = [0.9, 0.999, 1e-8];
type State = AdamwState<Float32Array>;

interface Head {
  learningRate: number;
  weightDecay: number;
  steps: number;
  maxNorm: number;
  isActive: boolean;
}

const heads: Head[] = [
  { learningRate: 1e-3, weightDecay: 1e-2, steps: 1, maxNorm: 1, isActive: true },
  { learningRate: 1e-2, weightDecay: 0, steps: 7, maxNorm: Infinity, isActive: true },
  { learningRate: 1e-3, weightDecay: 1e-2, steps: 3, maxNorm: 1, isActive: false },
  { learningRate: 3e-4, weightDecay: 0.1, steps: 1000, maxNorm: 1e4, isActive: true },
];

const coefficients = Float32Array.from(
  heads.flatMap(({ learningRate, weightDecay, steps, maxNorm, isActive }) => [
    1 - learningRate * weightDecay,
    learningRate / (1 - beta1 ** steps),
    Math.sqrt(1 - beta2 ** steps),
    maxNorm,
    Number(isActive),
  ]),
);

function makeState(parameters: number): State {
  const random = createRandom(parameters);
  const length = heads.length * parameters;
  return {
    value: Float32Array.from({ length }, () => random() - 0.5),
    gradient: Float32Array.from({ length }, () => random() - 0.5),
    expAvg: Float32Array.from({ length }, () => 0.1 * (random() - 0.5)),
    expAvgSq: Float32Array.from({ length }, () => 0.01 * random()),
  };
}

function reference(state: State, parameters: number) {
  const all = (copy: (values: Float32Array) => Float64Array) =>
    Object.fromEntries(names.map((name) => [name, copy(state[name])])) as AdamwState<Float64Array>;
  const next = all((values) => Float64Array.from(values));
  const norms = heads.map(({ steps, isActive, ...options }, n) => {
    const [first, end] = [n * parameters, (n + 1) * parameters];
    const own = all((values) => Float64Array.from(values.subarray(first, end)));
    const norm = adamwByDefinition(own, { ...options, beta1, beta2, epsilon }, steps);
    for (const name of isActive ? names : (['gradient'] as const)) next[name].set(own[name], first);
    return norm;
  });
  return { norms, state: next };
}

async function run(state: State, parameters: number, device: string, plain: boolean) {
  const shape = [heads.length, parameters];
  const [value, gradient, expAvg, expAvgSq] = await Promise.all(
    names.map((name) => onDevice(state[name], shape, device)),
  );
  const tensors = { value: value!, gradient: gradient!, expAvg: expAvg!, expAvgSq: expAvgSq! };
  const table = await onDevice(coefficients, [heads.length, 5], device);
  const options = { beta1, beta2, epsilon, plain };
  const norms = await adamwStep({ ...tensors, coefficients: table }, options);
  const after = await Promise.all(names.map(async (name) => [name, await valuesOf(tensors[name])] as const));
  return {
    norms: (await valuesOf(norms)) as Float32Array,
    state: Object.fromEntries(after) as unknown as State,
  };
}

for (const { device, skip } of opDevices) {
  t.test(`a step on ${device} is the reference's`, { skip }, async (t) => {
    for (const parameters of [1, 37, 4096, 53_274])
      await t.test(`${parameters} parameters`, async (t) => {
        const state = makeState(parameters);
        const expected = reference(state, parameters);
        for (const plain of [false, true]) {
          const actual = await run(state, parameters, device, plain);
          const title = plain ? 'plain' : 'fused';
          close(t, `${title}: norms`, actual.norms, expected.norms, { rtol: 1e-6 });
          for (const name of names)
            close(t, `${title}: ${name}`, actual.state[name], expected.state[name], { rtol: 1e-6 });
        }
      });
  });

  t.test(
    `a head that takes no step on ${device} keeps its bits and loses its gradient`,
    { skip },
    async (t) => {
      const state = makeState(100);
      const after = (await run(state, 100, device, false)).state;
      for (const name of ['value', 'expAvg', 'expAvgSq'] as const)
        t.ok(sameBits(after[name].subarray(200, 300), state[name].subarray(200, 300)), name);
      t.ok(after.gradient.every((value) => value === 0));
    },
  );

  t.test(
    `a gradient that is not finite on ${device} is told by its norm, and loses its head only`,
    { skip },
    async (t) => {
      const state = makeState(100);
      state.gradient[50] = NaN;
      const { norms, state: after } = await run(state, 100, device, false);
      t.same(Array.from(norms, Number.isFinite), [false, true, true, true]);
      t.notOk(after.value.subarray(0, 100).some(Number.isFinite));
      t.ok(after.value.subarray(100).every(Number.isFinite));
    },
  );
}

t.test('a step gives the same bits with any number of threads', async (t) => {
  const state = makeState(53_274);
  const { threads } = engine().info();
  t.teardown(() => engine().setThreads(threads));
  engine().setThreads(1);
  const first = await run(state, 53_274, 'cpu', false);
  for (const count of [2, 3]) {
    engine().setThreads(count);
    const again = await run(state, 53_274, 'cpu', false);
    t.ok(sameBits(again.norms, first.norms) && sameBits(again.state.value, first.state.value), `${count}`);
  }
});

t.test('tensors that do not fit are refused', async (t) => {
  const e = engine();
  const zeros = (...shape: number[]) => e.tensor(new Float32Array(shape.reduce((a, b) => a * b)), shape);
  const fitting = { value: zeros(2, 3), gradient: zeros(2, 3), expAvg: zeros(2, 3), expAvgSq: zeros(2, 3) };
  for (const plain of [false, true]) {
    const options = { beta1, beta2, epsilon, plain };
    const short = { ...fitting, expAvg: zeros(2, 2), coefficients: zeros(2, 5) };
    await t.rejects(adamwStep(short, options), { code: 'SHAPE', message: /expected values, gradients/ });
    const few = { ...fitting, coefficients: zeros(2, 4) };
    await t.rejects(adamwStep(few, options), { code: 'SHAPE', message: /expected coefficients 2×5/ });
  }
});
