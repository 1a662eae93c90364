import { checkArgument, kind, number } from '../arguments.js';
import { DinoSegError } from '../errors.js';

/** What a confusion matrix says about a segmentation; null where there is nothing to measure. */
export interface Metrics {
  /**
   * The data set's mean IoU: the mean of `classIou` over the classes that occur in the ground truth.
   * A class that is only predicted is no row of its own; it lowers the others by its false positives.
   */
  readonly mIoU: number | null;
  /** Intersection over union of each class; null where it occurs in neither truth nor prediction. */
  readonly classIou: readonly (number | null)[];
  /** Correct pixels among all that have a class. */
  readonly pixelAccuracy: number | null;
  /** Pixels of each class in the ground truth. */
  readonly truthPixels: readonly number[];
}

const matrixKind = kind<ArrayLike<number | bigint>>(
  'an array of counts',
  (value) => Array.isArray(value) || ArrayBuffer.isView(value),
);

function counts(confusion: ArrayLike<number | bigint>, classes: number): Float64Array {
  checkArgument(confusion, matrixKind, 'The confusion matrix');
  checkArgument(classes, number, 'The number of classes');
  if (confusion.length !== classes * classes)
    throw new DinoSegError(
      'SHAPE',
      `A confusion matrix of ${classes} classes has ${classes * classes} counts, not ${confusion.length}.`,
    );
  return Float64Array.from(confusion, Number);
}

/** The mean of the values that are not null; null where none is left. */
export function meanOf(values: Iterable<number | null>): number | null {
  let sum = 0;
  let count = 0;
  for (const value of values) {
    if (value === null) continue;
    sum += value;
    count++;
  }
  return count === 0 ? null : sum / count;
}

function classIous(matrix: Float64Array, classes: number): { iou: (number | null)[]; truth: number[] } {
  const truth = new Array<number>(classes).fill(0);
  const predicted = new Array<number>(classes).fill(0);
  matrix.forEach((count, i) => {
    truth[Math.floor(i / classes)]! += count;
    predicted[i % classes]! += count;
  });
  const iou = truth.map((pixels, k) => {
    const both = matrix[k * classes + k]!;
    const union = pixels + predicted[k]! - both;
    return union === 0 ? null : both / union;
  });
  return { iou, truth };
}

/**
 * Metrics of a confusion matrix.
 *
 * @param confusion K×K pixels, rows truth, columns prediction, row by row; exact up to 2⁵³.
 * @param classes K.
 * @throws DinoSegError SHAPE where it is not K×K.
 */
export function metricsOf(confusion: ArrayLike<number | bigint>, classes: number): Metrics {
  const matrix = counts(confusion, classes);
  const { iou, truth } = classIous(matrix, classes);
  const total = matrix.reduce((sum, count) => sum + count, 0);
  const correct = truth.reduce((sum, _, k) => sum + matrix[k * classes + k]!, 0);
  return {
    mIoU: meanOf(iou.filter((_, k) => truth[k]! > 0)),
    classIou: iou,
    pixelAccuracy: total === 0 ? null : correct / total,
    truthPixels: truth,
  };
}

/**
 * The reference's figure for one image: the mean IoU over the classes that occur in its truth or its prediction;
 * null for an image without a labelled pixel. Its mean over images is the "per-image IoU", which
 * weighs rare classes by chance: the headline is {@link Metrics.mIoU}.
 *
 * @param confusion K×K pixels, as {@link metricsOf} takes them.
 * @param classes K.
 * @throws DinoSegError SHAPE where the matrix is not K×K.
 */
export function imageIou(confusion: ArrayLike<number | bigint>, classes: number): number | null {
  return meanOf(classIous(counts(confusion, classes), classes).iou);
}
