/** How an extractor reads images: at which size their pixels are counted, and as views of panoramas. */
import { checkArgument, number, type OptionKinds } from '../arguments.js';
import { checkedMaxPixels } from '../data/budget.js';
import type { RgbImage } from '../data/decode.js';
import { decodeReduced, type ReducedImage } from '../data/decode-reduced.js';
import { DinoSegError } from '../errors.js';
import { imageListKind, type ImageList } from '../images/images-of-paths.js';
import {
  panoramaKind,
  panoramaRowsKind,
  panoramaViewsOf,
  viewName,
  ViewReader,
  type PanoramaOptions,
  type PanoramaRows,
} from '../model/panorama.js';
import type { FeatureColumn, FeatureExtractor, ImageFeatures } from './extractor.js';

/** Options of reading images for a table. */
export interface ReadingOptions {
  /**
   * Megapixels at which the pixels of an image are counted: larger images are reduced as they are decoded, which takes less time and
   * memory. Default 4.
   */
  countSize?: number;
  /** Maximum number of pixels of an image; larger ones fail before they are decoded. Default 268,402,689 (0x3FFF²). */
  maxPixels?: number;
  /** All images are equirectangular panoramas: features are those of perspective views of them. */
  panorama?: PanoramaOptions;
  /**
   * Rows of a table of panoramas. `view` (default): one for each view; list them with {@link listPanoramaViews}. `mean`: one for each
   * panorama, with the means of percentages and the sums of counts over its views.
   */
  panoramaRows?: PanoramaRows;
}

/** The kinds of {@link ReadingOptions}. */
export const readingOptions: OptionKinds<ReadingOptions> = {
  countSize: number,
  maxPixels: number,
  panorama: panoramaKind,
  panoramaRows: panoramaRowsKind,
};

const defaultMegapixels = 4;

/**
 * Lists the views of panoramas, for a table with a row for each. A view's id is that of its panorama, `#` and where it looks:
 * `square.jpg#yaw90_pitch0`.
 *
 * @throws DinoSegError INVALID_ARGUMENT
 */
export function listPanoramaViews(images: ImageList, panorama: PanoramaOptions): ImageList {
  checkArgument(images, imageListKind, 'listPanoramaViews(images)');
  checkArgument(panorama, panoramaKind, 'listPanoramaViews(panorama)');
  const views = panoramaViewsOf(panorama);
  const entries = images.entries.flatMap((entry) =>
    views.directions.map((_, view) => ({ ...entry, id: `${entry.id}#${viewName(views, view)}`, view })),
  );
  return { ...images, entries };
}

/** An extractor that reads images as the options say. @throws DinoSegError INVALID_ARGUMENT */
export function readingImages(extractor: FeatureExtractor, options: ReadingOptions): FeatureExtractor {
  const { countSize = defaultMegapixels, panorama, panoramaRows } = options;
  const maxPixels = checkedMaxPixels(options.maxPixels);
  // Which images fail depends on it.
  const limit = options.maxPixels === undefined ? {} : { maxPixels };
  if (!(countSize > 0))
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `countSize should be a number of megapixels above 0, not ${countSize}.`,
    );
  if (!panorama && panoramaRows !== undefined)
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      'panoramaRows needs panorama: how views are made of panoramas.',
    );
  const pixels = Math.round(countSize * 1e6);
  if (!panorama)
    return new ReadingExtractor(extractor, { countSize, ...limit }, (path) =>
      decodeReduced(path, pixels, { maxPixels }),
    );
  const views = panoramaViewsOf(panorama);
  const rows = panoramaRows ?? 'view';
  const reader = new ViewReader(views, extractor.device ?? 'cpu', maxPixels);
  const settings = { panorama: { ...views, rows }, ...limit };
  if (rows === 'mean') return new MeanOfViews(extractor, settings, reader);
  const readView = async (path: string, view?: number) => {
    if (view !== undefined) return reader.one(path, view);
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      'These features are those of views of panoramas: list the views with listPanoramaViews().',
    );
  };
  return new ReadingExtractor(extractor, settings, readView, views.directions.length);
}

/** Another extractor with images of its own. */
class ReadingExtractor implements FeatureExtractor {
  readonly settings: Record<string, unknown>;

  constructor(
    protected readonly of: FeatureExtractor,
    settings: Record<string, unknown>,
    readonly readImage: (path: string, view?: number) => Promise<RgbImage | ReducedImage>,
    readonly readTogether = 1,
  ) {
    this.settings = { ...of.settings, reading: settings };
  }

  get columns(): readonly FeatureColumn[] {
    return this.of.columns;
  }

  get device(): string {
    return this.of.device ?? 'cpu';
  }

  get devices(): readonly string[] {
    return this.of.devices ?? [this.device];
  }

  get passSize(): number {
    return this.of.passSize;
  }

  get concurrency(): number {
    return this.of.concurrency ?? 1;
  }

  get isIndependent(): boolean {
    return this.of.isIndependent ?? false;
  }

  get runAgain(): number {
    return this.of.runAgain ?? 0;
  }

  extract(images: readonly RgbImage[], options: { signal?: AbortSignal }): Promise<ImageFeatures[]> {
    return this.of.extract(images, options);
  }

  async overlay(image: RgbImage, features: ImageFeatures): Promise<RgbImage> {
    return (await this.of.overlay?.(image, features)) ?? image;
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.of[Symbol.asyncDispose]();
  }
}

/** Features of panoramas: means of percentages and sums of counts over their views. */
class MeanOfViews extends ReadingExtractor {
  constructor(
    of: FeatureExtractor,
    settings: Record<string, unknown>,
    private readonly reader: ViewReader,
  ) {
    super(of, settings, (path) => reader.panorama(path));
  }

  override get passSize(): number {
    return Math.max(1, Math.floor(this.of.passSize / this.#count));
  }

  get #count(): number {
    return this.reader.views.directions.length;
  }

  override async extract(
    panoramas: readonly RgbImage[],
    options: { signal?: AbortSignal },
  ): Promise<ImageFeatures[]> {
    const views: RgbImage[] = [];
    for (const panorama of panoramas) views.push(...(await this.reader.viewsOf(panorama)));
    const found: ImageFeatures[] = [];
    const { passSize } = this.of;
    for (let first = 0; first < views.length; first += passSize)
      found.push(...(await this.of.extract(views.slice(first, first + passSize), options)));
    return panoramas.map((_, i) => this.#together(found.slice(i * this.#count, (i + 1) * this.#count)));
  }

  /** Boxes are in views, so that there are none of a panorama. */
  #together(views: readonly ImageFeatures[]): ImageFeatures {
    const values = this.columns.map(({ kind }, column) => {
      const sum = views.reduce((total, { values }) => total + values[column]!, 0);
      return kind === 'percent' ? sum / views.length : sum;
    });
    return { values };
  }
}
