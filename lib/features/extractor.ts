/** What makes features of images; tables are made with any of them. */
import { callback, kind, number, objectWith } from '../arguments.js';
import type { RgbImage } from '../data/decode.js';
import type { Detection } from '../model/detection-model.js';

/** A feature: its column in the table, and what it counts. */
export interface FeatureColumn {
  /** As in the table. */
  readonly name: string;
  /** `percent`: share of the image's pixels, 0…100. `count`: objects, a whole number. */
  readonly kind: 'percent' | 'count';
}

/** The features of an image. */
export interface ImageFeatures {
  /** In the order of the columns. */
  readonly values: readonly number[];
  /** The objects that were counted; places in pixels of the image. */
  readonly detections?: readonly Detection[];
}

/** Makes features of images, several in a pass. */
export interface FeatureExtractor extends AsyncDisposable {
  /** In the order of the table. */
  readonly columns: readonly FeatureColumn[];
  /** JSON: all that decides the values, such as model ids, heads, maps and versions. */
  readonly settings: Record<string, unknown>;
  /** What it computes on, such as `cuda:0`, for reports. */
  readonly device?: string;
  /** Images that {@link extract} is given at most. */
  readonly passSize: number;
  /**
   * Features of images, in their order. The same images in the same company give the same bits.
   *
   * @throws DinoSegError IMAGE or SHAPE for an image that has no features; others end a run. The signal's reason.
   */
  extract(images: readonly RgbImage[], options: { signal?: AbortSignal }): Promise<ImageFeatures[]>;
  /**
   * A picture for people: what was found, drawn over an image. It has the image's proportions, and more pixels where names would
   * cover a small image. The image itself where there is nothing to draw.
   */
  overlay?(image: RgbImage, features: ImageFeatures): Promise<RgbImage>;
}

export const extractorKind = objectWith<FeatureExtractor>('a feature extractor {columns, settings, …}', {
  columns: kind('a list', Array.isArray),
  passSize: number,
  extract: callback(),
});
