/** deformable_attend: fused kernels and plain libtorch against a float64 reference, on every device. */
import t from 'tap';
import { engine } from '../../lib/native/engine.js';
import { close } from '../helpers/close.js';
import { dtypes, place, product, randomValues, rounded, tolerances } from '../helpers/network-ops.js';
import { opDevices, valuesOf } from '../helpers/op-devices.js';
import { columnsOf, type ComputedDType, deformableAttend } from '../helpers/operators.js';

interface Case {
  batch: number;
  queries: number;
  heads: number;
  channels: number;
  sizes: number[];
  points: number;
  /** Of the offsets, in pixels. */
  reach: number;
  parameters?: ComputedDType;
}

const levelsOf = ({ sizes }: Case) => sizes.length / 2;
const tokensOf = ({ sizes }: Case) =>
  sizes.reduce((sum, size, i) => (i % 2 === 1 ? sum + size * sizes[i - 1]! : sum), 0);

function shapesOf(given: Case) {
  const { batch, queries, heads, channels, points } = given;
  return {
    value: [batch, tokensOf(given), heads * channels],
    reference: [1, queries, 2],
    offsets: [batch, queries, heads, levelsOf(given), points, 2],
    logits: [batch, queries, heads, levelsOf(given) * points],
  };
}

type Data = Record<keyof ReturnType<typeof shapesOf>, Float64Array>;

function makeData(given: Case): Data {
  const shapes = shapesOf(given);
  return {
    value: randomValues(1, product(shapes.value)),
    reference: randomValues(2, product(shapes.reference), 0.5).map((x) => x + 0.5),
    offsets: randomValues(3, product(shapes.offsets), given.reach),
    logits: randomValues(4, product(shapes.logits), 3),
  };
}

function reference(given: Case, data: Data): Float64Array {
  const { batch, queries, heads, channels, sizes, points } = given;
  const [levels, tokens] = [levelsOf(given), tokensOf(given)];
  const count = levels * points;
  const out = new Float64Array(batch * queries * heads * channels);
  for (let item = 0; item < batch * queries * heads; item++) {
    const head = item % heads;
    const query = Math.floor(item / heads) % queries;
    const image = Math.floor(item / heads / queries);
    const logits = data.logits.subarray(item * count, (item + 1) * count);
    const most = Math.max(...logits);
    const total = logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0);
    let start = 0;
    for (let k = 0; k < count; k++) {
      const level = Math.floor(k / points);
      const [height, width] = [sizes[2 * level]!, sizes[2 * level + 1]!];
      const weight = Math.exp(logits[k]! - most) / total;
      const x = data.reference[2 * query]! * width + data.offsets[(item * count + k) * 2]! - 0.5;
      const y = data.reference[2 * query + 1]! * height + data.offsets[(item * count + k) * 2 + 1]! - 0.5;
      for (const row of [Math.floor(y), Math.floor(y) + 1])
        for (const column of [Math.floor(x), Math.floor(x) + 1]) {
          if (row < 0 || row >= height || column < 0 || column >= width) continue;
          const share = weight * (1 - Math.abs(y - row)) * (1 - Math.abs(x - column));
          const token = image * tokens + start + row * width + column;
          for (let d = 0; d < channels; d++)
            out[item * channels + d]! += share * data.value[(token * heads + head) * channels + d]!;
        }
      if (k % points === points - 1) start += height * width;
    }
  }
  return out;
}

/** `within`: the value is columns of a tensor that is wider by so many. */
async function run(
  given: Case,
  data: Data,
  dtype: ComputedDType,
  device: string,
  plain: boolean,
  within = 0,
): Promise<Float32Array> {
  const shapes = shapesOf(given);
  const wide = dtype === 'float64' ? 'float64' : 'float32';
  const parameters = dtype === 'float64' ? 'float64' : (given.parameters ?? 'float32');
  const [batch, tokens, width] = shapes.value as [number, number, number];
  let value = data.value;
  if (within > 0) {
    value = new Float64Array(batch * tokens * (width + within)).fill(NaN);
    for (let row = 0; row < batch * tokens; row++)
      value.set(data.value.subarray(row * width, (row + 1) * width), row * (width + within) + within);
  }
  const all = await place(value, [batch, tokens, width + within], dtype, device);
  const result = await deformableAttend(
    {
      value: within > 0 ? await columnsOf(all, within, width) : all,
      sizes: given.sizes,
      reference: await place(data.reference, shapes.reference, wide, device),
      offsets: await place(data.offsets, shapes.offsets, parameters, device),
      logits: await place(data.logits, shapes.logits, parameters, device),
    },
    { plain },
  );
  const { shape, dtype: given_ } = engine().tensorInfo(result);
  t.same([shape, given_], [[given.batch, given.queries, given.heads * given.channels], dtype]);
  return (await valuesOf(result)) as Float32Array;
}

