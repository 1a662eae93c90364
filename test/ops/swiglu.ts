/** swiglu: fused kernels and plain libtorch against a float64 reference, on every device. */
import t from 'tap';
import { engine } from '../../lib/native/engine.js';
import { close } from '../helpers/close.js';
import { dtypes, place, product, randomValues, rounded } from '../helpers/network-ops.js';
import { opDevices, valuesOf } from '../helpers/op-devices.js';
import { columnsOf, swiglu } from '../helpers/operators.js';

// Widths of gate and up in a row, and where they begin; rows may be wider.
const cases: { shape: number[]; gate: number; up: number; width: number }[] = [
  { shape: [2, 3, 64], gate: 0, up: 32, width: 32 },
  { shape: [2, 5, 600], gate: 0, up: 300, width: 300 },
  { shape: [4, 37], gate: 3, up: 20, width: 15 },
  { shape: [2, 2, 3, 48], gate: 8, up: 24, width: 16 },
  { shape: [3, 4200], gate: 0, up: 2100, width: 2100 },
  { shape: [16], gate: 0, up: 8, width: 8 },
  { shape: [5, 2], gate: 0, up: 1, width: 1 },
];
const tolerances = { float32: 2e-7, bfloat16: 2.5e-3, float16: 3.2e-4, float64: 1e-15 };

for (const { device, skip } of opDevices)
  t.test(`swiglu on ${device} is the reference's`, { skip }, async (t) => {
    for (const { shape, gate, up, width } of cases)
      for (const dtype of dtypes)
        await t.test(`${width} of ${shape.join('×')}, ${dtype}`, async (t) => {
          const data = randomValues(1, product(shape), 8);
          const held = await rounded(data, dtype);
          const row = shape.at(-1)!;
          const expected = Float64Array.from({ length: (data.length / row) * width }, (_, i) => {
            const start = Math.floor(i / width) * row + (i % width);
            const x = held[start + gate]!;
            return (x / (1 + Math.exp(-x))) * held[start + up]!;
          });
          const both = await place(data, shape, dtype, device);
          for (const plain of [false, true]) {
            const columns = (first: number) => columnsOf(both, first, width);
            const result = await swiglu(await columns(gate), await columns(up), { plain });
            const rtol = tolerances[dtype] * (plain ? 2 : 1);
            close(t, plain ? 'plain' : 'fused', (await valuesOf(result)) as Float32Array, expected, { rtol });
            t.same(engine().tensorInfo(result).shape, [...shape.slice(0, -1), width]);
          }
        });

    await t.test('far values', async (t) => {
      const gate = await place(Float64Array.of(-1e4, 1e4, -Infinity, NaN), [4], 'float32', device);
      const up = await place(Float64Array.of(2, 2, 2, 2), [4], 'float32', device);
      const values = Array.from((await valuesOf(await swiglu(gate, up, {}))) as Float32Array);
      t.same(values, [-0, 2e4, NaN, NaN]);
    });
  });

t.test('tensors that do not fit are refused', async (t) => {
  const e = engine();
  const zeros = (...shape: number[]) => e.tensor(new Float32Array(product(shape)), shape);
  const whole = e.tensor(new Int32Array(6), [2, 3]);
  for (const plain of [false, true]) {
    const refused = { code: 'SHAPE', message: /expected gate/ };
    await t.rejects(swiglu(zeros(2, 3), zeros(3, 2), { plain }), refused);
    await t.rejects(swiglu(zeros(2, 3), e.tensor(new Float64Array(6), [2, 3]), { plain }), refused);
    await t.rejects(swiglu(whole, whole, { plain }), refused);
  }
});
