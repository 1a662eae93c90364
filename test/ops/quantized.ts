/** Rows in e4m3 and their products: fused kernels and plain libtorch against float64 references, on every device. */
import t, { type Test } from 'tap';
import { engine } from '../../lib/native/engine.js';
import type { TensorHandle } from '../../lib/native/bindings/engine.js';
import { close, sameBits } from '../helpers/close.js';
import { e4m3, e4m3Devices, e4m3Step } from '../helpers/e4m3.js';
import { dtypes, place, product, randomValues, rounded } from '../helpers/network-ops.js';
import { opDevices, valuesOf } from '../helpers/op-devices.js';
import {
  addScaledNormQuantized,
  columnsOf,
  quantizeRows,
  scaledLinear,
  swigluQuantized,
  type QuantizedRows,
} from '../helpers/operators.js';

const leastScale = 2 ** -126;

/** What quantising gives, operation by operation in float32. */
function quantized(values: Float64Array, columns: number) {
  const scales = new Float32Array(values.length / columns);
  const rows = Float32Array.from(values, (value, i) => {
    const row = Math.floor(i / columns);
    if (i % columns === 0) {
      const most = values.subarray(i, i + columns).reduce((most, each) => Math.max(most, Math.abs(each)), 0);
      scales[row] = Math.max(Math.fround(Math.fround(most) * Math.fround(1 / 448)), leastScale);
    }
    const inverse = Math.fround(1 / scales[row]!);
    return e4m3(Math.fround(Math.fround(value) * inverse));
  });
  return { rows, scales };
}

async function floatsOf({ values, scales }: QuantizedRows) {
  return {
    rows: (await valuesOf(values)) as Float32Array,
    scales: (await valuesOf(scales)) as Float32Array,
  };
}

const zerosAlike = (values: Float32Array) => values.map((value) => value + 0);

/** Asserts that rows are exact values, rounded once to e4m3; `slack` of a step for what was computed before. */
function nearestTo(
  t: Test,
  name: string,
  found: { rows: Float32Array; scales: Float32Array },
  exact: Float64Array,
  slack: number,
): void {
  const columns = exact.length / found.scales.length;
  const worst = exact.reduce((worst, value, i) => {
    const scale = found.scales[Math.floor(i / columns)]!;
    const error = Math.abs(found.rows[i]! - value / scale) / e4m3Step(value / scale);
    return Math.max(worst, Number.isNaN(error) ? Infinity : error);
  }, 0);
  t.ok(worst <= 0.5 + slack, `${name}: at most ${worst} steps from the exact values`);
  const most = found.scales.map((_, row) =>
    exact.subarray(row * columns, (row + 1) * columns).reduce((m, each) => Math.max(m, Math.abs(each)), 0),
  );
  close(
    t,
    `${name}: scales`,
    found.scales,
    most.map((each) => each / 448),
    { rtol: 1e-5 },
  );
}

t.test('e4m3 of the reference: neighbours, ties, the ends', (t) => {
  const table: [number, number][] = [
    [1, 1],
    [1.0625, 1],
    [1.1875, 1.25],
    [-1.07, -1.125],
    [448, 448],
    [1e9, 448],
    [432, 448],
    [2 ** -9, 2 ** -9],
    [2 ** -10, 0],
    [1.5 * 2 ** -9, 2 ** -8],
  ];
  for (const [value, expected] of table) t.equal(e4m3(value), expected, String(value));
  t.end();
});

// Columns of a row that are taken, and where they begin.
const rowCases: { shape: number[]; first?: number; width?: number }[] = [
  { shape: [3, 4096] },
  { shape: [2, 3, 64] },
  { shape: [5, 8192] },
  { shape: [2, 9008] },
  { shape: [2, 17_000] },
  { shape: [2, 2, 37] },
  { shape: [4, 96], first: 32, width: 48 },
  { shape: [4, 97], first: 3, width: 40 },
  { shape: [24] },
  { shape: [5, 1] },
];

