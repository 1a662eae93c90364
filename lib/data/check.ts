/** Checks every file of a folder of labelled images before training. */
import { checkArgument, checkOptions, text } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { usableCores } from '../native/cores.js';
import { engine } from '../native/engine.js';
import { jobOptions, type JobOptions } from '../native/job.js';
import { classSetKind, layoutOptions } from './argument-kinds.js';
import { warningsOf, type DataWarning } from './check-warnings.js';
import type { ClassSet, LabelKind, LabelMapping, UnknownLabels } from './class-set.js';
import { checkedMaxPixels } from './budget.js';
import { decodeImage, type LabelImage } from './decode.js';
import type { Layout, LayoutName, LayoutOptions, Pair } from './layout.js';
import { digestOfFile } from './file-digest.js';
import { findSplit, openLayout, splitsOf } from './layouts/open-layout.js';
import { wholeSplit } from './layouts/source.js';
import { ObjectTally } from './object-counts.js';
import { prefetch } from './prefetch.js';
import { readLabel, type ReadLabel } from './read-label.js';
import type { SplitCheck } from './split-check.js';

/** Kinds of faults in data. */
export const faultKinds = [
  'split',
  'unpaired',
  'unreadable',
  'misshapen',
  'unknown-value',
  'unknown-label',
  'duplicate',
] as const;
/**
 * One of {@link faultKinds}. `split`: a split whose pairs cannot be determined; `misshapen`: a label image whose
 * size differs from its image's, or which has several channels; `unknown-value`: label values that the class set
 * does not have; `unknown-label`: objects of polygons with labels that it does not have, if these are refused; `duplicate`: an image with the same bytes as one of another split.
 */
export type FaultKind = (typeof faultKinds)[number];

/** A value of label images, with its number of pixels. */
export interface ValueCount {
  /** Value as stored in the file. */
  readonly value: number;
  /** Number of pixels with this value. */
  readonly pixels: number;
}

/** A split that was not read. */
export interface SkippedSplit {
  /** Its name. */
  readonly split: string;
  /** What was missing. */
  readonly message: string;
}

/** A fault in the data. */
export interface DataFault {
  /** Kind of the fault. */
  readonly kind: FaultKind;
  /** Split in which it was found. */
  readonly split: string;
  /** File with the fault, or the data folder. */
  readonly path: string;
  /** Description: what was expected and what was found. */
  readonly message: string;
  /** For unknown values: each value with its number of pixels, in ascending order. */
  readonly values?: readonly ValueCount[];
}

/** Result of {@link checkData}. */
export interface DataCheck {
  /** The folder or list. */
  readonly data: string;
  /** Layout of the data. */
  readonly layout: LayoutName;
  /** Name of the class set that labels were mapped to. */
  readonly classes: string;
  /** Kind of label files of the first split with pairs; null if there is none. */
  readonly labelKind: LabelKind | null;
  /** Splits that were read, sorted by name. */
  readonly splits: readonly SplitCheck[];
  /** Splits without labels that training does not use, such as published test splits. */
  readonly skipped: readonly SkippedSplit[];
  /** Faults by split, kind and path. If there are none, training can begin. */
  readonly faults: readonly DataFault[];
  /** What may be a mistake and is no fault, by split. */
  readonly warnings: readonly DataWarning[];
}

const trained = [wholeSplit, 'train', 'val'];
const byteValues = 256;
const shownValues = 8;

/** Pixels by value; values above 255 only where they occur. */
async function countValues({ data, width, height }: LabelImage): Promise<Map<number, number>> {
  const counts = new Map<number, number>();
  if (data instanceof Uint16Array) {
    // No label that can be trained on has such values: the engine has no use for them.
    for (const value of data) counts.set(value, (counts.get(value) ?? 0) + 1);
    return counts;
  }
  const pixels = await engine().labelShares({ data, width, height, channels: 1 }, byteValues - 1);
  pixels.forEach((count, value) => count > 0 && counts.set(value, count));
  return counts;
}

/** An image and its label, looked at. */
interface Examined {
  pair: Pair;
  /** Of the image's bytes; null where it cannot be read. */
  digest: string | null;
  values: Map<number, number>;
  /** Undefined where the label cannot be read. */
  label?: ReadLabel;
  faults: Omit<DataFault, 'split'>[];
}

async function orFault<T>(work: Promise<T>): Promise<T | DinoSegError> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof DinoSegError) return error;
    throw error;
  }
}

