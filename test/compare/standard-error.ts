import t from 'tap';
import { imageMean, mIoUDifference } from '../../lib/compare/standard-error.js';
import { classSums } from '../../lib/evaluate/metrics.js';
import { close } from '../helpers/close.js';

t.test('a mean over images leaves out what was not measured', async (t) => {
  t.equal(imageMean([]), null);
  t.equal(imageMean([null, null]), null);
  t.same(imageMean([3]), { mean: 3, standardError: null });
  // Deviations ±1 from 2 of two images: variance 2, over two images 1.
  t.same(imageMean([1, null, 3]), { mean: 2, standardError: 1 });
});

t.test('the difference of mIoU leaves out each image in turn', async (t) => {
  const sums = (...counts: number[]) => classSums(Float64Array.from(counts), 2);
  // Two classes; images of 10 pixels. A: rows truth, columns prediction.
  const a = [sums(6, 0, 0, 4), sums(5, 0, 2, 3), sums(3, 3, 0, 4)];
  const b = [sums(6, 0, 1, 3), sums(5, 0, 0, 5), sums(2, 4, 0, 4)];
  // IoU of class 0 and 1 of A: 14/19 and 11/16; of B: 13/18 and 12/17.
  const difference = (14 / 19 + 11 / 16 - 13 / 18 - 12 / 17) / 2;
  // Without the first, second and third image, in the same way.
  const without = [
    (8 / 13 + 7 / 12 - 7 / 11 - 9 / 13) / 2,
    (9 / 12 + 8 / 11 - 8 / 13 - 7 / 12) / 2,
    (11 / 13 + 7 / 9 - 11 / 12 - 8 / 9) / 2,
  ];
  const mean = without.reduce((sum, value) => sum + value) / 3;
  const error = Math.sqrt((2 / 3) * without.reduce((sum, value) => sum + (value - mean) ** 2, 0));
  const { mIoU, standardError } = mIoUDifference(a, b);
  close(t, 'difference and error', [mIoU!, standardError!], [difference, error], { rtol: 1e-12 });
  const none = sums(0, 0, 0, 0);
  t.same(mIoUDifference([...a, none], [...b, none]), { mIoU, standardError }, 'an image without labels');
  t.same(mIoUDifference([none], [none]), { mIoU: null, standardError: null });
  t.same(mIoUDifference([a[0]!], [a[0]!]), { mIoU: 0, standardError: null });
});
