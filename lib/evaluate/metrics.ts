import { checkArgument, kind, number } from '../arguments.js';
import { DinoSegError } from '../errors.js';

/** Metrics of a segmentation, from its confusion matrix; null if there is nothing to measure. */
export interface Metrics {
  /**
   * Mean of `classIou` over the classes in the ground truth. A class that is only predicted is not part of the mean, but its
   * false positives lower the IoU of the others.
   */
  readonly mIoU: number | null;
  /** Intersection over union of each class; null for a class in neither ground truth nor prediction. */
  readonly classIou: readonly (number | null)[];
  /** Share of correct pixels among those with a class. */
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

/** What IoU is computed from: pixels of each class. */
export interface ClassSums {
  /** In the ground truth. */
  readonly truth: Float64Array;
  /** In the prediction. */
  readonly predicted: Float64Array;
  /** In both. */
  readonly both: Float64Array;
}

/** Sums over a confusion matrix K×K, as in {@link metricsOf}. */
export function classSums(matrix: Float64Array, classes: number): ClassSums {
  const truth = new Float64Array(classes);
  const predicted = new Float64Array(classes);
  matrix.forEach((count, i) => {
    truth[Math.floor(i / classes)]! += count;
    predicted[i % classes]! += count;
  });
  return { truth, predicted, both: Float64Array.from(truth, (_, k) => matrix[k * classes + k]!) };
}

function iousOf({ truth, predicted, both }: ClassSums): (number | null)[] {
  return Array.from(truth, (pixels, k) => {
    const union = pixels + predicted[k]! - both[k]!;
    return union === 0 ? null : both[k]! / union;
  });
}

/** {@link Metrics.mIoU} of sums. */
export function meanIouOf(sums: ClassSums): number | null {
  return meanOf(iousOf(sums).filter((_, k) => sums.truth[k]! > 0));
}

/**
 * Computes metrics from a confusion matrix.
 *
 * @param confusion K×K pixel counts, row-major: rows are true classes, columns predicted classes. Exact up to 2⁵³.
 * @param classes number of classes K.
 * @throws DinoSegError SHAPE if the matrix is not K×K.
 */
export function metricsOf(confusion: ArrayLike<number | bigint>, classes: number): Metrics {
  const matrix = counts(confusion, classes);
  const sums = classSums(matrix, classes);
  const total = matrix.reduce((sum, count) => sum + count, 0);
  const correct = sums.both.reduce((sum, count) => sum + count, 0);
  return {
    mIoU: meanIouOf(sums),
    classIou: iousOf(sums),
    pixelAccuracy: total === 0 ? null : correct / total,
    truthPixels: [...sums.truth],
  };
}

/**
 * Computes the reference's metric for one image: the mean IoU over the classes in its ground truth or prediction; null for an
 * image without labelled pixels. Its mean over the images is the "per-image IoU", in which the weight of rare classes is
 * arbitrary; prefer {@link Metrics.mIoU}.
 *
 * @param confusion K×K pixel counts, as in {@link metricsOf}.
 * @param classes number of classes K.
 * @throws DinoSegError SHAPE if the matrix is not K×K.
 */
export function imageIou(confusion: ArrayLike<number | bigint>, classes: number): number | null {
  return meanOf(iousOf(classSums(counts(confusion, classes), classes)));
}