/** A label file that is an image but not a label image is misshapen; one that is not an image is unreadable. */
async function labelFault(
  path: string,
  { message }: DinoSegError,
  maxPixels: number | undefined,
): Promise<Omit<DataFault, 'split'>> {
  const isImage = !((await orFault(decodeImage(path, { maxPixels }))) instanceof DinoSegError);
  return { kind: isImage ? 'misshapen' : 'unreadable', path, message };
}

function unknownValues(
  path: string,
  values: ReadonlyMap<number, number>,
  { known, kind }: LabelMapping,
  setName: string,
): Omit<DataFault, 'split'>[] {
  const unknown = [...values]
    .filter(([value]) => !known[value])
    .sort(([a], [b]) => a - b)
    .map(([value, pixels]) => ({ value, pixels }));
  if (unknown.length === 0) return [];
  const listed = unknown.slice(0, shownValues).map(({ value, pixels }) => `${value} (${pixels} pixels)`);
  const more = unknown.length > shownValues ? ` and ${unknown.length - shownValues} more values` : '';
  const message = `It contains values that "${setName}" does not define for ${kind} files: ${listed.join(', ')}${more}.`;
  return [{ kind: 'unknown-value', path, message, values: unknown }];
}

/** What the labels of a folder are read with. */
interface Reading {
  classSet: ClassSet;
  mapping: LabelMapping;
  unknown: UnknownLabels | undefined;
  maxPixels: number | undefined;
}

async function examine(pair: Pair, { classSet, mapping, unknown, maxPixels }: Reading): Promise<Examined> {
  const [digest, image, label] = await Promise.all([
    orFault(digestOfFile(pair.image)),
    orFault(decodeImage(pair.image, { maxPixels })),
    orFault(readLabel(pair.label, classSet, mapping, { maxPixels })),
  ]);
  const found: Examined = {
    pair,
    digest: digest instanceof DinoSegError ? null : digest,
    values: new Map(),
    faults: [],
  };
  if (image instanceof DinoSegError)
    found.faults.push({ kind: 'unreadable', path: pair.image, message: image.message });
  if (label instanceof DinoSegError) {
    found.faults.push(await labelFault(pair.label, label, maxPixels));
    return found;
  }
  const { raw, objects } = label;
  if (!(image instanceof DinoSegError) && (image.width !== raw.width || image.height !== raw.height))
    found.faults.push({
      kind: 'misshapen',
      path: pair.label,
      message:
        `It is ${raw.height}×${raw.width} (height × width), but its image ${pair.image} is ` +
        `${image.height}×${image.width}.`,
    });
  found.label = label;
  found.values = await countValues(raw);
  found.faults.push(...unknownValues(pair.label, found.values, label.mapping, classSet.name));
  if (unknown === 'refuse' && objects && objects.unknown.size > 0)
    found.faults.push({
      kind: 'unknown-label',
      path: pair.label,
      message: `It has objects with labels that "${classSet.name}" does not have: ${[...objects.unknown.keys()].join(', ')}.`,
    });
  return found;
}

/** Gathers the labels of a split. */
class SplitTally {
  #ignored = 0;
  #ignoredByDefault = 0;
  readonly #objects = new ObjectTally();
  readonly #pixels: Float64Array;
  readonly #images: Float64Array;

  constructor(
    private readonly split: string,
    private readonly layout: Layout,
    private readonly classSet: ClassSet,
  ) {
    this.#pixels = new Float64Array(classSet.classes.length);
    this.#images = new Float64Array(classSet.classes.length);
  }

  add({ pair, values, label }: Examined): void {
    if (label === undefined) return;
    if (label.objects) this.#objects.add(pair.label, label.objects);
    const { toIndex, known, ignoredByDefault = [] } = label.mapping;
    const present = new Set<number>();
    for (const [value, pixels] of values) {
      if (!known[value]) continue;
      const index = toIndex[value]!;
      if (index === this.classSet.ignoreIndex) {
        this.#ignored += pixels;
        if (ignoredByDefault.includes(value)) this.#ignoredByDefault += pixels;
      } else {
        this.#pixels[index]! += pixels;
        present.add(index);
      }
    }
    for (const index of present) this.#images[index]!++;
  }

