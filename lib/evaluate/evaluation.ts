/** Results of evaluations. */
import { kind, number, objectWith } from '../arguments.js';

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
