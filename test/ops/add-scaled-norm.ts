/** add_scaled_norm: fused kernels and plain libtorch against a float64 reference, on every device. */
import t from 'tap';
import { engine } from '../../lib/native/engine.js';
import { close } from '../helpers/close.js';
import { place, product, randomValues, rounded, tolerances } from '../helpers/network-ops.js';
import { opDevices, valuesOf } from '../helpers/op-devices.js';
import { addScaledNorm, columnsOf, type ComputedDType, moved } from '../helpers/operators.js';

interface Case {
  shape: number[];
  x: 'float32' | 'float64';
  y: ComputedDType;
  /** Of gamma, weight and bias. */
  parameters: ComputedDType;
  to?: ComputedDType;
  hasGamma: boolean;
}

const eps = 1e-5;
const names = ['x', 'y', 'gamma', 'weight', 'bias'] as const;
type Data = Record<(typeof names)[number], Float64Array>;

function makeData({ shape }: Case): Data {
  const [length, channels] = [product(shape), shape.at(-1)!];
  return {
    x: randomValues(1, length).map((value) => value + 3),
    y: randomValues(2, length),
    gamma: randomValues(3, channels),
    weight: randomValues(4, channels).map((value) => value + 1),
    bias: randomValues(5, channels),
  };
}

function dtypeOf(given: Case, name: (typeof names)[number]): ComputedDType {
  return name === 'x' || name === 'y' ? given[name] : given.parameters;
}

function reference({ shape, hasGamma }: Case, { x, y, gamma, weight, bias }: Data) {
  const channels = shape.at(-1)!;
  const sum = x.map((value, i) => value + y[i]! * (hasGamma ? gamma[i % channels]! : 1));
  const normed = new Float64Array(sum.length);
  for (let start = 0; start < sum.length; start += channels) {
    const row = sum.subarray(start, start + channels);
    const mean = row.reduce((total, value) => total + value, 0) / channels;
    const variance = row.reduce((total, value) => total + (value - mean) ** 2, 0) / channels;
    row.forEach((value, c) => {
      normed[start + c] = ((value - mean) / Math.sqrt(variance + eps)) * weight[c]! + bias[c]!;
    });
  }
  return { sum, normed };
}

async function run(given: Case, data: Data, device: string, plain: boolean) {
  const channels = given.shape.at(-1)!;
  const [x, y, gamma, weight, bias] = await Promise.all(
    names.map((name) =>
      place(
        data[name],
        name === 'x' || name === 'y' ? given.shape : [channels],
        dtypeOf(given, name),
        device,
      ),
    ),
  );
  const tensors = {
    x: x!,
    y: y!,
    weight: weight!,
    bias: bias!,
    ...(given.hasGamma ? { gamma: gamma! } : {}),
  };
  const options = { eps, plain, ...(given.to ? { dtype: given.to } : {}) };
  const { sum, normed } = await addScaledNorm(tensors, options);
  const info = engine().tensorInfo;
  t.same([info(sum).shape, info(sum).dtype], [given.shape, given.x]);
  t.same([info(normed).shape, info(normed).dtype], [given.shape, given.to ?? given.x]);
  return {
    sum: (await valuesOf(sum)) as Float32Array,
    normed: (await valuesOf(normed)) as Float32Array,
  };
}

const usual: Case = {
  shape: [2, 3, 64],
  x: 'float32',
  y: 'bfloat16',
  parameters: 'float32',
  to: 'bfloat16',
  hasGamma: true,
};
const cases: [name: string, given: Case][] = [
  ['the backbone', { ...usual, shape: [1, 3, 4096] }],
  ['2048 channels', { ...usual, shape: [3, 2048] }],
  ['1024 channels, float32 throughout', { ...usual, shape: [3, 1024], y: 'float32', to: 'float32' }],
  ['bfloat16 parameters', { ...usual, parameters: 'bfloat16' }],
  ['float16 y', { ...usual, y: 'float16', to: 'float32', hasGamma: false }],
  ['float16 y and norm', { ...usual, y: 'float16', to: 'float16' }],
  ['float16 parameters', { ...usual, y: 'float16', parameters: 'float16', to: 'float32' }],
  ['float16 y beside bfloat16', { ...usual, y: 'float16', parameters: 'bfloat16' }],
  ['a norm in float16 beside bfloat16', { ...usual, parameters: 'bfloat16', to: 'float16' }],
  ['float16, odd channels', { ...usual, shape: [2, 37], y: 'float16', to: 'float16' }],
  [
    'no gamma, no dtype',
    { shape: [5, 40], x: 'float32', y: 'float32', parameters: 'float32', hasGamma: false },
  ],
  ['no gamma, bfloat16 y', { ...usual, hasGamma: false }],
  ['8 channels', { ...usual, shape: [7, 8] }],
  ['rows longer than the registers of two packs a thread', { ...usual, shape: [2, 9000] }],
  ['rows longer than the registers', { ...usual, shape: [2, 17_000] }],
  ['odd channels', { ...usual, shape: [2, 2, 37] }],
  ['one channel', { ...usual, shape: [4, 1], to: 'float32' }],
  ['a vector', { ...usual, shape: [24] }],
  ['float64', { ...usual, x: 'float64', y: 'float64', parameters: 'float64', to: 'float64' }],
  ['float64 with a narrow y', { ...usual, x: 'float64' }],
  ['a norm in float64', { ...usual, to: 'float64' }],
];

