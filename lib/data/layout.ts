import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DinoSegError } from '../errors.js';
import { compareNames, regularFilesBelow, walk, type FoundFile } from '../images/files-below.js';
import { LeftOutCounter, leftOutSentence, type LeftOut } from '../images/left-out.js';
import { imagesAmong } from '../images/list-images.js';
import { didYouMean } from '../nearest.js';
import { labelKinds } from './class-set.js';
import type { ClassSet, LabelKind, UnknownLabels } from './class-set.js';

/** An image with its label image. */
export interface Pair {
  /** `<sequence>/<frame>`, or the image's path in its folder without extension: unique within a split. */
  readonly name: string;
  /** Path of the image file. */
  readonly image: string;
  /** Path of the label file. */
  readonly label: string;
}

/** Images without a label of the chosen kind. */
export interface Unpaired {
  /** Number of images. */
  readonly count: number;
  /** The first few paths, sorted. */
  readonly first: readonly string[];
}

export interface Layout {
  /** Sorted by name, byte by byte: the same order on every machine. */
  readonly pairs: readonly Pair[];
  readonly unpaired: Unpaired;
  /** Paths of all images without a label, and of labels of that kind without an image, sorted. */
  readonly alone: { readonly images: readonly string[]; readonly labels: readonly string[] };
  readonly labelKind: LabelKind;
  /** What lies beside the images and is none, and further links to images of a pair. */
  readonly leftOut: LeftOut;
}

/** The supported layouts (docs/data.md). */
export const layoutNames = [
  ...(['cityscapes', 'folders', 'ade20k', 'list'] as const),
  ...(['idd-lite', 'bdd100k', 'vistas-1.2', 'vistas-2.0', 'acdc', 'kitti', 'pattern'] as const),
] as const;
/** One of {@link layoutNames}. */
export type LayoutName = (typeof layoutNames)[number];

/** Options for reading a data folder. */
export interface LayoutOptions {
  /** Kind of label files to use. Default: the first of the class set's kinds that has a pair. */
  labelKind?: LabelKind | undefined;
  /** Layout of the folder. Default: the only layout that matches. */
  layout?: LayoutName | undefined;
  /**
   * Pattern of the images' paths, from the data folder on, for folders of any other layout; with {@link labels}. It
   * contains `{name}`, and may contain `{split}`, `*`, `**` and choices such as `{jpg,png}` (docs/data.md).
   */
  images?: string | undefined;
  /** Pattern of the labels' paths, with the same `{name}` and `{split}`; `{kind}` stands for the kind of label file. */
  labels?: string | undefined;
  /** How to treat objects of polygons whose label the class set does not have. Default `ignore`: counted, drawn as 255. */
  unknown?: UnknownLabels | undefined;
  /**
   * Share (0…1) of the images to use as the split `val`, for data without this split. The choice depends on the
   * name of each image only: it is the same on every machine and does not change when images are added. Default:
   * none.
   */
  valShare?: number | undefined;
  /** Maximum number of pixels of an image or label; larger ones are refused before they are decoded. Default 268,402,689 (0x3FFF²). */
  maxPixels?: number | undefined;
}

/** The end of every message about data that fit no layout. */
export const waysOut =
  "Give patterns of the files' paths, such as --images 'images/{split}/**/{name}.jpg' --labels " +
  "'masks/{split}/**/{name}.png', or lists train.txt and val.txt with an image, a tab and its label on each line " +
  '(docs/data.md).';

const imagePattern = /^(.+)_leftImg8bit(?:\.[^./]+)?$/i;
const shownNames = 5;

/** @throws DATASET */
export function refuse(message: string): never {
  throw new DinoSegError('DATASET', message);
}

/** Whether a folder is there. */
export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

const inSequence = ({ name }: FoundFile): boolean => name.includes('/');
const isStray = (file: FoundFile): boolean => !inSequence(file);

/**
 * Pairs of which each image file occurs once, by its own name rather than by that of a link, and the number of the others.
 *
 * @param files of the images, in the order of a walk: links come last.
 */
