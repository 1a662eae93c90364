/** Recognises the layout of a folder and lists the pairs of a split in it. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DinoSegError } from '../../errors.js';
import { nothingLeftOut } from '../../images/left-out.js';
import type { ClassSet, LabelKind } from '../class-set.js';
import {
  findPairs,
  isFolder,
  kindsToTry,
  refuse,
  unpairedOf,
  type Layout,
  type LayoutName,
  type LayoutOptions,
} from '../layout.js';
import { foldersIn, imageFolderName, labelFolderNames, openFolders, splitFoldersOf } from './folders.js';
import { listsIn, openLists } from './lists.js';
import { noLayout } from './no-layout.js';
import { openPatterns, type PatternPair } from './patterns.js';
import { patternsIn, presets, type Preset } from './presets.js';
import { wholeSplit, type LayoutSource } from './source.js';

const cityscapesFolders = ['leftImg8bit', 'gtFine'];
const ade20kSplits = ['training', 'validation'];
const ade20kLabels = 'annotations';
/** Folders that are tried in place of one that fits no layout. */
const mostFolders = 8;

/** The layouts that a folder may have, each with the evidence for it. */
async function candidates(root: string): Promise<Map<LayoutName, string>> {
  const found = new Map<LayoutName, string>();
  for (const preset of presets) {
    const pair = await patternsIn(root, preset);
    if (pair) found.set(preset.layout, `${pair.images} with ${pair.labels}`);
  }
  // The folders of a preset may look like those of a layout that says less.
  if (found.size === 0) await addPlainLayouts(root, found);
  const lists = await listsIn(root);
  if (lists.has('train') || lists.has('val')) found.set('list', [...lists.values()].join(', '));
  return found;
}

/** Layouts that are recognised by the names of a few folders. */
async function addPlainLayouts(root: string, found: Map<LayoutName, string>): Promise<void> {
  const folders = await foldersIn(root);
  const cityscapes = folders.filter((name) => cityscapesFolders.includes(name));
  if (cityscapes.length > 0) found.set('cityscapes', cityscapes.join(', '));
  const labels = folders.filter((name) => labelFolderNames.includes(name));
  if (folders.includes(imageFolderName) && labels.length > 0) {
    const splits = await foldersIn(join(root, imageFolderName));
    const isAde = labels.includes(ade20kLabels) && ade20kSplits.some((split) => splits.includes(split));
    found.set(isAde ? 'ade20k' : 'folders', [imageFolderName, ...labels].join(', '));
  } else {
    const splits = [...(await splitFoldersOf(root)).values()];
    const inside = await Promise.all(splits.map((name) => foldersIn(join(root, name))));
    if (inside.flat().some((name) => labelFolderNames.includes(name)))
      found.set('folders', splits.map((name) => `${name}/${imageFolderName}`).join(', '));
  }
}

/** Folders of archives may lie one above the data. */
async function fittingFolders(root: string): Promise<string[]> {
  const names = (await foldersIn(root)).slice(0, mostFolders);
  // One that cannot be read is no advice.
  const found = await Promise.allSettled(names.map((name) => candidates(join(root, name))));
  return names.filter((_, i) => {
    const own = found[i]!;
    return own.status === 'fulfilled' && own.value.size > 0;
  });
}

async function detect(root: string, classSet: ClassSet): Promise<LayoutName> {
  const found = await candidates(root);
  if (found.size === 0) return refuse(await noLayout(root, await fittingFolders(root)));
  if (found.size === 1) return [...found.keys()][0]!;
  const own = presets.filter(({ layout, classes }) => found.has(layout) && classes === classSet.name);
  if (own.length === 1 && !found.has('list')) return own[0]!.layout;
  const listed = [...found].map(([name, reason]) => `${name} (${reason})`).join(' and ');
  return refuse(`${root} matches several layouts: ${listed}. Choose one with --layout.`);
}

/** The patterns that options give. @throws INVALID_ARGUMENT where one is missing, or a layout is given as well */
function patternsOf({ images, labels, layout }: LayoutOptions): PatternPair | undefined {
  if (images !== undefined && labels !== undefined && (layout ?? 'pattern') === 'pattern')
    return { images, labels };
  if (images === undefined && labels === undefined && layout !== 'pattern') return undefined;
  throw new DinoSegError(
    'INVALID_ARGUMENT',
    images === undefined || labels === undefined
      ? `Patterns come in pairs: --${images === undefined ? 'images' : 'labels'} is missing, the pattern of the paths of ` +
          `${images === undefined ? 'images' : 'label files'}, such as ` +
          `${images === undefined ? "'images/{split}/**/{name}.jpg'" : "'masks/{split}/**/{name}.png'"}.`
      : `Give either patterns (--images, --labels) or the layout "${layout}", not both.`,
  );
}

