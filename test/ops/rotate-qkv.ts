/** rotate_qkv: fused kernels and plain libtorch against a float64 reference, on every device. */
import t from 'tap';
import { engine } from '../../lib/native/engine.js';
import { close } from '../helpers/close.js';
import { dtypes, place, product, randomValues, rounded, tolerances } from '../helpers/network-ops.js';
import { opDevices, valuesOf } from '../helpers/op-devices.js';
import { columnsOf, type ComputedDType, rotateQkv } from '../helpers/operators.js';

type Shape = [batch: number, tokens: number, rotated: number, heads: number, channels: number];

const wide = (dtype: ComputedDType) => (dtype === 'float64' ? 'float64' : 'float32');

function reference(shape: Shape, qkv: Float64Array, sin: Float64Array, cos: Float64Array): Float64Array {
  const [, tokens, rotated, heads, channels] = shape;
  const half = channels / 2;
  return qkv.map((x, i) => {
    const d = i % channels;
    const part = Math.floor(i / channels / heads) % 3;
    const token = Math.floor(i / channels / heads / 3) % tokens;
    const own = (token - (tokens - rotated)) * channels + d;
    if (part === 2 || own < 0) return x;
    return x * cos[own]! + (d < half ? -qkv[i + half]! : qkv[i - half]!) * sin[own]!;
  });
}

const cases: Shape[] = [
  [2, 9, 4, 3, 16],
  [1, 5, 5, 64, 32],
  [1, 3, 2, 2, 128],
  [2, 4, 3, 3, 6],
  [1, 6, 1, 1, 2],
  [1, 2, 1, 2, 600],
  [1, 4, 0, 2, 8],
];

for (const { device, skip } of opDevices)
  t.test(`queries and keys on ${device} are rotated as in the reference`, { skip }, async (t) => {
    for (const shape of cases)
      for (const dtype of dtypes)
        await t.test(`${shape.join('×')}, ${dtype}`, async (t) => {
          const [batch, tokens, rotated, heads, channels] = shape;
          const sizes = [batch, tokens, 3, heads, channels];
          const table = [rotated, channels];
          const data = randomValues(1, product(sizes));
          const angles = randomValues(2, product(table), 4);
          const [sin, cos] = [angles.map(Math.sin), angles.map(Math.cos)];
          const held = await rounded(data, dtype);
          const [heldSin, heldCos] = [await rounded(sin, wide(dtype)), await rounded(cos, wide(dtype))];
          const expected = reference(shape, held, heldSin, heldCos);
          for (const plain of [false, true]) {
            const qkv = await place(data, sizes, dtype, device);
            const sines = await place(sin, table, wide(dtype), device);
            const cosines = await place(cos, table, wide(dtype), device);
            const result = await rotateQkv(qkv, sines, cosines, { plain });
            const title = plain ? 'plain' : 'fused';
            const values = (await valuesOf(result)) as Float32Array;
            close(t, title, values, expected, { rtol: tolerances[dtype] });
            t.same(await valuesOf(qkv), values, `${title}: in place`);
            const untouched = Array.from(values, (value, i) => {
              const part = Math.floor(i / channels / heads) % 3;
              const token = Math.floor(i / channels / heads / 3) % tokens;
              return (part < 2 && token >= tokens - rotated) || value === held[i];
            });
            t.ok(untouched.every(Boolean), `${title}: values and first tokens keep their bits`);
          }
        });
  });

t.test('tensors that do not fit are refused', async (t) => {
  const e = engine();
  const zeros = (...shape: number[]) => e.tensor(new Float32Array(product(shape)), shape);
  const doubles = e.tensor(new Float64Array(8), [2, 4]);
  for (const plain of [false, true]) {
    const refused = async (args: Parameters<typeof rotateQkv>, message: RegExp) =>
      t.rejects(rotateQkv(...args), { code: 'SHAPE', message });
    const options = { plain };
    await refused([zeros(1, 3, 2, 2, 4), zeros(2, 4), zeros(2, 4), options], /expected qkv/);
    await refused([zeros(1, 3, 3, 2, 3), zeros(2, 3), zeros(2, 3), options], /with an even D/);
    const columns = await columnsOf(zeros(1, 3, 3, 2, 8), 0, 4);
    await refused([columns, zeros(2, 4), zeros(2, 4), options], /contiguous/);
    await refused([zeros(1, 3, 3, 2, 4), zeros(4, 4), zeros(4, 4), options], /at most 3 tokens/);
    await refused([zeros(1, 3, 3, 2, 4), zeros(2, 4), zeros(1, 4), options], /expected sines and cosines/);
    await refused([zeros(1, 3, 3, 2, 4), doubles, doubles, options], /expected sines and cosines/);
  }
});
