/** add_resized: fused kernels and plain libtorch against a float64 reference, on every device. */
import t from 'tap';
import { engine } from '../../lib/native/engine.js';
import { close } from '../helpers/close.js';
import { computedIn, dtypes, place, product, randomValues, rounded } from '../helpers/network-ops.js';
import { opDevices, valuesOf } from '../helpers/op-devices.js';
import { resizedPlaces } from '../helpers/resized-places.js';
import { addResized, columnsOf, type ComputedDType } from '../helpers/operators.js';

interface Case {
  x: [batch: number, height: number, width: number, channels: number];
  grid: [height: number, width: number];
  isScaled: boolean;
}
type Data = Record<'x' | 'y' | 'scale' | 'shift', Float64Array>;

function reference({ x: [batch, height, width, channels], grid: [h, w], isScaled }: Case, data: Data) {
  const rows = resizedPlaces(h, height);
  const columns = resizedPlaces(w, width);
  const out = new Float64Array(batch * height * width * channels);
  for (let image = 0; image < batch; image++)
    rows.forEach(([top, low, down], row) =>
      columns.forEach(([left, right, across], column) => {
        for (let c = 0; c < channels; c++) {
          const at = (r: number, k: number) => data.y[((image * h + r) * w + k) * channels + c]!;
          const near = at(top, left) * (1 - down) + at(low, left) * down;
          const far = at(top, right) * (1 - down) + at(low, right) * down;
          const i = ((image * height + row) * width + column) * channels + c;
          const sum = data.x[i]! + near * (1 - across) + far * across;
          out[i] = isScaled ? sum * data.scale[c]! + data.shift[c]! : sum;
        }
      }),
    );
  return out;
}

function makeData({ x, grid }: Case): Data {
  const channels = x[3];
  return {
    x: randomValues(1, product(x)),
    y: randomValues(2, x[0] * grid[0] * grid[1] * channels),
    scale: randomValues(3, channels, 2),
    shift: randomValues(4, channels, 2),
  };
}

async function run(given: Case, data: Data, types: [ComputedDType, ComputedDType], where: [string, boolean]) {
  const [device, plain] = where;
  const { x, grid, isScaled } = given;
  const vector = (values: Float64Array) => place(values, [x[3]], computedIn(types[0]), device);
  const result = await addResized(
    {
      x: await place(data.x, x, types[0], device),
      y: await place(data.y, [x[0], ...grid, x[3]], types[1], device),
      ...(isScaled ? { scale: await vector(data.scale), shift: await vector(data.shift) } : {}),
    },
    { plain },
  );
  t.same(engine().tensorInfo(result).shape, x);
  t.equal(engine().tensorInfo(result).dtype, computedIn(types[0]));
  return (await valuesOf(result)) as Float32Array;
}

const cases: [name: string, given: Case][] = [
  ['four times, scaled, two images', { x: [2, 20, 36, 64], grid: [5, 9], isScaled: true }],
  ['twice, as it is', { x: [1, 8, 18, 24], grid: [4, 9], isScaled: false }],
  ['the same size', { x: [1, 5, 7, 16], grid: [5, 7], isScaled: true }],
  ['half', { x: [2, 4, 5, 8], grid: [8, 10], isScaled: true }],
  ['sizes that are no multiple', { x: [1, 19, 23, 40], grid: [7, 5], isScaled: false }],
  ['one grid value', { x: [1, 3, 9, 8], grid: [1, 1], isScaled: true }],
  ['odd channels', { x: [2, 6, 10, 13], grid: [3, 4], isScaled: true }],
  ['one channel', { x: [1, 4, 6, 1], grid: [2, 3], isScaled: false }],
  ['more channels than a block takes at once', { x: [1, 2, 9, 4104], grid: [1, 3], isScaled: true }],
];
const pairs: [ComputedDType, ComputedDType][] = [
  ...dtypes.map((dtype): [ComputedDType, ComputedDType] => [dtype, dtype]),
  ['bfloat16', 'float32'],
  ['float32', 'bfloat16'],
  ['float16', 'float32'],
  ['float32', 'float16'],
  ['float16', 'bfloat16'],
];

for (const { device, skip } of opDevices)
  t.test(`sums with resized maps on ${device} are the reference's`, { skip }, async (t) => {
    for (const [name, given] of cases)
      for (const types of pairs)
        await t.test(`${name}, ${types.join(' + ')}`, async (t) => {
          const data = makeData(given);
          const held = {
            x: await rounded(data.x, types[0]),
            y: await rounded(data.y, types[1]),
            scale: await rounded(data.scale, computedIn(types[0])),
            shift: await rounded(data.shift, computedIn(types[0])),
          };
          const expected = reference(given, held);
          for (const plain of [false, true])
            close(t, plain ? 'plain' : 'fused', await run(given, data, types, [device, plain]), expected, {
              rtol: types[0] === 'float64' ? 1e-14 : 5e-7,
            });
        });

    await t.test('of views of channels', async (t) => {
      const wide = await place(randomValues(5, 6 * 8 * 96), [1, 6, 8, 96], 'float32', device);
      const small = await place(randomValues(6, 3 * 4 * 96), [1, 3, 4, 96], 'float32', device);
      for (const first of [8, 9]) {
        const tensors = { x: await columnsOf(wide, first, 32), y: await columnsOf(small, 41, 32) };
        const fused = (await valuesOf(await addResized(tensors, {}))) as Float32Array;
        const plain = (await valuesOf(await addResized(tensors, { plain: true }))) as Float32Array;
        close(t, `from ${first}`, fused, plain, { rtol: 5e-7 });
      }
    });
  });

t.test('tensors that do not fit are refused', async (t) => {
  const e = engine();
  const zeros = (...shape: number[]) => e.tensor(new Float32Array(product(shape)), shape);
  const fitting = { x: zeros(1, 4, 4, 3), y: zeros(1, 2, 2, 3), scale: zeros(3), shift: zeros(3) };
  for (const plain of [false, true]) {
    const refused = async (change: Partial<typeof fitting>, message: RegExp) =>
      t.rejects(addResized({ ...fitting, ...change }, { plain }), { code: 'SHAPE', message });
    await refused({ x: zeros(4, 4, 3) }, /expected x B×H×W×C/);
    await refused({ y: zeros(1, 2, 2, 4) }, /expected y \[1, 2, 2, 3\]/);
    await refused({ y: zeros(2, 2, 2, 3) }, /expected y/);
    await refused({ scale: zeros(4) }, /expected scale \[3\]/);
    const { x, y, scale } = fitting;
    await t.rejects(addResized({ x, y, scale }, { plain }), { code: 'SHAPE', message: /or neither/ });
  }
});
