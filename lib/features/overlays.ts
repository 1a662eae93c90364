/** Overlay pictures of some of a table's images, for viewing. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { encodePng, type RgbImage } from '../data/decode.js';
import { DinoSegError } from '../errors.js';
import { atomicWriteFile } from '../files.js';
import { withLines } from './annotation.js';
import type { FeatureExtractor, ImageFeatures } from './extractor.js';
import type { ImageEntry } from '../images/images-of-paths.js';
import { filesOf } from './table-files.js';

/** Number of percentages in a caption. */
const named = 5;

/** The largest percentages above 0 of an image, the largest first: `seg_vit_road 34.2 %`. */
export function largestPercentages(
  { columns }: Pick<FeatureExtractor, 'columns'>,
  { values }: ImageFeatures,
): string[] {
  return columns
    .map(({ name, kind }, i) => ({ name, kind, value: values[i]! }))
    .filter(({ kind, value }) => kind === 'percent' && value > 0)
    .sort((a, b) => b.value - a.value)
    .slice(0, named)
    .map(({ name, value }) => `${name} ${value.toFixed(1)} %`);
}

/** Chooses the images that get an overlay picture, and the picture's path. */
export class Overlays {
  readonly #places: ReadonlySet<number>;

  /**
   * Overlay pictures of a number of images, spread evenly over the table; 0: none.
   *
   * @throws DinoSegError INVALID_ARGUMENT if the extractor cannot draw.
   */
  constructor(
    private readonly output: string,
    private readonly entries: readonly ImageEntry[],
    private readonly extractor: FeatureExtractor,
    count: number,
  ) {
    const most = Math.min(count, entries.length);
    this.#places = new Set(Array.from({ length: most }, (_, i) => Math.floor((i * entries.length) / most)));
    if (most > 0 && !extractor.overlay)
      throw new DinoSegError(
        'INVALID_ARGUMENT',
        'These features have no overlay pictures: leave out --visualize.',
      );
  }

  /** `000012-name.png`: the position in the list, and the characters of the id that a file name may contain. */
  #path(place: number): string {
    const stem = this.entries[place]!.id.replace(/\.\w{1,5}$/, '');
    const readable = stem.replaceAll(/[^\p{L}\p{N}._-]+/gu, '_').slice(-80);
    return join(filesOf(this.output).overlays, `${String(place).padStart(6, '0')}-${readable}.png`);
  }

  /** Whether an image should get a picture that does not exist yet. */
  lacks(place: number): boolean {
    return this.#places.has(place) && !existsSync(this.#path(place));
  }

  /**
   * Writes an image's picture with its largest percentages below it, if it should get one. @throws DinoSegError
   * DISK_FULL, IO, and what drawing throws
   */
  async write(place: number, image: RgbImage, features: ImageFeatures): Promise<void> {
    if (!this.#places.has(place)) return;
    const drawn = await this.extractor.overlay!(image, features);
    const { data, width, height } = await withLines(drawn, largestPercentages(this.extractor, features));
    await atomicWriteFile(this.#path(place), await encodePng(data, width, height, 3));
  }
}
