/** depthwise_gelu: fused kernels and plain libtorch against a float64 reference, on every device. */
import t from 'tap';
import { engine } from '../../lib/native/engine.js';
import { close } from '../helpers/close.js';
import { dtypes, place, product, randomValues, rounded } from '../helpers/network-ops.js';
import { opDevices, valuesOf } from '../helpers/op-devices.js';
import { columnsOf, depthwiseGelu } from '../helpers/operators.js';

interface Case {
  batch: number;
  channels: number;
  /** Height and width of each map. */
  sizes: number[];
}
type Data = Record<'x' | 'weight' | 'bias', Float64Array>;

const tokensOf = ({ sizes }: Case) =>
  sizes.reduce((sum, size, i) => (i % 2 === 1 ? sum + size * sizes[i - 1]! : sum), 0);

/** erf to the last places of a double: its Taylor series, in a range where that does not cancel much. */
function erf(x: number): number {
  if (Math.abs(x) > 5.9) return Math.sign(x);
  let [term, sum] = [x, x];
  for (let n = 1; Math.abs(term) > 1e-20 || n < 40; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
    if (n > 400) break;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

function reference(given: Case, { x, weight, bias }: Data): Float64Array {
  const { batch, channels, sizes } = given;
  const tokens = tokensOf(given);
  const out = new Float64Array(x.length);
  for (let image = 0; image < batch; image++) {
    let start = image * tokens;
    for (let level = 0; level < sizes.length; level += 2) {
      const [height, width] = [sizes[level]!, sizes[level + 1]!];
      for (let place = 0; place < height * width; place++)
        for (let c = 0; c < channels; c++) {
          let sum = bias[c]!;
          for (let tap = 0; tap < 9; tap++) {
            const row = Math.floor(place / width) + Math.floor(tap / 3) - 1;
            const column = (place % width) + (tap % 3) - 1;
            if (row < 0 || row >= height || column < 0 || column >= width) continue;
            sum += x[(start + row * width + column) * channels + c]! * weight[c * 9 + tap]!;
          }
          out[(start + place) * channels + c] = 0.5 * sum * (1 + erf(sum / Math.SQRT2));
        }
      start += height * width;
    }
  }
  return out;
}

const cases: [name: string, given: Case][] = [
  ['three maps, two images', { batch: 2, channels: 32, sizes: [8, 12, 4, 6, 2, 3] }],
  ['wider than what a thread walks', { batch: 1, channels: 16, sizes: [3, 21, 5, 9] }],
  ['odd channels', { batch: 2, channels: 13, sizes: [4, 5] }],
  ['one pixel', { batch: 1, channels: 8, sizes: [1, 1] }],
  ['a row and a column', { batch: 1, channels: 24, sizes: [1, 10, 10, 1] }],
  ['more channels than a block takes at once', { batch: 1, channels: 2056, sizes: [2, 3] }],
];
// libtorch rounds after the convolution as well.
const tolerances = { float32: 1e-6, bfloat16: 6e-3, float16: 8e-4, float64: 1e-13 };

for (const { device, skip } of opDevices)
  t.test(`convolutions on ${device} are the reference's`, { skip }, async (t) => {
    for (const [name, given] of cases)
      for (const dtype of dtypes)
        await t.test(`${name}, ${dtype}`, async (t) => {
          const shape = [given.batch, tokensOf(given), given.channels];
          const data = {
            x: randomValues(1, product(shape)),
            weight: randomValues(2, given.channels * 9),
            bias: randomValues(3, given.channels),
          };
          const held = {
            x: await rounded(data.x, dtype),
            weight: await rounded(data.weight, dtype),
            bias: await rounded(data.bias, dtype),
          };
          const expected = reference(given, held);
          const tensors = {
            x: await place(data.x, shape, dtype, device),
            sizes: given.sizes,
            weight: await place(data.weight, [given.channels, 1, 3, 3], dtype, device),
            bias: await place(data.bias, [given.channels], dtype, device),
          };
          for (const plain of [false, true]) {
            const result = await depthwiseGelu(tensors, { plain });
            t.same(engine().tensorInfo(result).shape, shape);
            t.equal(engine().tensorInfo(result).dtype, dtype);
            close(t, plain ? 'plain' : 'fused', (await valuesOf(result)) as Float32Array, expected, {
              rtol: tolerances[dtype],
            });
          }
        });

    await t.test('of views of channels', async (t) => {
      const wide = await place(randomValues(5, 30 * 96), [1, 30, 96], 'float32', device);
      const weight = await place(randomValues(6, 32 * 9), [32, 1, 3, 3], 'float32', device);
      const bias = await place(randomValues(7, 32), [32], 'float32', device);
      for (const first of [8, 9]) {
        const tensors = { x: await columnsOf(wide, first, 32), sizes: [5, 6], weight, bias };
        const fused = (await valuesOf(await depthwiseGelu(tensors, {}))) as Float32Array;
        const plain = (await valuesOf(await depthwiseGelu(tensors, { plain: true }))) as Float32Array;
        close(t, `from ${first}`, fused, plain, { rtol: 1e-6 });
      }
    });
  });

t.test('tensors that do not fit are refused', async (t) => {
  const e = engine();
  const zeros = (...shape: number[]) => e.tensor(new Float32Array(product(shape)), shape);
  const fitting = { x: zeros(1, 6, 4), sizes: [2, 3], weight: zeros(4, 1, 3, 3), bias: zeros(4) };
  for (const plain of [false, true]) {
    const refused = async (change: Partial<typeof fitting>, message: RegExp) =>
      t.rejects(depthwiseGelu({ ...fitting, ...change }, { plain }), { code: 'SHAPE', message });
    await refused({ x: zeros(6, 4) }, /expected x B×N×C/);
    await refused({ sizes: [2, 2] }, /of 6 tokens together/);
    await refused({ sizes: [2, 3, 1] }, /height and width/);
    await refused({ weight: zeros(4, 3, 3) }, /expected weight \[4, 1, 3, 3\]/);
    await refused({ bias: zeros(3) }, /expected bias \[4\]/);
  }
});