  result(): SplitCheck {
    const total = this.#pixels.reduce((sum, pixels) => sum + pixels, 0);
    return {
      split: this.split,
      pairs: this.layout.pairs.length,
      leftOut: this.layout.leftOut,
      pixels: total,
      ignoredPixels: this.#ignored,
      ignoredByDefault: this.#ignoredByDefault,
      ...this.#objects.counts(),
      classes: this.classSet.classes.map(({ index, name }) => ({
        index,
        name,
        pixels: this.#pixels[index]!,
        share: total > 0 ? this.#pixels[index]! / total : null,
        images: this.#images[index]!,
      })),
    };
  }
}

/**
 * Reads every image and label of a folder: counts pairs, classes and pixels, and reports what would make training
 * fail (see {@link FaultKind}).
 *
 * @param root the data folder, or a list of pairs.
 * @param options how the data is read; `signal` stops between two images, `onProgress` receives images done.
 * @throws DinoSegError DATASET if no layout matches, or the class set does not support the kind of label; IO; the
 *   signal's reason.
 */
export async function checkData(
  root: string,
  classSet: ClassSet,
  options: LayoutOptions & JobOptions = {},
): Promise<DataCheck> {
  checkArgument(root, text, 'checkData(root)');
  checkArgument(classSet, classSetKind, 'checkData(classSet)');
  checkOptions(options, { ...layoutOptions, ...jobOptions }, 'checkData()');
  const { signal, onProgress, unknown, maxPixels } = options;
  checkedMaxPixels(maxPixels);
  const source = await openLayout(root, classSet, options);
  const faults: DataFault[] = [];
  const skipped: SkippedSplit[] = [];
  const layouts = new Map<string, Layout>();
  const names = splitsOf(source, options);
  for (const split of names.length > 0 ? names : ['train']) {
    const layout = await orFault(findSplit(source, split, options, root));
    if (!(layout instanceof DinoSegError)) layouts.set(split, layout);
    else if (trained.includes(split))
      faults.push({ kind: 'split', split, path: root, message: layout.message });
    else skipped.push({ split, message: layout.message });
  }
  const total = [...layouts.values()].reduce((sum, { pairs }) => sum + pairs.length, 0);
  let done = 0;
  const seen = new Map<string, { split: string; path: string }>();
  const splits: SplitCheck[] = [];
  const concurrency = Math.min(4, usableCores());
  for (const [split, layout] of layouts) {
    const mapping = classSet.mappings.find(({ kind }) => kind === layout.labelKind)!;
    const tally = new SplitTally(split, layout, classSet);
    const found: DataFault[] = unpairedFaults(split, layout);
    const load = (pair: Pair) => examine(pair, { classSet, mapping, unknown, maxPixels });
    const bytesOf = ({ label }: Examined) => label?.raw.data.byteLength ?? 0;
    const ahead = { ahead: 2 * concurrency, concurrency, signal, bytesOf };
    for await (const examined of prefetch(layout.pairs, load, ahead)) {
      tally.add(examined);
      found.push(...examined.faults.map((fault) => ({ split, ...fault })));
      found.push(...duplicates(split, examined, seen));
      onProgress?.(++done, total);
    }
    faults.push(...sorted(found));
    splits.push(tally.result());
  }
  const labelKind = [...layouts.values()][0]?.labelKind ?? null;
  const warnings = splits.flatMap(warningsOf);
  const { layout } = source;
  return { data: root, layout, classes: classSet.name, labelKind, splits, skipped, faults, warnings };
}

function unpairedFaults(split: string, { alone, labelKind }: Layout): DataFault[] {
  const kind = 'unpaired' as const;
  return [
    ...alone.images.map((path) => ({ kind, split, path, message: `It has no label image (${labelKind}).` })),
    ...alone.labels.map((path) => ({ kind, split, path, message: 'It has no image.' })),
  ];
}

/** Images whose bytes also occur in another split: training on one would leak into the evaluation of the other. */
function duplicates(
  split: string,
  { digest, pair }: Examined,
  seen: Map<string, { split: string; path: string }>,
): DataFault[] {
  if (digest === null) return [];
  const before = seen.get(digest);
  if (before === undefined) seen.set(digest, { split, path: pair.image });
  if (before === undefined || before.split === split) return [];
  const message = `It has the same bytes as ${before.path} in the split "${before.split}".`;
  return [{ kind: 'duplicate', split, path: pair.image, message }];
}

function sorted(faults: DataFault[]): DataFault[] {
  const order = (kind: FaultKind) => faultKinds.indexOf(kind);
  return faults.sort((a, b) => order(a.kind) - order(b.kind));
}
