/** Results of a comparison, image by image. */
import type { ClassSet } from '../data/class-set.js';
import { EvaluationAccumulator } from '../evaluate/evaluation-accumulator.js';
import type { Evaluation } from '../evaluate/evaluation.js';
import { classSums, type ClassSums } from '../evaluate/metrics.js';
import type { ComparedImageResult, Comparison, LabelMetrics } from './comparison.js';
import type { Difference } from './head-outputs.js';
import { imageMean, mIoUDifference } from './standard-error.js';

/** Metrics of one side on labelled images. */
export class LabelAccumulator {
  readonly #evaluation: EvaluationAccumulator;
  /** Of each image. */
  readonly sums: ClassSums[] = [];

  constructor(private readonly classSet: ClassSet) {
    this.#evaluation = new EvaluationAccumulator(classSet);
  }

  /** Adds an image. @param confusion K×K counts, rows truth */
  add(confusion: Float64Array): void {
    this.#evaluation.add(confusion, null);
    this.sums.push(classSums(confusion, this.classSet.classes.length));
  }

  /** The evaluation of all images so far, without loss and time. */
  result(): Evaluation {
    return this.#evaluation.result(NaN);
  }
}

/** What a {@link ComparisonAccumulator} gives. */
export type Measured = Pick<
  Comparison,
  'images' | 'samePixels' | 'classLogits' | 'maskLogits' | 'labels' | 'classes' | 'perImage'
>;

/** Gathers images until they make a {@link Comparison}. */
export class ComparisonAccumulator {
  /** Rows A, columns B. */
  readonly #counts: Float64Array;
  readonly #images: Omit<ComparedImageResult, 'iouA' | 'iouB'>[] = [];
  /** Of A and B; no images without labels. */
  readonly labels: readonly [a: LabelAccumulator, b: LabelAccumulator];

  constructor(private readonly classSet: ClassSet) {
    this.#counts = new Float64Array(classSet.classes.length ** 2);
    this.labels = [new LabelAccumulator(classSet), new LabelAccumulator(classSet)];
  }

  /** Adds an image. @returns the share of its pixels with the same class */
  add(name: string, { counts, classLogits, maskLogits }: Difference): number {
    for (let i = 0; i < counts.length; i++) this.#counts[i]! += counts[i]!;
    const { both, truth } = classSums(counts, this.classSet.classes.length);
    const sum = (values: Float64Array) => values.reduce((all, value) => all + value, 0);
    const samePixels = sum(both) / sum(truth);
    this.#images.push({ name, samePixels, classLogits, maskLogits });
    return samePixels;
  }

  /** Results of all images so far. */
  result(): Measured {
    const images = this.#images;
    const [a, b] = this.labels.map((side) => (side.sums.length > 0 ? side.result() : undefined));
    const { truth: byA, predicted: byB, both } = classSums(this.#counts, this.classSet.classes.length);
    return {
      images: images.length,
      samePixels: imageMean(images.map(({ samePixels }) => samePixels)),
      classLogits: imageMean(images.map(({ classLogits }) => classLogits)),
      maskLogits: imageMean(images.map(({ maskLogits }) => maskLogits)),
      labels: a && b ? { a: metricsOf(a), b: metricsOf(b), difference: this.#difference() } : null,
      classes: this.classSet.classes.map(({ index, name }) => ({
        ...{ index, name, pixelsA: byA[index]!, pixelsB: byB[index]!, pixelsBoth: both[index]! },
        share: byB[index]! > 0 ? both[index]! / byB[index]! : null,
        iouA: a?.classes[index]!.iou ?? null,
        iouB: b?.classes[index]!.iou ?? null,
      })),
      perImage: images.map((image, i) => ({
        ...image,
        iouA: a?.imageIou[i] ?? null,
        iouB: b?.imageIou[i] ?? null,
      })),
    };
  }

  #difference() {
    const [a, b] = this.labels;
    return mIoUDifference(a.sums, b.sums);
  }
}

function metricsOf({ mIoU, perImageIoU, pixelAccuracy }: Evaluation): LabelMetrics {
  return { mIoU, perImageIoU, pixelAccuracy };
}
