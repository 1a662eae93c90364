/** upscaled_norm: fused kernels and plain libtorch against a float64 reference, on every device. */
import t from 'tap';
import { engine } from '../../lib/native/engine.js';
import { close } from '../helpers/close.js';
import { dtypes, place, product, randomValues, rounded } from '../helpers/network-ops.js';
import { opDevices, valuesOf } from '../helpers/op-devices.js';
import { upscaledNorm, type ComputedDType } from '../helpers/operators.js';

interface Case {
  batch: number;
  height: number;
  width: number;
  channels: number;
}
type Data = Record<'x' | 'weight' | 'normWeight' | 'normBias', Float64Array>;
const eps = 1e-6;

const shapesOf = ({ batch, height, width, channels }: Case) => ({
  x: [batch, height, width, 4 * channels],
  weight: [channels, 1, 3, 3],
  normWeight: [channels],
  normBias: [channels],
});

function reference(
  { batch, height, width, channels }: Case,
  { x, weight, normWeight, normBias }: Data,
): Float64Array {
  const [rows, columns] = [2 * height, 2 * width];
  const at = (image: number, row: number, column: number, c: number) => {
    const place = (image * height + (row >> 1)) * width + (column >> 1);
    return x[(place * 4 + (row % 2) * 2 + (column % 2)) * channels + c]!;
  };
  const out = new Float64Array(batch * rows * columns * channels);
  for (let pixel = 0; pixel < batch * rows * columns; pixel++) {
    const [column, row] = [pixel % columns, Math.floor(pixel / columns) % rows];
    const image = Math.floor(pixel / columns / rows);
    const sums = Float64Array.from({ length: channels }, (_, c) => {
      let sum = 0;
      for (let tap = 0; tap < 9; tap++) {
        const [r, k] = [row + Math.floor(tap / 3) - 1, column + (tap % 3) - 1];
        if (r >= 0 && r < rows && k >= 0 && k < columns) sum += at(image, r, k, c) * weight[c * 9 + tap]!;
      }
      return sum;
    });
    const mean = sums.reduce((total, value) => total + value, 0) / channels;
    const variance = sums.reduce((total, value) => total + (value - mean) ** 2, 0) / channels;
    sums.forEach((value, c) => {
      const normed = (value - mean) / Math.sqrt(variance + eps);
      out[pixel * channels + c] = normed * normWeight[c]! + normBias[c]!;
    });
  }
  return out;
}

const cases: [name: string, given: Case][] = [
  ['two images, a run and a half a row', { batch: 2, height: 3, width: 6, channels: 64 }],
  ['one place', { batch: 1, height: 1, width: 1, channels: 8 }],
  ['a row and a bit of a warp', { batch: 1, height: 1, width: 9, channels: 36 }],
  ['odd channels', { batch: 2, height: 2, width: 3, channels: 13 }],
  ['more channels than stay in registers', { batch: 1, height: 1, width: 2, channels: 2056 }],
];
// libtorch rounds after the convolution as well.
const tolerances = { float32: 2e-6, bfloat16: 1e-2, float16: 1.3e-3, float64: 1e-12 };

async function tensorsOf(given: Case, data: Data, dtype: ComputedDType, device: string) {
  const shapes = shapesOf(given);
  const parameters = dtype === 'bfloat16' || dtype === 'float16' ? 'float32' : dtype;
  return {
    x: await place(data.x, shapes.x, dtype, device),
    weight: await place(data.weight, shapes.weight, dtype, device),
    normWeight: await place(data.normWeight, shapes.normWeight, parameters, device),
    normBias: await place(data.normBias, shapes.normBias, parameters, device),
  };
}

for (const { device, skip } of opDevices)
  t.test(`norms on ${device} are the reference's`, { skip }, async (t) => {
    for (const [name, given] of cases)
      for (const dtype of dtypes)
        await t.test(`${name}, ${dtype}`, async (t) => {
          const shapes = shapesOf(given);
          const data = {
            x: randomValues(1, product(shapes.x)),
            weight: randomValues(2, product(shapes.weight)),
            normWeight: randomValues(3, given.channels).map((value) => value + 1),
            normBias: randomValues(4, given.channels),
          };
          const held = {
            ...data,
            x: await rounded(data.x, dtype),
            weight: await rounded(data.weight, dtype),
          };
          const expected = reference(given, held);
          const tensors = await tensorsOf(given, held, dtype, device);
          for (const plain of [false, true]) {
            const result = await upscaledNorm(tensors, { plain, eps });
            const info = engine().tensorInfo(result);
            t.same(info.shape, [given.batch, 2 * given.height, 2 * given.width, given.channels]);
            t.equal(info.dtype, dtype === 'float64' ? 'float64' : 'float32');
            close(t, plain ? 'plain' : 'fused', (await valuesOf(result)) as Float32Array, expected, {
              rtol: tolerances[dtype],
            });
          }
          const narrow = await upscaledNorm(tensors, { eps, dtype: 'bfloat16' });
          t.equal(engine().tensorInfo(narrow).dtype, 'bfloat16');
          close(t, 'in bfloat16', (await valuesOf(narrow)) as Float32Array, expected, { rtol: 1e-2 });
        });
  });

t.test('tensors that do not fit are refused', async (t) => {
  const e = engine();
  const zeros = (...shape: number[]) => e.tensor(new Float32Array(product(shape)), shape);
  const fitting = {
    x: zeros(1, 2, 3, 16),
    weight: zeros(4, 1, 3, 3),
    normWeight: zeros(4),
    normBias: zeros(4),
  };
  for (const plain of [false, true]) {
    const refused = async (change: Partial<typeof fitting>, message: RegExp) =>
      t.rejects(upscaledNorm({ ...fitting, ...change }, { plain, eps }), { code: 'SHAPE', message });
    await refused({ x: zeros(1, 2, 3, 14) }, /expected x B×H×W×\(2·2·C\)/);
    await refused({ weight: zeros(4, 3, 3) }, /expected weight \[4, 1, 3, 3\]/);
    await refused({ normWeight: zeros(3) }, /expected norm weight \[4\]/);
    await refused({ normBias: zeros(3) }, /expected norm bias \[4\]/);
  }
});
