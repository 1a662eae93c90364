/** Pictures of some of a table's images, for people to look at. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { encodePng, type RgbImage } from '../data/decode.js';
import { DinoSegError } from '../errors.js';
import { atomicWriteFile } from '../files.js';
import { withLines } from './annotation.js';
import type { FeatureExtractor, ImageFeatures } from './extractor.js';
import type { ImageEntry } from '../images/images-of-paths.js';
import { filesOf } from './table-files.js';

/** Percentages that are named. */
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

/** Which images get a picture, and where it goes. */
export class Overlays {
  readonly #places: ReadonlySet<number>;

  /**
   * Pictures of so many images, spread evenly over all; 0: none.
   *
   * @throws DinoSegError INVALID_ARGUMENT where the extractor cannot draw.
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
      throw new DinoSegError('INVALID_ARGUMENT', 'These features have no pictures: leave --visualize out.');
  }

  /** `000012-name.png`: the place in the list, and what of the id a file's name may hold. */
  #path(place: number): string {
    const stem = this.entries[place]!.id.replace(/\.\w{1,5}$/, '');
    const readable = stem.replaceAll(/[^\p{L}\p{N}._-]+/gu, '_').slice(-80);
    return join(filesOf(this.output).overlays, `${String(place).padStart(6, '0')}-${readable}.png`);
  }

  /** Whether an image is to get a picture that is not there. */
  lacks(place: number): boolean {
    return this.#places.has(place) && !existsSync(this.#path(place));
  }

  /** Writes an image's picture with its largest percentages below it, if it is to get one. @throws DinoSegError DISK_FULL, IO, and what drawing throws */
  async write(place: number, image: RgbImage, features: ImageFeatures): Promise<void> {
    if (!this.#places.has(place)) return;
    const drawn = await this.extractor.overlay!(image, features);
    const { data, width, height } = await withLines(drawn, largestPercentages(this.extractor, features));
    await atomicWriteFile(this.#path(place), await encodePng(data, width, height, 3));
  }
}
