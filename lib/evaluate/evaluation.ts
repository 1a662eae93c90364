/** Results of evaluations. */
import * as v from 'valibot';
import { measured, naturalNumber, wholeNumber, type Schema } from '../schema.js';
import { kind, number, objectWith } from '../arguments.js';

/** Result for one class. */
export interface ClassResult {
  /** Index in the class set. */
  index: number;
  /** Name in the class set. */
  name: string;
  /** IoU, 0…1; null for a class in neither labels nor predictions. */
  iou: number | null;
  /** Pixels labelled as the class, at the evaluated size. */
  truthPixels: number;
}

/** Result of an evaluation. Metrics are 0…1, and null if nothing could be measured. */
export interface Evaluation {
  /** Number of evaluated images. */
  images: number;
  /** Mean loss over the images; null with ade20k scoring, which has no loss. */
  loss: number | null;
  /** Mean IoU over the classes in the labels, from one confusion matrix of the whole data set. */
  mIoU: number | null;
  /** Mean over the images of the mean IoU of each image. Not comparable with `mIoU`. */
  perImageIoU: number | null;
  /** Share of correct pixels among those with a class. */
  pixelAccuracy: number | null;
  /** Mean IoU of each image, in the order of evaluation; null for an image without labelled pixels. */
  imageIou: (number | null)[];
  /** Results for each class, by index. */
  classes: ClassResult[];
  /** Pixel counts K×K: rows are true classes, columns predicted classes. */
  confusion: number[][];
  /** Total time, including decoding. */
  seconds: number;
  /** Images divided by seconds. */
  imagesPerSecond: number;
}

/** Of best-evaluation.json: `imageIou` is absent in those of earlier releases. */
export const storedEvaluationSchema = v.pipe(
  v.object({
    epoch: naturalNumber,
    images: wholeNumber,
    ...{ loss: measured, mIoU: measured, perImageIoU: measured, pixelAccuracy: measured },
    imageIou: v.exactOptional(v.array(measured)),
    classes: v.array(
      v.object({ index: wholeNumber, name: v.string(), iou: measured, truthPixels: wholeNumber }),
    ),
    confusion: v.array(v.array(wholeNumber)),
    ...{ seconds: v.number(), imagesPerSecond: v.number() },
  }),
  v.check(({ classes, confusion }) =>
    [confusion, ...confusion].every(({ length }) => length === classes.length),
  ),
) satisfies Schema<Omit<Evaluation, 'imageIou'> & { epoch: number; imageIou?: (number | null)[] }>;

export const evaluationKind = objectWith<Evaluation>('an evaluation, as returned by evaluate()', {
  images: number,
  classes: kind('a list', Array.isArray),
  confusion: kind('a list', Array.isArray),
  seconds: number,
});
