/** Soft percentages against plain loops in float64. */
import { join } from 'node:path';
import t from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { featureMapPath, readFeatureMap } from '../../lib/features/aggregation.js';
import { SegmentationFeatures } from '../../lib/features/segmentation-features.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { close } from '../helpers/close.js';
import { sigmoid } from '../helpers/dense-loss.js';
import { writeFormulaModel } from '../helpers/network.js';
import { picture } from '../helpers/tiny-network.js';

const root = t.testdir();
const model = await SegmentationModel.load(await writeFormulaModel(root));
const headPath = join(root, 'head.safetensors');
const classSet = await loadClassSet('idd26');
const head = ClassHead.create({ hidden: model.hidden, classes: classSet, precision: 'float32', seed: 1 });
await head.save(headPath);
const image = picture(90, 70);
const size = { width: 64, height: 64 };
t.teardown(() => {
  head.dispose();
  model.dispose();
});

function softmax(logits: Float32Array): number[] {
  const powers = Array.from(logits, (logit) => Math.exp(logit));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / total);
}

/** At each place of the mask grid the classes' shares of the place's scores; ade20k leaves the last output out. */
async function sharesBy(scorer: ReturnType<typeof model.ownHead>, classes: number): Promise<number[][]> {
  const pixels = await engine().prepareImages([image], {
    ...size,
    device: 'cpu',
    normalization: model.normalization,
  });
  using images = Tensor.wrap(pixels);
  using decoded = await model.decode(images);
  using logits = await scorer.forward(decoded.queries);
  const [, queries = 0, h = 0, w = 0] = decoded.masks.shape;
  const masks = Float64Array.from(await decoded.masks.floats(), sigmoid);
  const flat = await logits.floats();
  const weights = Array.from({ length: queries }, (_, q) =>
    softmax(flat.subarray(q * scorer.classes, (q + 1) * scorer.classes)),
  );
  return Array.from({ length: h * w }, (_, place) => {
    const scores = Array.from({ length: classes }, (_, k) =>
      weights.reduce((total, row, q) => total + row[k]! * masks[q * h * w + place]!, 0),
    );
    const total = scores.reduce((a, b) => a + b, 0);
    return scores.map((score) => score / total);
  });
}

const mean = (places: number[][]) =>
  places[0]!.map((_, k) => (100 * places.reduce((total, place) => total + place[k]!, 0)) / places.length);

t.test('soft percentages are the means of the scores’ shares, and sum to 100', async (t) => {
  for (const [title, options, scorer, classes] of [
    ['own head', { set: '230' }, model.ownHead(), 150],
    ['fine-tuned head', { flavour: 'idd26-head', head: headPath }, head, 26],
  ] as const) {
    using features = await SegmentationFeatures.open({ model, imageSize: size, soft: true, ...options });
    const [result] = await features.of([image]);
    close(t, title, result!.values, mean(await sharesBy(scorer, classes)), { atol: 1e-4, rtol: 1e-5 });
    t.ok(Math.abs(result!.values.reduce((a, b) => a + b, 0) - 100) < 1e-9, 'they sum to 100');
    t.equal(result!.unassigned, 0);
  }
});

t.test('a soft hybrid gives the first head what the second does not take', async (t) => {
  const map = await readFeatureMap(featureMapPath('idd26-hybrid'));
  if (map.kind !== 'hybrid') throw new Error('not a hybrid');
  const [own, fine] = [await sharesBy(model.ownHead(), 150), await sharesBy(head, 26)];
  const places = own.map((shares, place) => {
    const second = fine[place]!;
    const left = 1 - map.overwrite.reduce((total, index) => total + second[index]!, 0);
    const columns = new Array<number>(26).fill(0);
    for (const { name, classes } of map.groups) {
      const column = classSet.classes.findIndex((info) => info.name === name);
      for (const index of classes) columns[column]! += left * shares[index]!;
    }
    for (const index of map.overwrite) columns[index]! += second[index]!;
    return columns;
  });
  using features = await SegmentationFeatures.open({ model, imageSize: size, soft: true, head: headPath });
  const [result] = await features.of([image]);
  close(t, 'hybrid', result!.values, mean(places), { atol: 1e-4, rtol: 1e-5 });
  t.ok(result!.unassigned > 0, 'classes of the first head without a column');
  const total = result!.values.reduce((a, b) => a + b, result!.unassigned);
  t.ok(Math.abs(total - 100) < 1e-9, 'with those it sums to 100');
});

t.test('what is transparent of a place has no share', async (t) => {
  const { width, height } = image;
  const transparent = Uint8Array.from({ length: width * height }, (_, i) =>
    (i % width) + i / width < 60 ? 1 : 0,
  );
  const shares = await sharesBy(model.ownHead(), 150);
  const cells = Math.sqrt(shares.length);
  const covered = shares.map((_, place) => {
    const [x, y] = [place % cells, Math.floor(place / cells)];
    const from = (i: number, all: number) => Math.floor((i * all) / cells);
    const to = (i: number, all: number) => Math.ceil(((i + 1) * all) / cells);
    let [sum, pixels] = [0, 0];
    for (let v = from(y, height); v < to(y, height); v++)
      for (let u = from(x, width); u < to(x, width); u++, pixels++) sum += transparent[v * width + u]!;
    return sum / pixels;
  });
  const expected = mean(shares.map((ofPlace, i) => ofPlace.map((share) => share * (1 - covered[i]!))));
  using features = await SegmentationFeatures.open({ model, imageSize: size, soft: true, set: '230' });
  const [result] = await features.of([{ ...image, transparent }]);
  close(t, 'shares', result!.values, expected, { atol: 1e-4, rtol: 1e-5 });
  close(t, 'unassigned', [result!.unassigned], mean(covered.map((part) => [part])), { atol: 1e-9 });
});
