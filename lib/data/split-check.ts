/** What labelled images of a split contain. */
import type { LeftOut } from '../images/left-out.js';
import type { ObjectCounts } from './object-counts.js';

/** How often a class occurs in a split. */
export interface ClassCount {
  /** Index in the class set. */
  readonly index: number;
  /** Name in the class set. */
  readonly name: string;
  /** Number of pixels in all labels of the split. */
  readonly pixels: number;
  /** Share (0…1) of the pixels that have a class; null if no pixel has one. */
  readonly share: number | null;
  /** Number of labels that contain the class. */
  readonly images: number;
}

/** Contents of a split. */
export interface SplitCheck extends ObjectCounts {
  /** Name of the split. */
  readonly split: string;
  /** Number of images with a label, including faulty ones. */
  readonly pairs: number;
  /** Number of label pixels with a class. */
  readonly pixels: number;
  /** Number of label pixels that the class set ignores. */
  readonly ignoredPixels: number;
  /** Number of those whose value a class file does not mention: 255 is ignored by default. */
  readonly ignoredByDefault: number;
  /** What lies beside the images and is none, and further links to images. */
  readonly leftOut: LeftOut;
  /** Counts of the classes, by index. */
  readonly classes: readonly ClassCount[];
}