for (const { device, skip } of opDevices)
  t.test(`quantised rows on ${device} are the reference's, to the bit`, { skip }, async (t) => {
    for (const { shape, first = 0, width = shape.at(-1)! } of rowCases)
      for (const dtype of dtypes)
        await t.test(`${width} of ${shape.join('×')}, ${dtype}`, async (t) => {
          const columns = shape.at(-1)!;
          // Of all magnitudes, so that subnormal values of e4m3 are among them.
          const data = randomValues(1, product(shape)).map((value, i) => value * 2 ** ((i % 24) - 12));
          const held = await rounded(data, dtype);
          const taken = held.filter((_, i) => i % columns >= first && i % columns < first + width);
          const expected = quantized(taken, width);
          const whole = await place(data, shape, dtype, device);
          for (const plain of [false, true]) {
            const x = width === columns ? whole : await columnsOf(whole, first, width);
            const result = await quantizeRows(x, { plain });
            const { rows, scales } = await floatsOf(result);
            const name = plain ? 'plain' : 'fused';
            t.ok(sameBits(zerosAlike(rows), zerosAlike(expected.rows)), `${name}: values`);
            t.ok(sameBits(scales, expected.scales), `${name}: scales`);
            t.same(engine().tensorInfo(result.values).shape, [...shape.slice(0, -1), width]);
            t.same(engine().tensorInfo(result.scales).shape, [...shape.slice(0, -1), 1]);
          }
        });

    await t.test('zeros, tiny, huge and infinite values, and NaN', async (t) => {
      const data = Float64Array.of(...[0, 0, 0], ...[1e-44, 0, -1e-44], ...[3e38, -3e38, 1]);
      for (const plain of [false, true]) {
        const finite = await floatsOf(
          await quantizeRows(await place(data, [3, 3], 'float32', device), { plain }),
        );
        t.same(zerosAlike(finite.rows), [0, 0, 0, 0, 0, 0, 448, -448, 0]);
        t.same(finite.scales.slice(0, 2), [leastScale, leastScale]);
        const odd = Float64Array.of(1, Infinity, 2, 1, NaN, 2);
        const { rows, scales } = await floatsOf(
          await quantizeRows(await place(odd, [2, 3], 'float32', device), { plain }),
        );
        for (const row of [0, 1])
          t.ok(
            [0, 1, 2].some((i) => Number.isNaN(rows[3 * row + i]! * scales[row]!)),
            `row ${row} tells that it is not finite`,
          );
      }
    });
  });

// A residual stream of float32 and, last, of float64.
const normCases: [shape: number[], x: 'float32' | 'float64', y: 'float32' | 'bfloat16', gamma: boolean][] = [
  [[1, 3, 4096], 'float32', 'bfloat16', true],
  [[3, 1024], 'float32', 'float32', false],
  [[2, 9000], 'float32', 'bfloat16', true],
  [[2, 17_000], 'float32', 'bfloat16', true],
  [[2, 2, 37], 'float32', 'bfloat16', true],
  [[2, 64], 'float64', 'float32', true],
];

for (const { device, skip } of opDevices)
  t.test(`a quantised norm and SwiGLU on ${device} are the reference's`, { skip }, async (t) => {
    for (const [shape, xType, yType, hasGamma] of normCases)
      await t.test(`norm of ${shape.join('×')}, ${xType} and ${yType}`, async (t) => {
        const channels = shape.at(-1)!;
        const x = await rounded(randomValues(1, product(shape)), xType);
        const y = await rounded(randomValues(2, product(shape)), yType);
        const [gamma, weight, bias] = await Promise.all(
          [3, 4, 5].map((seed) => rounded(randomValues(seed, channels), 'float32')),
        );
        const sum = x.map((value, i) => value + y[i]! * (hasGamma ? gamma![i % channels]! : 1));
        const exact = new Float64Array(sum.length);
        for (let start = 0; start < sum.length; start += channels) {
          const row = sum.subarray(start, start + channels);
          const mean = row.reduce((total, value) => total + value, 0) / channels;
          const variance = row.reduce((total, value) => total + (value - mean) ** 2, 0) / channels;
          row.forEach((value, c) => {
            exact[start + c] = ((value - mean) / Math.sqrt(variance + 1e-5)) * weight![c]! + bias![c]!;
          });
        }
        const put = (data: Float64Array, at: number[], dtype: 'float32' | 'float64' | 'bfloat16') =>
          place(data, at, dtype, device);
        const tensors = {
          x: await put(x, shape, xType),
          y: await put(y, shape, yType),
          ...(hasGamma && { gamma: await put(gamma!, [channels], 'float32') }),
          weight: await put(weight!, [channels], 'float32'),
          bias: await put(bias!, [channels], 'float32'),
        };
        for (const plain of [false, true]) {
          const name = plain ? 'plain' : 'fused';
          const result = await addScaledNormQuantized(tensors, { eps: 1e-5, plain });
          close(t, `${name}: sum`, (await valuesOf(result.sum)) as Float32Array, sum, { rtol: 1e-7 });
          nearestTo(t, name, await floatsOf(result), exact, 0.05);
        }
      });

    for (const [width, dtype] of [
      [4096, 'bfloat16'],
      [300, 'float32'],
      [37, 'bfloat16'],
      [17_000, 'bfloat16'],
      [64, 'float64'],
    ] as const)
      await t.test(`SwiGLU of ${width}, ${dtype}`, async (t) => {
        const rows = 3;
        const data = await rounded(randomValues(6, rows * 2 * width, 4), dtype);
        const exact = Float64Array.from({ length: rows * width }, (_, i) => {
          const start = Math.floor(i / width) * 2 * width + (i % width);
          const x = data[start]!;
          return (x / (1 + Math.exp(-x))) * data[start + width]!;
        });
        const both = await place(data, [rows, 2 * width], dtype, device);
        const [gate, up] = [await columnsOf(both, 0, width), await columnsOf(both, width, width)];
        for (const plain of [false, true])
          nearestTo(
            t,
            plain ? 'plain' : 'fused',
            await floatsOf(await swigluQuantized(gate, up, { plain })),
            exact,
            0.05,
          );
      });
  });

