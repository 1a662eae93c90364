/** The images of a comparison: files, or a split of labelled images. */
import { needed, text, type OptionKinds } from '../arguments.js';
import { layoutOptions } from '../data/argument-kinds.js';
import type { ClassSet } from '../data/class-set.js';
import { SegmentationDataset } from '../data/dataset.js';
import { decodeImage } from '../data/decode.js';
import type { LayoutOptions } from '../data/layout.js';
import { objectSentences } from '../data/object-counts.js';
import { groupsOf, pixelBytes, prefetch } from '../data/prefetch.js';
import { DinoSegError } from '../errors.js';
import { leftOutText } from '../images/left-out.js';
import { listImages } from '../images/list-images.js';
import type { SeenImage } from '../model/each-image.js';
import { aheadOf } from '../model/load-batch.js';
import type { CompareOptions } from './compare-options.js';

/** Labelled images: a split of a data set, as {@link SegmentationDataset.open} takes it. */
export interface LabelledImages extends LayoutOptions {
  /** Folder of labelled images in any of the layouts of docs/data.md, or a list of pairs. */
  data: string;
  /** `train`, `val`, or another existing split; `all` if there are no splits. */
  split: string;
}

export const labelledImagesOptions: OptionKinds<LabelledImages> = {
  data: needed(text),
  split: needed(text),
  ...layoutOptions,
};

/** An image that both sides see. */
export interface ComparedImage extends SeenImage {
  /** In the source, from 0. */
  place: number;
  /** Of a file its path, of a data set's image {@link Pair.name}. */
  name: string;
}

/** One image that could not be read. */
export interface UnreadImage {
  /** Path of the image. */
  image: string;
  /** The error: FILE_NOT_FOUND, IMAGE or IO. */
  error: DinoSegError;
}

/** Images by their places. */
export class ImageSource {
  /** Files that could not be read so far. */
  readonly failed: UnreadImage[] = [];
  readonly #unread = new Set<number>();

  private constructor(
    readonly names: readonly string[],
    /** Images without a label may fail one by one, those of a data set may not. */
    readonly labelled: boolean,
    readonly load: (place: number) => Promise<ComparedImage>,
    /** Sentences about odd objects of polygons that were read so far. */
    readonly warnings: () => string[] = () => [],
  ) {}

  /** @throws DinoSegError as {@link listImages} or {@link SegmentationDataset.open} */
  static async open(
    images: readonly string[] | LabelledImages,
    classSet: ClassSet,
    { maxPixels, onLog }: Pick<CompareOptions, 'maxPixels' | 'onLog'>,
  ): Promise<ImageSource> {
    if ('data' in images) {
      const { data, split, ...reading } = images;
      const dataset = await SegmentationDataset.open(data, split, classSet, reading);
      if (dataset.leftOutText !== undefined) onLog?.(`left out: ${dataset.leftOutText}`);
      const names = dataset.pairs.map(({ name }) => name);
      const load = async (place: number) => ({ place, ...(await dataset.load(place)) });
      return new ImageSource(names, true, load, () => objectSentences(dataset.objectCounts));
    }
    const { paths, leftOut } = await listImages(images);
    const beside = leftOutText(leftOut);
    if (beside !== undefined) onLog?.(`left out: ${beside}`);
    const load = async (place: number) => {
      const name = paths[place]!;
      return { place, name, image: await decodeImage(name, { maxPixels }) };
    };
    return new ImageSource(paths, false, load);
  }

  /** Of all images. */
  get places(): readonly number[] {
    return [...this.names.keys()];
  }

  /**
   * Groups of images for passes, loaded ahead. Files that cannot be read are left out and kept in {@link failed}; a second walk does
   * not try them again, and has the same groups.
   *
   * @throws DinoSegError of a labelled image that cannot be read; the signal's reason.
   */
  async *groups({
    size,
    devices,
    signal,
  }: {
    size: number;
    devices: number;
    signal: AbortSignal | undefined;
  }): AsyncGenerator<ComparedImage[], void, void> {
    const loadGroup = (group: number[]) =>
      Promise.all(group.filter((place) => !this.#unread.has(place)).map((place) => this.#loadOrError(place)));
    const ahead = aheadOf(imagesAhead, size, devices);
    const bytesOf = (group: Awaited<ReturnType<typeof loadGroup>>) =>
      group.reduce((sum, one) => sum + ('image' in one ? pixelBytes(one.image) : 0), 0);
    const options = { ...ahead, signal, bytesOf };
    for await (const loaded of prefetch(groupsOf(this.places, size), loadGroup, options)) {
      for (const { place, error } of loaded.filter((one) => 'error' in one)) {
        this.#unread.add(place);
        this.failed.push({ image: this.names[place]!, error });
      }
      const read = loaded.filter((one) => 'image' in one);
      if (read.length > 0) yield read;
    }
  }

  async #loadOrError(place: number): Promise<ComparedImage | { place: number; error: DinoSegError }> {
    try {
      return await this.load(place);
    } catch (error) {
      if (this.labelled || !(error instanceof DinoSegError)) throw error;
      return { place, error };
    }
  }
}

/** Images prepared ahead of the network, at least those of one pass. */
const imagesAhead = 4;
