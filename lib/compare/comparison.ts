/** Results of comparisons. */
import type { ReportOutcome } from '../report/html/attempt.js';
import type { ComparedSide } from './compared-network.js';
import type { UnreadImage } from './image-source.js';
import type { ImageMean, MIoUDifference } from './standard-error.js';

/** How one class is given by both sides. */
export interface ComparedClass {
  /** Index in the class set. */
  index: number;
  /** Name in the class set. */
  name: string;
  /** Pixels that A gives the class. */
  pixelsA: number;
  /** Pixels that B gives the class. */
  pixelsB: number;
  /** Pixels that both give it. */
  pixelsBoth: number;
  /** Share of B's pixels that A gives the class, too, 0…1; null if B gives it no pixel. */
  share: number | null;
  /** IoU of A with the labels; null without labels, or for a class in neither labels nor prediction. */
  iouA: number | null;
  /** IoU of B with the labels; null as for A. */
  iouB: number | null;
}

/** How one image differs. */
export interface ComparedImageResult {
  /** Path of the image, or its name in the data set. */
  name: string;
  /** Share of pixels with the same class, 0…1. */
  samePixels: number;
  /** Relative error of the class logits; null as in {@link Comparison}. */
  classLogits: number | null;
  /** Relative error of the mask logits; null as in {@link Comparison}. */
  maskLogits: number | null;
  /** Mean IoU of the image under A; null without labels. */
  iouA: number | null;
  /** Mean IoU of the image under B; null without labels. */
  iouB: number | null;
}

/** Metrics of one side on labelled images, as in {@link Evaluation}. */
export interface LabelMetrics {
  /** Mean IoU over the classes in the labels, from one confusion matrix of the whole data set. */
  mIoU: number | null;
  /** Mean over the images of the mean IoU of each image. */
  perImageIoU: number | null;
  /** Share of correct pixels among those with a class. */
  pixelAccuracy: number | null;
}

/** Metrics of both sides on labelled images. */
export interface LabelComparison {
  /** Of A. */
  a: LabelMetrics;
  /** Of B. */
  b: LabelMetrics;
  /** mIoU of A minus that of B, with its standard error. */
  difference: MIoUDifference;
}

/** Result of {@link compare}; `report` is null if none was requested. */
export interface Comparison extends ReportOutcome {
  /** The first network with its head. */
  a: ComparedSide;
  /** The second one, which A is measured against. */
  b: ComparedSide;
  /** Name of the class set of both. */
  classSet: string;
  /** Number of compared images. */
  images: number;
  /** Width and height at which they were compared, in pixels. */
  imageSize: number;
  /** Share of pixels with the same class, 0…1: mean over the images, which all have the same size. Null without images. */
  samePixels: ImageMean | null;
  /** Relative error ‖A − B‖ / ‖B‖ of the class logits, mean over the images; null if A and B have them in different shapes. */
  classLogits: ImageMean | null;
  /** Relative error of the mask logits; also null for linear probes, which have none. */
  maskLogits: ImageMean | null;
  /** Metrics of both on labelled images, and the difference A − B; null without labels. */
  labels: LabelComparison | null;
  /** Results for each class, by index. */
  classes: ComparedClass[];
  /** Results for each image, in their order. */
  perImage: ComparedImageResult[];
  /** Images that could not be found or decoded; the others are compared nevertheless. */
  failed: UnreadImage[];
  /** Reasons why results may be wrong although heads, networks and classes fit. */
  warnings: string[];
}