for (const { device, skip } of opDevices)
  t.test(`sum and norm on ${device} are the reference's`, { skip }, async (t) => {
    for (const [name, given] of cases)
      await t.test(name, async (t) => {
        const data = makeData(given);
        const held = Object.fromEntries(
          await Promise.all(
            names.map(async (name) => [name, await rounded(data[name], dtypeOf(given, name))] as const),
          ),
        ) as Data;
        const expected = reference(given, held);
        const doubles = {
          ...given,
          x: 'float64',
          y: 'float64',
          parameters: 'float64',
          to: 'float64',
        } as const;
        const exact = await run(doubles, held, device, true);
        close(t, 'plain in float64', exact.normed, expected.normed, { rtol: 1e-12 });
        const coarsest = (...all: ComputedDType[]) => Math.max(...all.map((dtype) => tolerances[dtype]));
        for (const plain of [false, true]) {
          const title = plain ? 'plain' : 'fused';
          const actual = await run(given, data, device, plain);
          close(t, `${title}: sum`, actual.sum, expected.sum, { rtol: given.x === 'float64' ? 1e-15 : 1e-7 });
          const rtol =
            given.x === 'float64' && given.to === 'float64' ? 1e-12 : coarsest(given.x, given.to ?? given.x);
          close(t, `${title}: norm`, actual.normed, expected.normed, { rtol });
        }
      });

    await t.test('of views of columns', async (t) => {
      const wide = await place(randomValues(7, 6 * 96), [6, 96], 'float32', device);
      const [x, y] = [await columnsOf(wide, 8, 32), await columnsOf(wide, 41, 32)];
      const ones = await place(randomValues(8, 32), [32], 'float32', device);
      const tensors = { x, y, gamma: ones, weight: ones, bias: ones };
      const fused = await addScaledNorm(tensors, { eps });
      const plain = await addScaledNorm(tensors, { eps, plain: true });
      close(
        t,
        'sum',
        (await valuesOf(fused.sum)) as Float32Array,
        (await valuesOf(plain.sum)) as Float32Array,
        {
          rtol: 1e-7,
        },
      );
      close(
        t,
        'norm',
        (await valuesOf(fused.normed)) as Float32Array,
        (await valuesOf(plain.normed)) as Float32Array,
        { rtol: 2e-6 },
      );
    });
  });

t.test('tensors that do not fit are refused', async (t) => {
  const e = engine();
  const zeros = (...shape: number[]) => e.tensor(new Float32Array(product(shape)), shape);
  const fitting = { x: zeros(2, 3), y: zeros(2, 3), gamma: zeros(3), weight: zeros(3), bias: zeros(3) };
  for (const plain of [false, true]) {
    const refused = async (change: Partial<typeof fitting>, message: RegExp) =>
      t.rejects(addScaledNorm({ ...fitting, ...change }, { eps, plain }), { code: 'SHAPE', message });
    await refused(
      { x: await moved(zeros(2, 3), { dtype: 'bfloat16' }) },
      /expected x …×C float32 or float64/,
    );
    await refused({ y: zeros(3, 2) }, /expected y \[2, 3\]/);
    await refused({ gamma: zeros(2) }, /expected gamma \[3\]/);
    await refused({ weight: zeros(1, 3) }, /expected weight/);
    await refused({ bias: e.tensor(new Int32Array(3), [3]) }, /expected bias/);
  }
  const unknown = addScaledNorm(fitting, { eps, dtype: 'int9' as never });
  await t.rejects(unknown, { code: 'INVALID_ARGUMENT', message: /unknown dtype 'int9'/ });
});
