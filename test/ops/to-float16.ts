/** to_float16: the kernel and plain libtorch against roundings of float64, on every device. */
import t from 'tap';
import { engine } from '../../lib/native/engine.js';
import { dtypes, place, product, randomValues, rounded } from '../helpers/network-ops.js';
import { onDevice, opDevices, valuesOf } from '../helpers/op-devices.js';
import { columnsOf, type ComputedDType, toFloat16 } from '../helpers/operators.js';
import type { TensorHandle } from '../../lib/native/bindings/engine.js';

/** The nearest float16 of a float32, of two the even one; infinite beyond. */
function nearest(value: number): number {
  const magnitude = Math.abs(value);
  if (!(magnitude < 65520)) return Number.isNaN(value) ? NaN : Math.sign(value) * Infinity;
  const step = 2 ** (Math.max(Math.floor(Math.log2(magnitude)), -14) - 10);
  const below = Math.floor(magnitude / step);
  const over = magnitude / step - below;
  const steps = below + (over > 0.5 || (over === 0.5 && below % 2 === 1) ? 1 : 0);
  return Math.sign(value) * steps * step;
}

const largestOf = (values: Float64Array) =>
  values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const zero = (device: string, value = 0) => onDevice(Float32Array.of(value), [1], device);

async function found(x: TensorHandle, largest: TensorHandle, plain: boolean) {
  const half = await toFloat16(x, largest, { plain });
  const info = engine().tensorInfo(half);
  return { values: [...(await valuesOf(half))], largest: (await valuesOf(largest))[0], ...info };
}

const cases: [name: string, shape: number[], scale: number][] = [
  ["a product's input", [2, 300, 64], 30],
  ['less than a pack', [3], 1],
  ['an odd number', [1, 8193], 1],
  ['nearly all of the range', [100, 8], 65_000],
  ['subnormal numbers', [40, 8], 1e-5],
];

for (const { device, skip } of opDevices)
  for (const plain of [false, true])
    t.test(`casts on ${device} are roundings, ${plain ? 'plain' : 'fused'}`, { skip }, async (t) => {
      for (const [name, shape, scale] of cases)
        for (const dtype of dtypes)
          await t.test(`${name}, ${dtype}`, async (t) => {
            const data = randomValues(3, product(shape), scale);
            const held = await rounded(data, dtype);
            const x = await place(data, shape, dtype, device);
            const { values, largest, ...info } = await found(x, await zero(device), plain);
            t.same([info.shape, info.dtype], [shape, 'float16']);
            t.same(values, [...held].map(Math.fround).map(nearest));
            t.equal(largest, Math.fround(largestOf(held)));
          });

      await t.test('the largest of several tensors', async (t) => {
        const largest = await zero(device, 0.5);
        const seen = [];
        for (const scale of [0.25, 1000, 10, 2000]) {
          const x = await place(Float64Array.of(0.5 * scale, -scale), [2], 'float32', device);
          seen.push((await found(x, largest, plain)).largest);
        }
        t.same(seen, [0.5, 1000, 1000, 2000]);
      });

      await t.test('what float16 cannot hold', async (t) => {
        for (const [value, cast, dtype] of [
          [65_519, 65_504, 'float32'],
          [-65_520, -Infinity, 'float32'],
          [1e30, Infinity, 'bfloat16'],
          [1e300, Infinity, 'float64'],
          [-Infinity, -Infinity, 'float32'],
          [Infinity, Infinity, 'float16'],
          [NaN, NaN, 'float32'],
          [NaN, NaN, 'float16'],
        ] as [number, number, ComputedDType][]) {
          const data = randomValues(5, 3000).fill(value, 2222, 2223);
          const x = await place(data, [3000], dtype, device);
          const result = await found(x, await zero(device), plain);
          t.same(result.values[2222], cast, `${value} in ${dtype}`);
          const expected = Math.fround(Math.abs((await rounded(Float64Array.of(value), dtype))[0]!));
          t.same(result.largest, expected, `largest magnitude with ${value} in ${dtype}`);
        }
        const largest = await zero(device, NaN);
        await toFloat16(await place(Float64Array.of(1e9), [1], 'float32', device), largest, { plain });
        t.same((await valuesOf(largest))[0], NaN, 'NaN stays');
      });

      await t.test('views keep their order, and float16 its memory', async (t) => {
        const data = randomValues(6, 6 * 40);
        const wide = await place(data, [6, 40], 'float32', device);
        const columns = await found(await columnsOf(wide, 3, 17), await zero(device), plain);
        const rows = Array.from({ length: 6 }, (_, row) => [...data.slice(row * 40 + 3, row * 40 + 20)]);
        const expected = rows.flat().map(Math.fround).map(nearest);
        t.same(columns.values, expected);
        const turned = (await engine().callOperator('aten::t', [wide])) as TensorHandle;
        const across = await found(turned, await zero(device), plain);
        t.same(across.shape, [40, 6]);
        t.same(
          across.values.slice(0, 6),
          [0, 1, 2, 3, 4, 5].map((row) => nearest(Math.fround(data[row * 40]!))),
        );
      });

      await t.test('arguments that do not fit are refused', async (t) => {
        const x = await place(randomValues(1, 4), [4], 'float32', device);
        const integers = await onDevice(new Int32Array(4), [4], device);
        const wrong = { code: 'SHAPE' };
        await t.rejects(toFloat16(integers, await zero(device), { plain }), wrong);
        await t.rejects(toFloat16(x, x, { plain }), { ...wrong, message: /one float32/ });
        await t.rejects(toFloat16(x, integers, { plain }), wrong);
      });
    });
