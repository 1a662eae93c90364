/** group_norm_tokens: fused kernels and plain libtorch against a float64 reference, on every device. */
import t from 'tap';
import { engine } from '../../lib/native/engine.js';
import { close } from '../helpers/close.js';
import { computedIn, dtypes, place, product, randomValues, rounded } from '../helpers/network-ops.js';
import { opDevices, valuesOf } from '../helpers/op-devices.js';
import { columnsOf, type ComputedDType, groupNormTokens } from '../helpers/operators.js';

interface Case {
  x: [batch: number, tokens: number, channels: number];
  groups: number;
  relu: boolean;
  /** Far from 0, where squares cancel. */
  offset?: number;
}
type Data = Record<'x' | 'weight' | 'bias', Float64Array>;
const eps = 1e-5;

function reference({ x: [batch, tokens, channels], groups, relu }: Case, { x, weight, bias }: Data) {
  const out = new Float64Array(x.length);
  const width = channels / groups;
  for (let image = 0; image < batch; image++)
    for (let group = 0; group < groups; group++) {
      const places: number[] = [];
      for (let token = 0; token < tokens; token++)
        for (let c = group * width; c < (group + 1) * width; c++)
          places.push((image * tokens + token) * channels + c);
      const mean = places.reduce((sum, i) => sum + x[i]!, 0) / places.length;
      const variance = places.reduce((sum, i) => sum + (x[i]! - mean) ** 2, 0) / places.length;
      for (const i of places) {
        const normed =
          ((x[i]! - mean) / Math.sqrt(variance + eps)) * weight[i % channels]! + bias[i % channels]!;
        out[i] = relu ? Math.max(0, normed) : normed;
      }
    }
  return out;
}

async function run({ x: shape, groups, relu }: Case, data: Data, dtype: ComputedDType, device: string) {
  const channels = shape[2];
  const tensors = {
    x: await place(data.x, shape, dtype, device),
    weight: await place(data.weight, [channels], computedIn(dtype), device),
    bias: await place(data.bias, [channels], computedIn(dtype), device),
  };
  return async (plain: boolean) => {
    const result = await groupNormTokens(tensors, { groups, eps, relu, plain });
    t.same(engine().tensorInfo(result).shape, shape);
    t.equal(engine().tensorInfo(result).dtype, computedIn(dtype));
    return (await valuesOf(result)) as Float32Array;
  };
}

const cases: [name: string, given: Case][] = [
  ['32 groups of 64, with relu', { x: [1, 300, 2048], groups: 32, relu: true }],
  ['two images, a chunk and one token more', { x: [2, 129, 64], groups: 4, relu: false }],
  ['fewer tokens than a chunk', { x: [2, 5, 48], groups: 6, relu: true }],
  ['groups of odd width', { x: [1, 140, 15], groups: 5, relu: false }],
  ['one channel a group', { x: [1, 33, 8], groups: 8, relu: false }],
  ['one group', { x: [2, 40, 24], groups: 1, relu: true }],
  ['one token', { x: [3, 1, 32], groups: 2, relu: false }],
  ['far from 0', { x: [1, 1000, 32], groups: 2, relu: false, offset: 100 }],
];

for (const { device, skip } of opDevices)
  t.test(`group norms on ${device} are the reference's`, { skip }, async (t) => {
    for (const [name, given] of cases)
      for (const dtype of dtypes)
        await t.test(`${name}, ${dtype}`, async (t) => {
          const channels = given.x[2];
          const offset = given.offset ?? 0;
          const data = {
            x: randomValues(1, product(given.x), 3).map((value) => value + offset),
            weight: randomValues(2, channels).map((value) => value + 1),
            bias: randomValues(3, channels),
          };
          const held = {
            x: await rounded(data.x, dtype),
            weight: await rounded(data.weight, computedIn(dtype)),
            bias: await rounded(data.bias, computedIn(dtype)),
          };
          const expected = reference(given, held);
          const norm = await run(given, data, dtype, device);
          // A float32's last place at the offset, over the spread.
          const rtol = dtype === 'float64' ? 1e-12 : 2e-6 * (1 + offset);
          for (const plain of [false, true])
            close(t, plain ? 'plain' : 'fused', await norm(plain), expected, { rtol });
          t.same(await norm(false), await norm(false), 'the same bits again');
        });

    await t.test('of views of channels', async (t) => {
      const wide = await place(randomValues(5, 2 * 50 * 96), [2, 50, 96], 'float32', device);
      const weight = await place(randomValues(6, 32), [32], 'float32', device);
      for (const first of [8, 9]) {
        const tensors = { x: await columnsOf(wide, first, 32), weight, bias: weight };
        const options = { groups: 4, eps, relu: true };
        const fused = (await valuesOf(await groupNormTokens(tensors, options))) as Float32Array;
        const plain = await valuesOf(await groupNormTokens(tensors, { ...options, plain: true }));
        close(t, `from ${first}`, fused, plain as Float32Array, { rtol: 2e-6 });
      }
    });
  });

t.test('tensors that do not fit are refused', async (t) => {
  const e = engine();
  const zeros = (...shape: number[]) => e.tensor(new Float32Array(product(shape)), shape);
  const fitting = { x: zeros(1, 4, 6), weight: zeros(6), bias: zeros(6) };
  for (const plain of [false, true]) {
    const refused = async (change: Partial<typeof fitting>, groups: number, message: RegExp) =>
      t.rejects(groupNormTokens({ ...fitting, ...change }, { groups, eps, relu: false, plain }), {
        code: 'SHAPE',
        message,
      });
    await refused({ x: zeros(4, 6) }, 2, /expected x B×N×C/);
    await refused({}, 4, /divides 6 channels, got 4/);
    await refused({}, 0, /got 0/);
    await refused({ weight: zeros(5) }, 2, /expected weight \[6\]/);
    await refused({ bias: zeros(5) }, 2, /expected bias \[6\]/);
  }
});