export function eachFileOnce(
  pairs: readonly Pair[],
  files: readonly FoundFile[],
  folder: string,
): { pairs: Pair[]; repeated: number } {
  const byImage = new Map(pairs.map((pair) => [pair.image, pair]));
  const seen = new Set<string>();
  const dropped = new Set<Pair>();
  for (const { name, real } of files) {
    const pair = byImage.get(join(folder, name));
    if (pair === undefined || real === undefined) continue;
    if (seen.has(real)) dropped.add(pair);
    seen.add(real);
  }
  return { pairs: pairs.filter((pair) => !dropped.has(pair)), repeated: dropped.size };
}

/** How many, and the first of them. */
export function unpairedOf(alone: readonly string[]): Unpaired {
  return { count: alone.length, first: alone.slice(0, shownNames) };
}

async function requireFolder(path: string, root: string): Promise<void> {
  if (await isFolder(path)) return;
  const inside = (await isFolder(root)) ? (await readdir(root)).sort(compareNames) : undefined;
  const found =
    inside === undefined
      ? `${root} is no folder either`
      : `${root} holds ${inside.slice(0, 8).join(', ') || 'nothing'}`;
  refuse(
    `The folder ${path} does not exist (${found}). Expected ` +
      'ROOT/leftImg8bit/<split>/<sequence>/<frame>_leftImg8bit.png and ' +
      'ROOT/gtFine/<split>/<sequence>/<frame>_gtFine_<kind>.png.',
  );
}

async function requireSplit(root: string, part: string, split: string): Promise<string> {
  const folder = join(root, part, split);
  if (await isFolder(folder)) return folder;
  await requireFolder(join(root, part), root);
  const names = (await readdir(join(root, part))).sort(compareNames);
  return refuse(
    `${join(root, part)} has no split "${split}".${didYouMean(split, names)} ` +
      `It contains ${names.slice(0, 8).join(', ') || 'nothing'}.`,
  );
}

/** Frame (`<sequence>/<frame>`) → image file. */
function imageFrames(files: readonly string[], folder: string): Map<string, string> {
  const frames = new Map<string, string>();
  for (const file of files) {
    const frame = imagePattern.exec(file)?.[1];
    if (frame === undefined) continue;
    const before = frames.get(frame);
    if (before !== undefined)
      refuse(
        `${folder} contains two images of one frame, ${before} and ${file}, so the image of the label is ambiguous. ` +
          'Remove one of them.',
      );
    frames.set(frame, file);
  }
  return frames;
}

/** What label files of a kind are called after their frame. */
export function labelEnding(kind: LabelKind): string {
  return `_gtFine_${kind}.${kind === 'polygons' ? 'json' : 'png'}`;
}

/** How many files end in `_gtFine_<kind>.png`, for each kind that occurs. */
function countKinds(files: readonly string[]): string {
  const counts = labelKinds
    .map((kind) => [kind, files.filter((file) => file.endsWith(labelEnding(kind))).length] as const)
    .filter(([, count]) => count > 0);
  if (counts.length === 0) return 'no label files of any known kind';
  return counts.map(([kind, count]) => `${count} ending in ${labelEnding(kind)}`).join(', ');
}

/** The kinds of label file that a class set knows, or the one that is asked for. @throws DATASET */
export function kindsToTry(classSet: ClassSet, wanted: LabelKind | undefined): LabelKind[] {
  const suited = classSet.mappings.map(({ kind }) => kind);
  if (wanted === undefined) return suited;
  if (suited.includes(wanted)) return [wanted];
  return refuse(
    `The class set "${classSet.name}" does not support label files of kind "${wanted}". ` +
      `It supports ${suited.join(', ')}.`,
  );
}