/** Values times their scales. */
async function dequantised(rows: QuantizedRows): Promise<Float64Array> {
  const found = await floatsOf(rows);
  const columns = found.rows.length / found.scales.length;
  return Float64Array.from(found.rows, (value, i) => value * found.scales[Math.floor(i / columns)]!);
}

/** A weight as networks hold it. */
async function weightOf(data: Float64Array, shape: number[], device: string): Promise<QuantizedRows> {
  const { values, scales } = await quantizeRows(await place(data, shape, 'bfloat16', device));
  return {
    values,
    scales: (await engine().callOperator('aten::flatten.using_ints', [scales])) as TensorHandle,
  };
}

for (const { device, skip } of e4m3Devices)
  t.test(`a linear of quantised rows on ${device} is the reference's`, { skip }, async (t) => {
    for (const [rows, inputs, outputs, biasType] of [
      [[1, 1029], 64, 192, 'bfloat16'],
      [[2, 37], 512, 48, 'float32'],
      [[16], 1024, 16, undefined],
      [[1], 48, 32, 'bfloat16'],
    ] as const)
      await t.test(`${rows.join('×')}×${inputs} to ${outputs}, bias ${biasType}`, async (t) => {
        const x = await quantizeRows(
          await place(randomValues(1, product(rows) * inputs), [...rows, inputs], 'bfloat16', device),
        );
        const weight = await weightOf(randomValues(2, outputs * inputs, 0.1), [outputs, inputs], device);
        const bias = biasType && (await rounded(randomValues(3, outputs), biasType));
        const [a, b] = [await dequantised(x), await dequantised(weight)];
        const expected = Float64Array.from({ length: product(rows) * outputs }, (_, i) => {
          const [row, output] = [Math.floor(i / outputs), i % outputs];
          let sum = bias?.[output] ?? 0;
          for (let k = 0; k < inputs; k++) sum += a[row * inputs + k]! * b[output * inputs + k]!;
          return sum;
        });
        const handle = bias && (await place(bias, [outputs], biasType, device));
        const result = await scaledLinear(x, weight, handle);
        t.match(engine().tensorInfo(result), { shape: [...rows, outputs], dtype: 'bfloat16' });
        const rtol = 3e-3;
        close(t, 'product', (await valuesOf(result)) as Float32Array, expected, { rtol });
      });
  });

t.test('tensors that do not fit are refused', async (t) => {
  const e = engine();
  const zeros = (...shape: number[]) => e.tensor(new Float32Array(product(shape)), shape);
  for (const plain of [false, true]) {
    const refused = (message: RegExp) => ({ code: 'SHAPE', message });
    await t.rejects(
      quantizeRows(e.tensor(new Int32Array(6), [2, 3]), { plain }),
      refused(/expected rows …×C/),
    );
    await t.rejects(swigluQuantized(zeros(2, 3), zeros(3, 2), { plain }), refused(/expected gate and up/));
    const norm = { x: zeros(2, 3), y: zeros(2, 3), weight: zeros(3), bias: zeros(2) };
    await t.rejects(addScaledNormQuantized(norm, { eps: 1e-5, plain }), refused(/expected bias \[3\]/));
    const x = await quantizeRows(zeros(2, 16), { plain });
    const weight = await weightOf(new Float64Array(32 * 16), [32, 16], 'cpu');
    await t.rejects(
      scaledLinear({ ...x, values: zeros(2, 16) }, weight, undefined, { plain }),
      refused(/expected x \[2, 16\] Float8_e4m3fn on cpu, got \[2, 16\] Float/),
    );
    await t.rejects(
      scaledLinear(x, { ...weight, scales: zeros(16) }, undefined, { plain }),
      refused(/expected weight scales \[32\]/),
    );
    await t.rejects(scaledLinear(x, x, undefined, { plain }), refused(/expected weight scales \[2\]/));
    await t.rejects(scaledLinear(x, weight, zeros(16), { plain }), refused(/expected bias \[32\]/));
  }
});
