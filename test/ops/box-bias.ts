/** box_bias: the fused kernel and plain libtorch against a float64 reference, on every device. */
import t from 'tap';
import { engine } from '../../lib/native/engine.js';
import type { TensorHandle } from '../../lib/native/bindings/engine.js';
import { close } from '../helpers/close.js';
import { dtypes, place, product, randomValues, tolerances } from '../helpers/network-ops.js';
import { opDevices, valuesOf } from '../helpers/op-devices.js';
import { boxBias, type BoxAxis, type ComputedDType } from '../helpers/operators.js';

interface Case {
  batch: number;
  queries: number;
  heads: number;
  hidden: number;
  height: number;
  width: number;
}
const stride = 16;

const axisShapes = ({ hidden, heads }: Case) => ({
  hidden: [hidden, 2],
  shift: [hidden],
  weight: [heads, hidden],
});

type AxisData = Record<keyof BoxAxis, Float64Array>;
interface Data {
  boxes: Float64Array;
  axes: [AxisData, AxisData];
}

/** Boxes that lie in the map and beside it, and layers whose values are of the size of logits. */
function dataOf(given: Case): Data {
  const { batch, queries, height, width, hidden } = given;
  const parts = randomValues(1, batch * queries * 4, 0.6);
  const sides = [width, height, width, height].map((side) => side * stride);
  const boxes = parts.map((part, i) =>
    Math.fround((i % 4 < 2 ? part + 0.5 : Math.abs(part)) * sides[i % 4]!),
  );
  const axis = (seed: number): AxisData => ({
    hidden: randomValues(seed, hidden * 2, 0.02),
    shift: randomValues(seed + 1, hidden),
    weight: randomValues(seed + 2, given.heads * hidden, 4 / Math.sqrt(hidden)),
  });
  return { boxes, axes: [axis(10), axis(20)] };
}

function reference(
  { batch, queries, heads, hidden, height, width }: Case,
  { boxes, axes }: Data,
): Float64Array {
  const tables = axes.map((layers, axis) => {
    const places = axis === 0 ? width : height;
    const values = new Float64Array(batch * heads * queries * places);
    for (let image = 0; image < batch; image++)
      for (let query = 0; query < queries; query++) {
        const [centre, size] = [0, 2].map((part) => boxes[(image * queries + query) * 4 + part + axis]!);
        for (let head = 0; head < heads; head++) {
          const row = values
            .subarray((image * heads + head) * queries * places + query * places)
            .subarray(0, places);
          for (let n = 0; n < places; n++) {
            const at = (n + 0.5) * stride;
            const [low, high] = [centre! - size! / 2 - at, centre! + size! / 2 - at];
            for (let k = 0; k < hidden; k++) {
              const unit = low * layers.hidden[2 * k]! + high * layers.hidden[2 * k + 1]! + layers.shift[k]!;
              row[n]! += Math.max(unit, 0) * layers.weight[head * hidden + k]!;
            }
          }
          const most = row.reduce((a, b) => Math.max(a, b));
          row.forEach((value, n) => (row[n] = value - most));
        }
      }
    return values;
  });
  const [x, y] = tables as [Float64Array, Float64Array];
  return Float64Array.from({ length: batch * heads * queries * height * width }, (_, i) => {
    const [query, row, column] = [Math.floor(i / height / width), Math.floor(i / width) % height, i % width];
    return y[query * height + row]! + x[query * width + column]!;
  });
}

async function placed(given: Case, { boxes, axes }: Data, dtype: ComputedDType, device: string) {
  const axisOf = async (data: AxisData): Promise<BoxAxis> => {
    const shapes = axisShapes(given);
    const tensor = (name: keyof BoxAxis) => place(data[name], shapes[name], dtype, device);
    return { hidden: await tensor('hidden'), shift: await tensor('shift'), weight: await tensor('weight') };
  };
  return {
    boxes: await place(boxes, [given.batch, given.queries, 4], dtype, device),
    x: await axisOf(axes[0]),
    y: await axisOf(axes[1]),
  };
}

