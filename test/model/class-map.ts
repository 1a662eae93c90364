/** Class maps against scores computed here, pixel by pixel. */
import t, { type Test } from 'tap';
import { ClassHead } from '../../lib/model/class-head.js';
import { DecodedImages } from '../../lib/model/decoded-images.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import type { Scoring, TensorHandle } from '../../lib/native/bindings/engine.js';
import { close } from '../helpers/close.js';
import { writeFormulaModel } from '../helpers/network.js';
import { createRandom } from '../helpers/random-values.js';

/** Planes N×h×w. */
interface Planes {
  data: Float64Array;
  count: number;
  h: number;
  w: number;
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** Softmax over each row of logits Q×K, the last column left out for ade20k. */
function classWeights(logits: Float32Array, outputs: number, scoring: Scoring): number[][] {
  return Array.from({ length: logits.length / outputs }, (_, q) => {
    const row = Array.from(logits.subarray(q * outputs, (q + 1) * outputs), Math.exp);
    const total = row.reduce((sum, value) => sum + value, 0);
    return row.slice(0, scoring === 'recipe' ? outputs : outputs - 1).map((value) => value / total);
  });
}

/** Bilinear, align_corners false: centres (i + 0.5)·scale − 0.5, clamped to the first and last. */
function resize({ data, count, h, w }: Planes, height: number, width: number): Planes {
  const taps = (from: number, to: number) =>
    Array.from({ length: to }, (_, i) => {
      const centre = Math.max(0, ((i + 0.5) * from) / to - 0.5);
      const low = Math.min(Math.floor(centre), from - 1);
      return { low, high: Math.min(low + 1, from - 1), weight: centre - low };
    });
  const [rows, columns] = [taps(h, height), taps(w, width)];
  const out = new Float64Array(count * height * width);
  for (let n = 0, o = 0; n < count; n++)
    for (const y of rows) {
      const [top, bottom] = [(n * h + y.low) * w, (n * h + y.high) * w];
      for (const x of columns) {
        const upper = data[top + x.low]! * (1 - x.weight) + data[top + x.high]! * x.weight;
        const lower = data[bottom + x.low]! * (1 - x.weight) + data[bottom + x.high]! * x.weight;
        out[o++] = upper * (1 - y.weight) + lower * y.weight;
      }
    }
  return { data: out, count, h: height, w: width };
}

function combine(weights: number[][], masks: Planes): Planes {
  const [count, area] = [weights[0]!.length, masks.h * masks.w];
  const data = new Float64Array(count * area);
  weights.forEach((row, q) =>
    row.forEach((weight, k) => {
      for (let i = 0; i < area; i++) data[k * area + i]! += weight * masks.data[q * area + i]!;
    }),
  );
  return { ...masks, data, count };
}

function scores(
  logits: Float32Array,
  outputs: number,
  masks: Planes,
  size: [number, number],
  scoring: Scoring,
): Planes {
  const weights = classWeights(logits, outputs, scoring);
  const on = (planes: Planes) => ({ ...planes, data: planes.data.map(sigmoid) });
  if (scoring === 'recipe') return resize(combine(weights, on(masks)), ...size);
  return combine(weights, on(resize(masks, ...size)));
}

/** Every pixel must be the best class, but for near ties, which rounding may settle either way. */
function checkMap(t: Test, map: Uint8Array, { data, count, h, w }: Planes, name: string): void {
  let wrong = 0;
  let close = 0;
  for (let i = 0; i < h * w; i++) {
    let best = 0;
    for (let k = 1; k < count; k++) if (data[k * h * w + i]! > data[best * h * w + i]!) best = k;
    if (map[i] === best) continue;
    if (data[best * h * w + i]! - data[map[i]! * h * w + i]! < 1e-4) close++;
    else wrong++;
  }
  t.equal(map.length, h * w, `${name}: size`);
  t.equal(wrong, 0, `${name}: no wrong pixel`);
  t.ok(close <= 0.002 * h * w, `${name}: ${close} near ties of ${h * w}`);
}

function randomDecoded(queries: number, hidden: number, h: number, w: number, seed: number) {
  const random = createRandom(seed);
  const values = (n: number, scale: number) =>
    Float32Array.from({ length: n }, () => scale * (random() - 0.5));
  const masks = values(queries * h * w, 12);
  const decoded = new DecodedImages({
    queries: Tensor.from(values(queries * hidden, 4), [1, queries, hidden]).handle,
    masks: Tensor.from(masks, [1, queries, h, w]).handle,
  });
  return { decoded, masks: { data: Float64Array.from(masks), count: queries, h, w } };
}

for (const scoring of ['recipe', 'ade20k'] as const)
  for (const [name, width, height] of [
    ['enlarged', 50, 37],
    ['made smaller', 7, 5],
    // 27 outputs × 2500 columns: bands of 248 rows.
    ['larger than a band of rows', 2500, 300],
  ] as const)
    t.test(`${scoring} scores, ${name}`, async (t) => {
      const [queries, hidden, outputs] = [6, 8, 27];
      const { decoded, masks } = randomDecoded(queries, hidden, 12, 20, 3);
      using head = ClassHead.create({ hidden, classes: outputs, precision: 'float32', seed: 2 });
      const logits = await (await head.forward(decoded.queries)).floats();
      using map = await head.classMap(decoded, { width, height, scoring });
      t.same(map.shape, [1, height, width]);
      checkMap(
        t,
        (await map.data()) as Uint8Array,
        scores(logits, outputs, masks, [height, width], scoring),
        name,
      );
    });

t.test('sliding windows average the scores of the windows that cover a pixel', async (t) => {
  using model = await SegmentationModel.load(await writeFormulaModel(t.testdir()));
  const [width, height, window, stride, outputs] = [112, 80, 64, 40, 5];
  using head = ClassHead.create({ hidden: model.hidden, classes: outputs, precision: 'float32', seed: 9 });
  const random = createRandom(5);
  const image = {
    data: Uint8Array.from({ length: width * height * 3 }, () => random() * 256),
    width,
    height,
  };
  const { data: map } = await model.segment(image, { head, mode: 'slide', imageSize: window, stride });

  const { normalization } = model;
  const place = { width, height, device: 'cpu', normalization };
  const normalised = Tensor.wrap(await engine().prepareImages([image], place));
  const pixels = await normalised.floats();
  const sums = new Float64Array(outputs * width * height);
  const windows = new Float64Array(width * height);
  // Starts 0 and 40 apart, the last flush with the edge.
  for (const top of [0, 16])
    for (const left of [0, 40, 48]) {
      const crop = Float32Array.from({ length: 3 * window * window }, (_, i) => {
        const [c, y, x] = [Math.floor(i / window ** 2), Math.floor(i / window) % window, i % window];
        return pixels[(c * height + top + y) * width + left + x]!;
      });
      using input = Tensor.from(crop, [1, 3, window, window]);
      using decoded = await model.decode(input);
      const logits = await (await head.forward(decoded.queries)).floats();
      const masks = Float64Array.from(await decoded.masks.floats());
      const planes = { data: masks, count: 100, h: window / 4, w: window / 4 };
      const part = scores(logits, outputs, planes, [window, window], 'recipe');
      for (let i = 0; i < window * window; i++) {
        const at = (top + Math.floor(i / window)) * width + left + (i % window);
        windows[at]!++;
        for (let k = 0; k < outputs; k++)
          sums[k * width * height + at]! += part.data[k * window * window + i]!;
      }
    }
  const data = sums.map((sum, i) => sum / windows[i % windows.length]!);
  checkMap(t, map, { data, count: outputs, h: height, w: width }, 'slide');
});

t.test('an image smaller than a window is enlarged, and its map is of its own size', async (t) => {
  using model = await SegmentationModel.load(await writeFormulaModel(t.testdir()));
  const image = { data: new Uint8Array(30 * 20 * 3).fill(120), width: 30, height: 20 };
  const { data } = await model.segment(image, { mode: 'slide', imageSize: 64 });
  t.equal(data.length, 600);
});

t.test('counts of a confusion matrix refuse what they cannot count', async (t) => {
  const map = (values: number[], shape = [1, 2, 2]) => Tensor.from(Uint8Array.from(values), shape).handle;
  const good = map([0, 1, 1, 0]);
  t.same([...(await engine().confusion(good, map([0, 1, 255, 1]), 2))], [1, 0, 1, 1]);
  await t.rejects(engine().confusion(good, map([0, 1, 2, 1]), 2), { code: 'LABEL_VALUE' }, 'a label outside');
  await t.rejects(
    engine().confusion(map([0, 3, 1, 1]), good, 2),
    { code: 'LABEL_VALUE' },
    'a prediction outside',
  );
  await t.rejects(engine().confusion(good, map([0, 1], [1, 1, 2]), 2), { code: 'SHAPE' }, 'other shapes');
});

t.test('relative errors are those of each item', async (t) => {
  const tensor = (values: number[], shape = [2, 1, 2]) =>
    Tensor.from(Float32Array.from(values), shape).handle;
  const expected = tensor([3, 4, 0, 0]);
  const errors = async (values: number[]) => [...(await engine().relativeErrors(expected, tensor(values)))];
  close(t, 'errors', await errors([3, 5, 0, 0]), [1 / 5, 0], { rtol: 1e-12 });
  t.same(await errors([0, 0, 0, 2]), [1, Infinity]);
  t.match((await errors([NaN, 0, 0, 0]))[0], NaN);
  const halves = (await engine().callOperator('aten::to.dtype_layout', [
    expected,
    'bfloat16',
  ])) as TensorHandle;
  t.same([...(await engine().relativeErrors(halves, tensor([3, 4, 0, 0])))], [0, 0], 'of other dtypes');
  const bytes = Tensor.from(Uint8Array.of(1, 2, 3, 4), [2, 1, 2]).handle;
  for (const other of [tensor([3, 4, 0, 0], [2, 2]), bytes])
    await t.rejects(engine().relativeErrors(expected, other), { code: 'SHAPE' });
});
