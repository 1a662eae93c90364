/** Means over images, and how sure they are. */
import { meanIouOf, meanOf, type ClassSums } from '../evaluate/metrics.js';

/** A mean over images. */
export interface ImageMean {
  /** Mean. */
  mean: number;
  /** Standard error of the mean over the images; null for a single image. */
  standardError: number | null;
}

/** Mean of what was measured, and the standard error: deviation of the images / √images. Null without a value. */
export function imageMean(values: readonly (number | null)[]): ImageMean | null {
  const measured = values.filter((value) => value !== null);
  const mean = meanOf(measured);
  if (mean === null) return null;
  const squares = measured.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const { length } = measured;
  return { mean, standardError: length < 2 ? null : Math.sqrt(squares / (length - 1) / length) };
}

/** mIoU of two sides, and how sure their difference is. */
export interface MIoUDifference {
  /** mIoU of A minus that of B; null without labelled pixels. */
  mIoU: number | null;
  /**
   * Standard error of that difference over the images, by the jackknife: mIoU is a figure of the whole data set, so each image is
   * left out in turn. Null for fewer than two images with labelled pixels.
   */
  standardError: number | null;
}

/**
 * Computes the difference of the data sets' mIoU and its standard error √((n − 1)/n · Σ (dᵢ − d̄)²), where dᵢ is the difference
 * without image i (Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 11).
 *
 * @param a sums of each image under A.
 * @param b of the same images, in the same order, under B.
 */
export function mIoUDifference(a: readonly ClassSums[], b: readonly ClassSums[]): MIoUDifference {
  const labelled = [...a.keys()].filter((i) => a[i]!.truth.some((pixels) => pixels > 0));
  const { length } = labelled;
  if (length === 0) return { mIoU: null, standardError: null };
  const totals = [a, b].map((sums) => totalOf(labelled.map((i) => sums[i]!))) as [ClassSums, ClassSums];
  const difference = (left?: readonly [ClassSums, ClassSums]) => {
    const [ours, theirs] = totals.map((total, side) => meanIouOf(left ? less(total, left[side]!) : total));
    return ours! - theirs!;
  };
  if (length === 1) return { mIoU: difference(), standardError: null };
  const without = labelled.map((i) => difference([a[i]!, b[i]!]));
  const mean = meanOf(without)!;
  const squares = without.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mIoU: difference(), standardError: Math.sqrt(((length - 1) / length) * squares) };
}

const parts = ['truth', 'predicted', 'both'] as const;

function combined(make: (part: keyof ClassSums) => Float64Array): ClassSums {
  return { truth: make('truth'), predicted: make('predicted'), both: make('both') };
}

function totalOf(sums: readonly ClassSums[]): ClassSums {
  const total = combined((part) => new Float64Array(sums[0]![part].length));
  for (const each of sums)
    for (const part of parts) each[part].forEach((pixels, k) => (total[part][k]! += pixels));
  return total;
}

function less(total: ClassSums, image: ClassSums): ClassSums {
  return combined((part) => total[part].map((pixels, k) => pixels - image[part][k]!));
}
