/** The interface of feature extractors, which tables are made with. */
import { callback, kind, number, objectWith } from '../arguments.js';
import type { RgbImage } from '../data/decode.js';
import type { ReducedImage } from '../data/decode-reduced.js';
import type { Detection } from '../model/detections.js';

/** A feature: its column in the table, and its unit. */
export interface FeatureColumn {
  /** Name of the column. */
  readonly name: string;
  /** `percent`: share of the image's pixels, 0…100. `count`: objects, a whole number. */
  readonly kind: 'percent' | 'count';
}

/** The features of one image. */
export interface ImageFeatures {
  /** Values in the order of the columns. */
  readonly values: readonly number[];
  /** The counted objects; coordinates are in pixels of the image. */
  readonly detections?: readonly Detection[];
}

/** Computes features of images, several per pass. */
export interface FeatureExtractor extends AsyncDisposable {
  /** Columns in the order of the table. */
  readonly columns: readonly FeatureColumn[];
  /** JSON of everything that determines the values, such as model ids, heads, maps and versions. */
  readonly settings: Record<string, unknown>;
  /** Device, such as `cuda:0`, for reports; the first of {@link devices}. */
  readonly device?: string;
  /** All devices, for reports. Default: {@link device} alone. */
  readonly devices?: readonly string[];
  /** Maximum number of images per call of {@link extract}. */
  readonly passSize: number;
  /** Maximum number of calls of {@link extract} that may run at a time. It does not change the values. Default 1. */
  readonly concurrency?: number;
  /**
   * Whether an image's values have the same bits in every pass of as many images, whatever the others are and wherever it is among
   * them. A table that is extended keeps more rows then. Default false.
   */
  readonly isIndependent?: boolean;
  /**
   * Number of passes so far that were run again in another way, since one of their images needed it: values of such a pass depend on
   * its images, whatever {@link isIndependent} says. Default 0.
   */
  readonly runAgain?: number;
  /**
   * Reads an image as {@link extract} takes it, possibly smaller, or a view of a panorama ({@link ImageEntry.view}). Default:
   * {@link decodeImage}.
   *
   * @throws DinoSegError IMAGE, FILE_NOT_FOUND, IO
   */
  readImage?(path: string, view?: number): Promise<RgbImage | ReducedImage>;
  /** Entries of one file that follow each other and are read together: views of a panorama. Default 1. */
  readonly readTogether?: number;
  /**
   * Computes the features of images, in their order. The same images in the same pass give the same bits.
   *
   * @throws DinoSegError IMAGE or SHAPE for an image without features; other errors end a run. The signal's reason.
   */
  extract(images: readonly RgbImage[], options: { signal?: AbortSignal }): Promise<ImageFeatures[]>;
  /**
   * Draws the results over an image, for viewing. The picture has the image's aspect ratio, and more pixels if
   * names would cover a small image. Returns the image itself if there is nothing to draw.
   */
  overlay?(image: RgbImage, features: ImageFeatures): Promise<RgbImage>;
}

export const extractorKind = objectWith<FeatureExtractor>('a feature extractor {columns, settings, …}', {
  columns: kind('a list', Array.isArray),
  passSize: number,
  extract: callback(),
});

/** Names of an extractor's devices, for reports; none if it does not tell. */
export function devicesOf({ device, devices }: FeatureExtractor): readonly string[] {
  return devices ?? (device === undefined ? [] : [device]);
}
