/** A split of labelled images, for training and evaluation. */
import { checkArgument, checkOptions, instanceOf, text } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { leftOutText, type LeftOut } from '../images/left-out.js';
import { classSetKind, layoutOptions } from './argument-kinds.js';
import type { ClassSet, LabelKind, LabelMapping, UnknownLabels } from './class-set.js';
import { checkedMaxPixels } from './budget.js';
import { decodeImage } from './decode.js';
import type { RgbImage } from './decode.js';
import type { Layout, LayoutOptions, Pair, Unpaired } from './layout.js';
import { findSplit, openLayout } from './layouts/open-layout.js';
import { mapLabel, type MappedLabel } from './map-label.js';
import { ObjectTally, type ObjectCounts } from './object-counts.js';
import { readLabel } from './read-label.js';

/** An image with its mapped label, both at the image's own size. */
export interface Sample {
  /** The decoded image. */
  readonly image: RgbImage;
  /** Label of the image, with raw values mapped to the class set. */
  readonly label: MappedLabel;
  /** {@link Pair.name} */
  readonly name: string;
  /** Path of the image file. */
  readonly path: string;
}

/** A split of labelled images, mapped to a class set. */
export class SegmentationDataset {
  readonly #objects = new ObjectTally();

  private constructor(
    /** The class set that labels are mapped to. */
    readonly classSet: ClassSet,
    /** Pairs of image and label files, sorted by name: the same order on every machine. */
    readonly pairs: readonly Pair[],
    /** Images that were left out because they have no label. */
    readonly unpaired: Unpaired,
    /** Kind of the label files. */
    readonly labelKind: LabelKind,
    /** How objects of polygons with an unknown label are treated. */
    readonly unknown: UnknownLabels,
    private readonly mapping: LabelMapping,
    /** Maximum number of pixels of images and labels; undefined: the default of {@link decodeImage}. */
    readonly maxPixels: number | undefined,
    /** What lies beside the images and is none, and further links to images. */
    readonly leftOut: LeftOut,
  ) {}

  /**
   * Lists the files of a split without decoding them.
   *
   * @param root the data folder, in any of the layouts of docs/data.md, or a list of pairs.
   * @param split `train`, `val`, or another existing split; `all` if there are no splits.
   * @throws DinoSegError DATASET if the folder has another layout or no pairs; FILE_NOT_FOUND, IO
   */
  static async open(
    root: string,
    split: string,
    classSet: ClassSet,
    options: LayoutOptions = {},
  ): Promise<SegmentationDataset> {
    checkArgument(root, text, 'SegmentationDataset.open(root)');
    checkArgument(split, text, 'SegmentationDataset.open(split)');
    checkArgument(classSet, classSetKind, 'SegmentationDataset.open(classSet)');
    checkOptions(options, layoutOptions, 'SegmentationDataset.open()');
    const source = await openLayout(root, classSet, options);
    checkedMaxPixels(options.maxPixels);
    return SegmentationDataset.of(await findSplit(source, split, options, root), classSet, options);
  }

  /** The pairs of a layout. @internal */
  static of(
    { pairs, unpaired, labelKind, leftOut }: Layout,
    classSet: ClassSet,
    { unknown = 'ignore', maxPixels }: Pick<LayoutOptions, 'unknown' | 'maxPixels'> = {},
  ): SegmentationDataset {
    const mapping = classSet.mappings.find(({ kind }) => kind === labelKind);
    if (!mapping) throw new DinoSegError('INTERNAL', `${classSet.name} has no mapping for ${labelKind}`);
    return new SegmentationDataset(
      classSet,
      pairs,
      unpaired,
      labelKind,
      unknown,
      mapping,
      maxPixels,
      leftOut,
    );
  }

  /** Number of images with a label. */
  get length(): number {
    return this.pairs.length;
  }

  /**
   * Decodes a pair.
   *
   * @param index from 0, in the order of {@link pairs}.
   * @throws DinoSegError IMAGE, LABEL_SIZE, LABEL_VALUE, FILE_NOT_FOUND, IO; DATASET for invalid polygons;
   *   INVALID_ARGUMENT for an index out of range
   */
  async load(index: number): Promise<Sample> {
    const pair = this.#pairAt(index);
    const { maxPixels } = this;
    const [image, label] = await Promise.all([decodeImage(pair.image, { maxPixels }), this.loadLabel(index)]);
    if (image.width !== label.width || image.height !== label.height)
      throw new DinoSegError(
        'LABEL_SIZE',
        `${pair.label} is ${label.height}×${label.width} (height × width), but its image ${pair.image} is ` +
          `${image.height}×${image.width}. A label image must have the same size as its image.`,
      );
    return { image, label, name: pair.name, path: pair.image };
  }

  /**
   * Decodes the label of a pair alone.
   *
   * @param index from 0, in the order of {@link pairs}.
   * @throws DinoSegError as {@link load}, except LABEL_SIZE
   */
  async loadLabel(index: number): Promise<MappedLabel> {
    const { label: path } = this.#pairAt(index);
    const { raw, mapping, objects } = await readLabel(path, this.classSet, this.mapping, this);
    if (objects) this.#objects.add(path, objects);
    return mapLabel(raw, mapping, path, this.classSet.name);
  }

  /** {@link leftOut} in words, such as `37 .heic, 4 .txt`; undefined if nothing was left out. */
  get leftOutText(): string | undefined {
    return leftOutText(this.leftOut);
  }

  /** Odd objects of the polygons that were read so far: what was skipped, and labels without a class. */
  get objectCounts(): ObjectCounts {
    return this.#objects.counts();
  }

  #pairAt(index: number): Pair {
    const pair = this.pairs[index];
    if (pair) return pair;
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `The data set has samples 0 to ${this.length - 1}, but sample ${index} was requested.`,
    );
  }
}

export const datasetKind = instanceOf('a SegmentationDataset', () => SegmentationDataset);
