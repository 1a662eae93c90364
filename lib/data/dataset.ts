import { checkArgument, checkOptions, text } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { classSetKind, layoutOptions } from './argument-kinds.js';
import type { ClassSet, LabelKind, LabelMapping } from './class-set.js';
import { decodeImage, decodeLabel } from './decode.js';
import type { LabelImage, RgbImage } from './decode.js';
import type { Layout, LayoutOptions, Pair, Unpaired } from './layout.js';
import { findSplit, openLayout } from './layouts/open-layout.js';
import { decodePolygons } from './polygons.js';

/** The class of every pixel of a labelled image. */
export interface MappedLabel {
  /** Class indices H×W, row by row; 255 where a pixel has none. */
  readonly data: Uint8Array;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
}

/** An image with its mapped label, both at the image's own size. */
export interface Sample {
  /** The decoded image. */
  readonly image: RgbImage;
  /** Its label, raw values mapped to the class set. */
  readonly label: MappedLabel;
  /** {@link Pair.name} */
  readonly name: string;
  /** The image file. */
  readonly path: string;
}

const shownValues = 8;

function listKnown({ known }: LabelMapping): string {
  const ranges: string[] = [];
  for (let from = 0; from < 256; from++) {
    if (!known[from]) continue;
    let to = from;
    while (known[to + 1]) to++;
    ranges.push(from === to ? `${from}` : `${from}…${to}`);
    from = to;
  }
  return ranges.join(', ');
}

function refuseValues(raw: LabelImage, mapping: LabelMapping, source: string, setName: string): never {
  const counts = new Map<number, number>();
  let first = -1;
  raw.data.forEach((value, i) => {
    if (mapping.known[value]) return;
    if (first < 0) first = i;
    counts.set(value, (counts.get(value) ?? 0) + 1);
  });
  const sorted = [...counts].sort(([a], [b]) => a - b);
  const listed = sorted.slice(0, shownValues).map(([value, count]) => `${value} (${count} pixels)`);
  const more = sorted.length > shownValues ? ` and ${sorted.length - shownValues} more values` : '';
  throw new DinoSegError(
    'LABEL_VALUE',
    `${source} holds values outside the class set "${setName}": ${listed.join(', ')}${more}; the first, ` +
      `${raw.data[first]}, at x ${first % raw.width}, y ${Math.floor(first / raw.width)}. ` +
      `In ${mapping.kind} files it knows ${listKnown(mapping)}. Choose the class set or kind of label file that ` +
      'fits, or give a class file whose "mapping" or "ignore" names these values.',
  );
}

/**
 * Raw label values to class indices.
 * @param source what messages call the label
 * @throws LABEL_VALUE where a value is unknown to the mapping
 */
export function mapLabel(
  raw: LabelImage,
  mapping: LabelMapping,
  source: string,
  setName: string,
): MappedLabel {
  const { data: values, width, height } = raw;
  const { toIndex, known } = mapping;
  const data = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!known[value]) refuseValues(raw, mapping, source, setName);
    data[i] = toIndex[value]!;
  }
  return { data, width, height };
}

/** The raw values of a label file. @throws DinoSegError as {@link SegmentationDataset.load} */
export function readLabel(path: string, kind: LabelKind): Promise<LabelImage> {
  return kind === 'polygons' ? decodePolygons(path) : decodeLabel(path);
}

/** A split of labelled images, seen through a class set. */
export class SegmentationDataset {
  private constructor(
    /** The classes that labels are mapped to. */
    readonly classSet: ClassSet,
    /** The files, sorted by name: the same order on every machine. */
    readonly pairs: readonly Pair[],
    /** Images left out because they have no label. */
    readonly unpaired: Unpaired,
    /** The kind of label file that is read. */
    readonly labelKind: LabelKind,
    private readonly mapping: LabelMapping,
  ) {}

  /**
   * Lists the files; none is decoded yet.
   *
   * @param root the data's folder, in any of the layouts of docs/data.md, or a list of pairs.
   * @param split `train`, `val`, or another one that is there; `all` where there are no splits.
   * @throws DinoSegError DATASET where the folder is laid out differently or holds no pairs; FILE_NOT_FOUND, IO
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
    return SegmentationDataset.of(await findSplit(source, split, options, root), classSet);
  }

  /** The pairs of a layout. @internal */
  static of({ pairs, unpaired, labelKind }: Layout, classSet: ClassSet): SegmentationDataset {
    const mapping = classSet.mappings.find(({ kind }) => kind === labelKind);
    if (!mapping) throw new DinoSegError('INTERNAL', `${classSet.name} has no mapping for ${labelKind}`);
    return new SegmentationDataset(classSet, pairs, unpaired, labelKind, mapping);
  }

  /** Images with a label. */
  get length(): number {
    return this.pairs.length;
  }

  /**
   * Decodes a pair.
   *
   * @param index from 0, in the order of {@link pairs}.
   * @throws DinoSegError IMAGE, LABEL_SIZE, LABEL_VALUE, FILE_NOT_FOUND, IO; DATASET for polygons that are faulty;
   *   INVALID_ARGUMENT for an index out of range
   */
  async load(index: number): Promise<Sample> {
    const pair = this.pairs[index];
    if (!pair)
      throw new DinoSegError(
        'INVALID_ARGUMENT',
        `The data set has samples 0 to ${this.length - 1}, but sample ${index} was asked for.`,
      );
    const [image, raw] = await Promise.all([decodeImage(pair.image), readLabel(pair.label, this.labelKind)]);
    if (image.width !== raw.width || image.height !== raw.height)
      throw new DinoSegError(
        'LABEL_SIZE',
        `${pair.label} is ${raw.height}×${raw.width} (height × width), but its image ${pair.image} is ` +
          `${image.height}×${image.width}. A label image must have its image's size.`,
      );
    const label = mapLabel(raw, this.mapping, pair.label, this.classSet.name);
    return { image, label, name: pair.name, path: pair.image };
  }
}