const usual: Case = {
  batch: 2,
  queries: 37,
  heads: 3,
  channels: 16,
  sizes: [5, 7, 4, 3, 1, 1],
  points: 4,
  reach: 4,
};
const cases: [name: string, given: Case][] = [
  ['three levels, two images', usual],
  ['one level, 64 channels', { ...usual, heads: 2, channels: 64, sizes: [6, 6] }],
  ['128 channels', { ...usual, queries: 5, heads: 1, channels: 128 }],
  ['more channels than a warp reads at once', { ...usual, queries: 3, heads: 2, channels: 320 }],
  ['13 channels', { ...usual, channels: 13 }],
  ['one channel', { ...usual, channels: 1 }],
  ['20 points of two levels', { ...usual, sizes: [3, 4, 2, 2], points: 20 }],
  ['one query, one point', { ...usual, batch: 1, queries: 1, heads: 1, sizes: [4, 5], points: 1 }],
  ['far beyond the maps', { ...usual, reach: 1e6 }],
  ['bfloat16 offsets and logits', { ...usual, parameters: 'bfloat16' }],
  ['float16 offsets and logits', { ...usual, parameters: 'float16' }],
];

for (const { device, skip } of opDevices)
  t.test(`deformable attention on ${device} is the reference's`, { skip }, async (t) => {
    for (const [name, given] of cases)
      for (const dtype of dtypes)
        await t.test(`${name}, ${dtype}`, async (t) => {
          const data = makeData(given);
          const parameters = dtype === 'float64' ? 'float64' : (given.parameters ?? 'float32');
          const held: Data = {
            value: await rounded(data.value, dtype),
            reference: await rounded(data.reference, dtype === 'float64' ? 'float64' : 'float32'),
            offsets: await rounded(data.offsets, parameters),
            logits: await rounded(data.logits, parameters),
          };
          const expected = reference(given, held);
          const exact = await run(given, held, 'float64', device, true);
          close(t, 'plain in float64', exact, expected, { rtol: 1e-13 });
          // Places are float32: a share is off by 1e-6 of a map's width.
          const rtol = { ...tolerances, float32: 5e-6 }[dtype];
          for (const plain of [false, true])
            close(t, plain ? 'plain' : 'fused', await run(given, data, dtype, device, plain), expected, {
              rtol,
            });
          // Columns of wider rows, where rows are whole vectors of 16 bytes and where they are not.
          for (const within of [8, 3]) {
            const columns = await run(given, data, dtype, device, false, within);
            close(t, `fused, columns from ${within} on`, columns, expected, { rtol });
          }
        });
  });

for (const { device, skip } of opDevices)
  t.test(`places that are not finite on ${device}`, { skip }, async (t) => {
    const given = { ...usual, batch: 1, queries: 3, sizes: [4, 5] };
    for (const dtype of dtypes) {
      const infinite = makeData(given);
      infinite.offsets.set([Infinity, -Infinity, -Infinity, 0, 0, Infinity]);
      const out = await run(given, infinite, dtype, device, false);
      t.ok(out.every(Number.isFinite), `${dtype}: an infinite place is beyond the map`);
      for (const [plain, at] of [
        [false, 0],
        [false, 1],
        [true, 0],
        [true, 1],
      ] as const) {
        const data = makeData(given);
        data.offsets[at] = NaN;
        const values = [...(await run(given, data, dtype, device, plain))];
        // It is of the first query and head.
        const others = values.splice(given.channels);
        t.ok(values.every(Number.isNaN) && others.every(Number.isFinite), `${dtype}, plain: ${plain}, NaN`);
      }
    }
  });

t.test('tensors that do not fit are refused', async (t) => {
  const e = engine();
  const zeros = (...shape: number[]) => e.tensor(new Float32Array(product(shape)), shape);
  const fitting = {
    value: zeros(2, 20, 6),
    sizes: [4, 5],
    reference: zeros(1, 7, 2),
    offsets: zeros(2, 7, 3, 1, 4, 2),
    logits: zeros(2, 7, 3, 4),
  };
  for (const plain of [false, true]) {
    const refused = async (change: Partial<typeof fitting>, message: RegExp) =>
      t.rejects(deformableAttend({ ...fitting, ...change }, { plain }), { code: 'SHAPE', message });
    await refused({ sizes: [4, 4] }, /expected height and width of each of 1 levels, of 20 tokens/);
    await refused({ sizes: [0, 5] }, /expected height and width/);
    await refused({ sizes: [4, 5, 1] }, /expected height and width/);
    await refused({ reference: zeros(2, 7, 2) }, /expected reference points/);
    await refused({ offsets: zeros(1, 7, 3, 1, 4, 2) }, /expected offsets/);
    await refused({ logits: zeros(2, 7, 3, 5) }, /expected logits/);
    await refused({ value: e.tensor(new Int32Array(240), [2, 20, 6]) }, /expected value B×S×M×D/);
  }
});
