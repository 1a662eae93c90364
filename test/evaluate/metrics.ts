import { join } from 'node:path';
import t from 'tap';
import { imageIou, meanOf, metricsOf } from '../../lib/evaluate/metrics.js';
import { readSafetensors } from '../helpers/safetensors.js';
import { shared, skipWithout } from '../helpers/temporary.js';

t.test('IoU, its mean and accuracy are counted from the matrix', async (t) => {
  // Class 2 is only predicted, class 3 occurs nowhere.
  const confusion = [6, 1, 1, 0, 2, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  const metrics = metricsOf(confusion, 4);
  t.same(metrics.classIou, [6 / 10, 8 / 11, 0, null]);
  t.equal(metrics.mIoU, (6 / 10 + 8 / 11) / 2, 'the mean is over the classes that occur in the truth');
  t.equal(metrics.pixelAccuracy, 14 / 18);
  t.same(metrics.truthPixels, [8, 10, 0, 0]);
  t.equal(
    imageIou(confusion, 4),
    (6 / 10 + 8 / 11 + 0) / 3,
    'the per-image figure counts predicted ones too',
  );
  t.same(metricsOf(BigInt64Array.from(confusion.map(BigInt)), 4), metrics, 'also from 64-bit integers');
  t.same(metricsOf(Float64Array.from(confusion), 4), metrics, 'and from floats');
});

t.test('a perfect prediction is 1, an empty matrix nothing', async (t) => {
  t.same(metricsOf([5, 0, 0, 7], 2), { mIoU: 1, classIou: [1, 1], pixelAccuracy: 1, truthPixels: [5, 7] });
  t.same(metricsOf([0, 0, 0, 0], 2), {
    mIoU: null,
    classIou: [null, null],
    pixelAccuracy: null,
    truthPixels: [0, 0],
  });
  t.equal(imageIou([0, 0, 0, 0], 2), null);
});

t.test('a mean leaves out what is not there', async (t) => {
  t.equal(meanOf([1, null, 2]), 1.5);
  t.equal(meanOf([null]), null);
  t.equal(meanOf([]), null);
});

t.test('a matrix of another size is SHAPE', async (t) => {
  t.throws(() => metricsOf([1, 2, 3], 2), { code: 'SHAPE', message: /2 classes has 4 counts, not 3/ });
});

const golden = 'golden/train/head.safetensors';
t.test("the reference's metrics come out as stored", { skip: skipWithout(golden) }, async (t) => {
  const { tensors } = readSafetensors(join(shared, golden));
  const values = (name: string): number[] =>
    Array.from(tensors[name]!.data as ArrayLike<number | bigint>, Number);
  const stored = (name: string): number[] => values(`eval.${name}`);
  const classes = 26;
  const metrics = metricsOf(stored('confusion'), classes);
  t.same(metrics.classIou, stored('class_iou'), 'every class IoU to the last bit');
  const relative = (actual: number | null, expected: number): number => Math.abs(actual! / expected - 1);
  t.ok(relative(metrics.mIoU, stored('miou_present')[0]!) < 1e-14, `mIoU ${metrics.mIoU}`);
  t.equal(metrics.pixelAccuracy, stored('pixel_accuracy')[0]);

  const [predicted, labels] = [stored('pred'), values('labels')];
  const pixels = 128 * 128;
  const total = new Float64Array(classes * classes);
  const perImage = Array.from({ length: 6 }, (_, image) => {
    const confusion = new Float64Array(classes * classes);
    for (let i = image * pixels; i < (image + 1) * pixels; i++)
      if (labels[i] !== 255) confusion[labels[i]! * classes + predicted[i]!]!++;
    confusion.forEach((count, i) => (total[i]! += count));
    return imageIou(confusion, classes);
  });
  t.same([...total], stored('confusion'), 'the images add up to the matrix');
  stored('per_image_iou').forEach((value, i) =>
    t.ok(relative(perImage[i]!, value) < 1e-14, `image ${i}: ${perImage[i]}`),
  );
});
