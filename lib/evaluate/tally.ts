/** Evaluation results, image by image. */
import { kind, number, objectWith } from '../arguments.js';
import type { ClassSet } from '../data/class-set.js';
import { imageIou, meanOf, metricsOf } from './metrics.js';

/** One class of an evaluation. */
export interface ClassResult {
  /** Its index in the class set. */
  index: number;
  /** Its name in the class set. */
  name: string;
  /** 0…1; null where the class occurs in neither labels nor predictions. */
  iou: number | null;
  /** Labelled pixels of the class at the evaluated size. */
  truthPixels: number;
}

/** Shares are 0…1; null where there was nothing to measure. */
export interface Evaluation {
  /** That were evaluated. */
  images: number;
  /** Mean of the images' losses; null for the ade20k scoring of a network's own head, which no loss belongs to. */
  loss: number | null;
  /** Of the data set: one confusion matrix, mean over the classes that occur in the labels. */
  mIoU: number | null;
  /** Mean of the images' own mean IoU: named as such, not comparable with `mIoU`. */
  perImageIoU: number | null;
  /** Right pixels among all that have a class. */
  pixelAccuracy: number | null;
  /** Mean IoU of each image, in the order in which they were evaluated; null for one without a labelled pixel. */
  imageIou: (number | null)[];
  /** By index. */
  classes: ClassResult[];
  /** Pixels, a row a true class, a column a predicted one. */
  confusion: number[][];
  /** For everything, decoding included. */
  seconds: number;
  /** Images by seconds. */
  imagesPerSecond: number;
}

export const evaluationKind = objectWith<Evaluation>('an evaluation, as evaluate() gives it', {
  images: number,
  classes: kind('a list', Array.isArray),
  confusion: kind('a list', Array.isArray),
  seconds: number,
});

/** Gathers images until they make an {@link Evaluation}. */
export class Tally {
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

  /** What the images came to. */
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