/** What `place` has rounded to float32. */
const inFloat32 = ({ boxes, axes }: Data): Data => {
  const axis = (data: AxisData) =>
    Object.fromEntries(
      Object.entries(data).map(([name, values]) => [name, values.map(Math.fround)]),
    ) as AxisData;
  return { boxes, axes: [axis(axes[0]), axis(axes[1])] };
};

const cases: [name: string, given: Case][] = [
  ['two images of the released head', { batch: 2, queries: 5, heads: 8, hidden: 512, height: 9, width: 12 }],
  ['rows that are no multiple of 8', { batch: 1, queries: 7, heads: 8, hidden: 48, height: 5, width: 7 }],
  [
    'fewer heads, wider than a warp reads',
    { batch: 1, queries: 3, heads: 4, hidden: 130, height: 3, width: 70 },
  ],
  ['more heads than a block takes', { batch: 1, queries: 2, heads: 11, hidden: 20, height: 4, width: 4 }],
  [
    'more places than a block takes at once',
    { batch: 1, queries: 2, heads: 3, hidden: 8, height: 2, width: 300 },
  ],
  ['one place', { batch: 1, queries: 1, heads: 1, hidden: 1, height: 1, width: 1 }],
];

for (const { device, skip } of opDevices)
  t.test(`biases on ${device} are the reference's`, { skip }, async (t) => {
    for (const [name, given] of cases)
      for (const dtype of dtypes)
        await t.test(`${name}, ${dtype}`, async (t) => {
          const computed = dtype === 'float64' ? dtype : 'float32';
          const data = computed === 'float32' ? inFloat32(dataOf(given)) : dataOf(given);
          const expected = reference(given, data);
          const tensors = await placed(given, data, computed, device);
          const { height, width } = given;
          for (const plain of [false, true]) {
            const result = await boxBias(tensors, { height, width, stride, dtype, plain });
            t.same(engine().tensorInfo(result).shape, [
              given.batch,
              given.heads,
              given.queries,
              height * width,
            ]);
            t.equal(engine().tensorInfo(result).dtype, dtype);
            const found = (await valuesOf(result)) as Float32Array;
            close(t, plain ? 'plain' : 'fused', found, expected, { rtol: 4 * tolerances[dtype] });
            t.ok(found.every((value) => value <= 0) && found.includes(0), 'the best place counts 0');
          }
        });
  });

t.test('tensors that do not fit are refused', async (t) => {
  const given: Case = { batch: 1, queries: 2, heads: 3, hidden: 4, height: 2, width: 2 };
  const fitting = await placed(given, dataOf(given), 'float32', 'cpu');
  const zeros = (...shape: number[]) => engine().tensor(new Float32Array(product(shape)), shape);
  const size = { height: 2, width: 2, stride, dtype: 'float32' } as const;
  for (const plain of [false, true]) {
    const refused = (tensors: Partial<typeof fitting>, changed: Partial<typeof size>, message: RegExp) =>
      t.rejects(boxBias({ ...fitting, ...tensors }, { ...size, ...changed, plain }), {
        code: 'SHAPE',
        message,
      });
    const axis = (change: Partial<Record<keyof BoxAxis, TensorHandle>>) => ({ ...fitting.y, ...change });
    await refused({ boxes: zeros(2, 4) }, {}, /expected boxes B×Q×4/);
    await refused({}, { height: 0 } as never, /height and width/);
    await refused({}, { stride: 0 } as never, /at least a pixel apart/);
    await refused({ x: { ...fitting.x, weight: zeros(4) } }, {}, /expected layers of H×2/);
    await refused({ y: axis({ hidden: zeros(4, 3) }) }, {}, /expected hidden layer \[4, 2\]/);
    await refused({ y: axis({ weight: zeros(2, 4) }) }, {}, /expected second layer \[3, 4\]/);
  }
});
