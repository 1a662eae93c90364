/** Evaluation results, image by image. */
import type { ClassSet } from '../data/class-set.js';
import type { Evaluation } from './evaluation.js';
import { imageIou, meanOf, metricsOf } from './metrics.js';

/** Gathers images until they make an {@link Evaluation}. */
export class EvaluationAccumulator {
  readonly #total: Float64Array;
  readonly #losses: (number | null)[] = [];
  readonly #imageIous: (number | null)[] = [];

  constructor(private readonly classSet: ClassSet) {
    this.#total = new Float64Array(classSet.classes.length ** 2);
  }

  get images(): number {
    return this.#imageIous.length;
  }

  /** Adds an image: its K×K counts, and its loss where there is one. */
  add(confusion: Float64Array, loss: number | null): void {
    for (let i = 0; i < this.#total.length; i++) this.#total[i]! += confusion[i]!;
    this.#losses.push(loss);
    this.#imageIous.push(imageIou(confusion, this.classSet.classes.length));
  }

  /** The evaluation of all images so far. */
  result(seconds: number): Evaluation {
    const { classes } = this.classSet;
    const { length } = classes;
    const { mIoU, pixelAccuracy, classIou, truthPixels } = metricsOf(this.#total, length);
    return {
      images: this.images,
      loss: meanOf(this.#losses),
      mIoU,
      perImageIoU: meanOf(this.#imageIous),
      pixelAccuracy,
      imageIou: [...this.#imageIous],
      classes: classes.map(({ index, name }) => ({
        index,
        name,
        iou: classIou[index]!,
        truthPixels: truthPixels[index]!,
      })),
      confusion: Array.from({ length }, (_, row) => [
        ...this.#total.subarray(row * length, (row + 1) * length),
      ]),
      seconds,
      imagesPerSecond: this.images / seconds,
    };
  }
}