/** Kinds of label files that are images, or polygons alone where the labels' paths end in .json. @throws DATASET */
function kindsFor(classSet: ClassSet, { labelKind }: LayoutOptions, labels: string): LabelKind[] {
  const kinds = kindsToTry(classSet, labelKind ?? (labels.endsWith('.json') ? 'polygons' : undefined));
  if (labelKind === 'polygons' && !labels.endsWith('.json'))
    refuse(
      `Labels of kind polygons are JSON files, but the pattern of labels is "${labels}". Leave out --label-kind.`,
    );
  return labelKind === undefined && !labels.endsWith('.json')
    ? kinds.filter((kind) => kind !== 'polygons')
    : kinds;
}

/**
 * Opens data of any layout. It lists folders and reads lists, but opens no image.
 *
 * @param root a folder, or a list of pairs.
 * @throws DinoSegError DATASET if the folder does not exist, matches no layout or several, or does not match
 *   `options.layout`; INVALID_ARGUMENT for patterns that are none
 */
export async function openLayout(
  root: string,
  classSet: ClassSet,
  options: LayoutOptions,
): Promise<LayoutSource> {
  const kind = kindsToTry(classSet, options.labelKind)[0]!;
  const isFile = await stat(root).then(
    (found) => found.isFile(),
    () => false,
  );
  if (!isFile && !(await isFolder(root))) refuse(`${root} does not exist. Check the path of the data.`);
  const patterns = patternsOf(options);
  const named = options.layout ?? (patterns && 'pattern');
  if (isFile && named !== undefined && named !== 'list')
    refuse(`${root} is a file and is read as a list of pairs, but the layout "${named}" needs a folder.`);
  if (patterns) return openPatterns(root, 'pattern', patterns, kindsFor(classSet, options, patterns.labels));
  const layout = isFile ? 'list' : (options.layout ?? (await detect(root, classSet)));
  const preset = presets.find((each) => each.layout === layout);
  if (kind === 'polygons' && layout !== 'cityscapes' && layout !== 'list')
    refuse(
      `Labels of kind polygons exist in the layout cityscapes, in lists and by patterns, but ${root} has the layout ` +
        `${layout}, whose labels are images. Leave out --label-kind, or first make label images with dinov3-seg prepare idd.`,
    );
  if (preset) return openPreset(root, preset, classSet, options);
  switch (layout) {
    case 'cityscapes':
      return {
        layout,
        splits: await foldersIn(join(root, cityscapesFolders[0]!)),
        find: (split) => findPairs(root, split, classSet, options),
      };
    case 'ade20k':
      return openFolders(root, layout, kind, [ade20kLabels]);
    case 'list':
      return openLists(root, isFile, kind);
    default:
      return openFolders(root, layout, kind);
  }
}

/** @throws DATASET where the folder does not have the preset's files */
async function openPreset(
  root: string,
  preset: Preset,
  classSet: ClassSet,
  options: LayoutOptions,
): Promise<LayoutSource> {
  const patterns = (await patternsIn(root, preset)) ?? preset.patterns[0]!;
  const own = classSet.mappings.find(({ kind }) => kind === preset.labelKind)?.kind;
  const kinds = kindsFor(classSet, { labelKind: options.labelKind ?? own }, patterns.labels);
  return openPatterns(root, preset.layout, patterns, kinds);
}

/** Maps a name to a fixed number from 0 to 1. */
function shareOf(name: string): number {
  return createHash('sha256').update(name).digest().readUIntBE(0, 6) / 2 ** 48;
}

/** `train` or `val` of a split that is divided by the names of its images. */
function part(layout: Layout, split: 'train' | 'val', valShare: number, where: string): Layout {
  const pairs = layout.pairs.filter(({ name }) => shareOf(name) < valShare === (split === 'val'));
  if (pairs.length === 0)
    refuse(
      `A validation share of ${valShare} of the ${layout.pairs.length} images in ${where} leaves no image for "${split}".`,
    );
  const none = { unpaired: unpairedOf([]), alone: { images: [], labels: [] }, leftOut: nothingLeftOut };
  // What has no partner is told of once.
  return { ...layout, pairs, ...(split === 'val' && none) };
}

/** Splits of data, including those made by `valShare`. @throws DATASET */
export function splitsOf(source: LayoutSource, { valShare }: LayoutOptions): readonly string[] {
  if (valShare === undefined) return source.splits;
  const others = source.splits.filter((split) => split !== wholeSplit && split !== 'train');
  return ['train', 'val', ...others];
}

/**
 * Lists the pairs of a split.
 *
 * @throws DinoSegError DATASET if the split does not exist or has no pair; INVALID_ARGUMENT for an invalid share
 */
export async function findSplit(
  source: LayoutSource,
  split: string,
  options: LayoutOptions,
  where: string,
): Promise<Layout> {
  const { valShare } = options;
  if (valShare === undefined) return source.find(split);
  if (!(valShare > 0 && valShare < 1))
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `The validation share should be above 0 and below 1, not ${valShare}.`,
    );
  if (source.splits.includes('val'))
    refuse(`${where} already has a split "val": leave out --val-share, or remove the split.`);
  if (split !== 'train' && split !== 'val') return source.find(split);
  const whole = source.splits.includes('train') ? 'train' : wholeSplit;
  return part(await source.find(whole), split, valShare, where);
}
