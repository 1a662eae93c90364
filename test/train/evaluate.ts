import t from 'tap';
import { SegmentationDataset } from '../../lib/data/dataset.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { evaluate } from '../../lib/train/evaluate.js';
import { imageIou, meanOf, metricsOf } from '../../lib/train/metrics.js';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { engine } from '../../lib/native/engine.js';
import { Tensor } from '../../lib/model/tensor.js';
import { close } from '../helpers/close.js';
import { tinySettings } from '../helpers/tiny-run.js';

const settings = await tinySettings(t.testdir());
const classSet = await loadClassSet('idd26');
const dataset = await SegmentationDataset.open(settings.data, 'train', classSet);
const model = await SegmentationModel.load(settings.model);
const head = ClassHead.create({ hidden: model.hidden, classes: classSet, precision: 'float32', seed: 4 });

t.test('the figures are those of the images one by one', async (t) => {
  const result = await evaluate(model, head, dataset, { imageSize: 64 });
  const place = { width: 64, height: 64, device: 'cpu' };
  const total = new Float64Array(26 * 26);
  const losses: number[] = [];
  const ious: (number | null)[] = [];
  for (let i = 0; i < dataset.length; i++) {
    const { image, label } = await dataset.load(i);
    using images = Tensor.wrap(await engine().prepareImages([image], place));
    using labels = Tensor.wrap(await engine().prepareLabels([label], place));
    using decoded = await model.decode(images);
    losses.push((await head.loss(decoded, labels)).loss);
    using map = await head.classMap(decoded, place);
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
  const ade = await SegmentationDataset.open(settings.data, 'val', await loadClassSet('ade150')).catch(
    (error: unknown) => error,
  );
  t.match(ade, { code: 'DATASET' }, 'the drawn scenes have no ADE20K labels');
  const own = model.ownHead();
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
