import t from 'tap';
import { SegmentationDataset } from '../../lib/data/dataset.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { LinearProbe } from '../../lib/model/linear-probe.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { evaluate } from '../../lib/evaluate/evaluate.js';
import { imageIou, meanOf, metricsOf } from '../../lib/evaluate/metrics.js';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { engine } from '../../lib/native/engine.js';
import { Tensor } from '../../lib/model/tensor.js';
import { close } from '../helpers/close.js';
import { normals } from '../helpers/heads.js';
import { chooseSize, watchDecode } from '../helpers/passes.js';
import { createRandom } from '../helpers/random-values.js';
import { tinySettings } from '../helpers/tiny-run.js';

const settings = await tinySettings(t.testdir());
const classSet = await loadClassSet('idd26');
const dataset = await SegmentationDataset.open(settings.data, 'train', classSet);
const model = await SegmentationModel.load(settings.model);
const head = ClassHead.create({ hidden: model.hidden, classes: classSet, precision: 'float32', seed: 4 });

t.test('the figures are those of the images one by one', async (t) => {
  const result = await evaluate(model, head, dataset, { imageSize: 64 });
  const place = { width: 64, height: 64, device: 'cpu', normalization: model.normalization };
  const total = new Float64Array(26 * 26);
  const losses: number[] = [];
  const ious: (number | null)[] = [];
  for (let i = 0; i < dataset.length; i++) {
    const { image, label } = await dataset.load(i);
    using images = Tensor.wrap(await engine().prepareImages([image], place));
    using labels = Tensor.wrap(await engine().prepareLabels([label], place));
    using decoded = await model.decode(images);
    losses.push((await head.loss(decoded, labels)).loss);
    using map = await head.classMap(decoded, { width: 64, height: 64 });
    const counts = new Float64Array(26 * 26);
    const [predicted, truth] = [await map.data(), await labels.data()];
    truth.forEach((label, k) => {
      if (label !== 255) counts[Number(label) * 26 + Number(predicted[k])]!++;
    });
    counts.forEach((count, k) => (total[k]! += count));
    ious.push(imageIou(counts, 26));
  }
  t.equal(result.images, 10);
  t.same(result.confusion.flat(), [...total]);
  const expected = metricsOf(total, 26);
  t.equal(result.mIoU, expected.mIoU);
  t.equal(result.pixelAccuracy, expected.pixelAccuracy);
  t.equal(result.perImageIoU, meanOf(ious));
  close(t, 'loss', [result.loss!], [meanOf(losses)!], { rtol: 1e-12 });
  t.match(result.classes[0], { index: 0, name: 'road' });
});

t.test("the network's own head is measured by ADE20K's scoring, without a loss", async (t) => {
  const ade = await SegmentationDataset.open(settings.data, 'val', await loadClassSet('ade150'));
  using own = model.ownHead();
  const measured = await evaluate(model, own, ade, { imageSize: 64 });
  t.match(measured, { images: ade.length, loss: null });
  t.equal(measured.classes.length, 150);
  t.ok(measured.mIoU !== null && measured.mIoU >= 0);
  await t.rejects(evaluate(model, own, dataset, { imageSize: 64 }), {
    code: 'HEAD_MISMATCH',
    message: /151 outputs/,
  });
});

t.test('it stops between two images', async (t) => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const stopped = evaluate(model, head, dataset, {
    imageSize: 64,
    signal: controller.signal,
    onProgress: (done) => done === 3 && controller.abort(reason),
  });
  await t.rejects(stopped, reason);
});

t.test('passes of three images give the figures of passes of one', async (t) => {
  const single = await evaluate(model, head, dataset, { imageSize: 64 });
  const seen = watchDecode(t);
  const told: number[] = [];
  const onProgress = (done: number) => told.push(done);
  const three = await evaluate(model, head, dataset, { imageSize: 64, passSize: 3, onProgress });
  t.same(seen, [3, 3, 3, 1]);
  t.same(told, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 'told image by image');
  t.equal(three.images, 10);
  close(t, 'loss', [three.loss!], [single.loss!], { rtol: 1e-6 });
  for (const key of ['mIoU', 'perImageIoU', 'pixelAccuracy'] as const)
    close(t, key, [three[key]!], [single[key]!], { atol: 1e-3 });
  const moved = three.confusion.flat().map((count, k) => Math.abs(count - single.confusion.flat()[k]!));
  t.ok(moved.reduce((sum, count) => sum + count) <= 0.001 * 10 * 64 * 64, 'pixels of the same class');
});

t.test('a linear probe takes several images a pass as well', async (t) => {
  const random = createRandom(5);
  const { width } = model;
  const classes = classSet.classes.length;
  const values = (count: number, centre = 0) => normals(random, count, 0.3).map((value) => centre + value);
  using probe = await LinearProbe.from({
    ...{ classes, width, weight: values(classes * width), bias: values(classes) },
    ...{
      gamma: values(width, 1),
      beta: values(width),
      runningMean: values(width),
      runningVar: values(width, 2),
    },
  });
  const figures = async (passSize: number) => {
    const { loss, mIoU } = await evaluate(model, probe, dataset, { imageSize: 64, passSize });
    return [loss!, mIoU!];
  };
  close(t, 'loss and mIoU', await figures(4), await figures(1), { atol: 1e-3 });
});

t.test('where memory runs out for a chosen size, smaller passes go on', async (t) => {
  chooseSize(t, 8);
  const seen = watchDecode(t, 4, 1);
  const log: string[] = [];
  const result = await evaluate(model, head, dataset, { imageSize: 64, onLog: (line) => log.push(line) });
  t.same(seen, [8, 2], 'the first pass fits, the second is smaller anyway');
  t.same([result.images, log], [10, []]);
  const tight = watchDecode(t, 3);
  const again = await evaluate(model, head, dataset, { imageSize: 64, onLog: (line) => log.push(line) });
  t.same(
    tight.toSorted(),
    [2, 2, 2, 2, 2, 4, 8],
    'the last two images may go through while the others are halved',
  );
  t.equal(log.length, 2);
  t.same(again.images, 10);
  await t.rejects(evaluate(model, head, dataset, { imageSize: 64, passSize: 4 }), { code: 'OUT_OF_MEMORY' });
});

t.test('it stops between two images of a pass', async (t) => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const told: number[] = [];
  const stopped = evaluate(model, head, dataset, {
    ...{ imageSize: 64, passSize: 5, signal: controller.signal },
    onProgress: (done) => {
      told.push(done);
      if (done === 2) controller.abort(reason);
    },
  });
  await t.rejects(stopped, reason);
  t.same(told, [1, 2]);
});

t.test('a pass size that is no whole number from 1 is refused', async (t) => {
  for (const passSize of [0, 2.5])
    await t.rejects(evaluate(model, head, dataset, { imageSize: 64, passSize }), {
      code: 'INVALID_ARGUMENT',
    });
});