/** Refuses a split in which only some polygons were made into label images: the other images would be left out silently. */
function refuseHalfPrepared(
  frames: readonly string[],
  labelKind: LabelKind,
  { root, split }: { root: string; split: string },
): void {
  if (frames.length === 0) return;
  const own = labelKind === 'labellevel3Ids' ? ` with \`dinov3-seg prepare idd ${root}\`` : '';
  refuse(
    `${frames.length} images of split "${split}" have polygons but no *${labelEnding(labelKind)}, which others have ` +
      `(first: ${frames[0]}). Make the missing ones${own}, or choose the kind of ` +
      `label file: "polygons" uses the polygons of all images, "${labelKind}" leaves these images out (--label-kind).`,
  );
}

/**
 * Finds the images and labels of a split in the Cityscapes layout:
 * `ROOT/leftImg8bit/<split>/<sequence>/<frame>_leftImg8bit.{png,jpg,jpeg}` with
 * `ROOT/gtFine/<split>/<sequence>/<frame>_gtFine_<kind>.png`, or `_gtFine_polygons.json` if the class set supports
 * them and there are no label images. It lists folders, but opens no file.
 *
 * @throws DATASET if a folder does not exist, no pair is found, two images share a frame, the class set does not
 *   support the kind, or only some polygons were made into label images and no kind is given
 */
export async function findPairs(
  root: string,
  split: string,
  classSet: ClassSet,
  options: LayoutOptions = {},
): Promise<Layout> {
  const kinds = kindsToTry(classSet, options.labelKind);
  const imageFolder = await requireSplit(root, 'leftImg8bit', split);
  const labelFolder = await requireSplit(root, 'gtFine', split);
  const found = await walk(imageFolder, { depth: 2 });
  const stray = found.filter(isStray);
  const beside = new LeftOutCounter();
  const images = (await imagesAmong(imageFolder, found.filter(inSequence), [beside])).map(({ name }) => name);
  for (const name of images) if (!imagePattern.test(name)) beside.add(name);
  const labels = (await regularFilesBelow(labelFolder, 2)).filter((name) => name.includes('/'));
  const frames = imageFrames(images, imageFolder);
  const labelSet = new Set(labels);
  for (const labelKind of kinds) {
    const labelOf = (frame: string): string => frame + labelEnding(labelKind);
    const names = [...frames.keys()].sort(compareNames);
    const paired = names.filter((frame) => labelSet.has(labelOf(frame)));
    if (paired.length === 0) continue;
    if (options.labelKind === undefined && kinds.includes('polygons'))
      refuseHalfPrepared(
        names.filter(
          (frame) => !labelSet.has(labelOf(frame)) && labelSet.has(frame + labelEnding('polygons')),
        ),
        labelKind,
        { root, split },
      );
    const alone = names
      .filter((frame) => !labelSet.has(labelOf(frame)))
      .map((name) => join(imageFolder, frames.get(name)!));
    const ending = labelOf('');
    const aloneLabels = labels
      .filter((file) => file.endsWith(ending) && !frames.has(file.slice(0, -ending.length)))
      .map((file) => join(labelFolder, file));
    const all = paired.map((name) => ({
      name,
      image: join(imageFolder, frames.get(name)!),
      label: join(labelFolder, labelOf(name)),
    }));
    const { pairs, repeated } = eachFileOnce(all, found, imageFolder);
    beside.repeated = repeated;
    return {
      labelKind,
      pairs,
      unpaired: unpairedOf(alone),
      alone: { images: alone, labels: aloneLabels },
      leftOut: beside.result(),
    };
  }
  const wanted = kinds.map(labelEnding).join(' or ');
  const misplaced =
    stray.length === 0
      ? ''
      : ` ${stray.length} files lie in ${imageFolder} itself; move them into a sequence folder.`;
  return refuse(
    `No image of split "${split}" has a label image. Looked for <frame>_leftImg8bit.{png,jpg,jpeg} in ` +
      `${imageFolder}/<sequence>: ${frames.size} images` +
      (frames.size > 0 ? ` (first: ${[...frames.values()][0]})` : '') +
      `. Looked for <frame>${wanted} in ${labelFolder}/<sequence>: found ${countKinds(labels)}` +
      (labels.length > 0 ? ` (first: ${labels[0]})` : '') +
      `.${misplaced}${leftOutSentence(beside)} ${waysOut}`,
  );
}
