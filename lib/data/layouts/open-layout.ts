/** Recognises the layout of a folder and lists the pairs of a split in it. */
import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DinoSegError } from '../../errors.js';
import { compareNames } from '../../images/files-below.js';
import type { ClassSet } from '../class-set.js';
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
import { wholeSplit, type LayoutSource } from './source.js';

const cityscapesFolders = ['leftImg8bit', 'gtFine'];
const ade20kSplits = ['training', 'validation'];
const ade20kLabels = 'annotations';

const expectations: Record<LayoutName, string> = {
  cityscapes:
    'leftImg8bit/<split>/<sequence>/<frame>_leftImg8bit.png with gtFine/<split>/<sequence>/<frame>_gtFine_<kind>.png',
  folders: `images/[<split>/]<name>.jpg with ${labelFolderNames.join('|')}/[<split>/]<name>.png, or <split>/images with <split>/masks`,
  ade20k: 'images/{training,validation}/<name>.jpg with annotations/{training,validation}/<name>.png',
  list: 'train.txt and val.txt with an image, a tab and its label image on each line',
};

/** The layouts that a folder may have, each with the evidence for it. */
async function candidates(root: string): Promise<Map<LayoutName, string>> {
  const found = new Map<LayoutName, string>();
  const folders = await foldersIn(root);
  const cityscapes = folders.filter((name) => cityscapesFolders.includes(name));
  if (cityscapes.length > 0) found.set('cityscapes', cityscapes.join(', '));
  const labels = folders.filter((name) => labelFolderNames.includes(name));
  if (folders.includes(imageFolderName) && labels.length > 0) {
    const splits = await foldersIn(join(root, imageFolderName));
    const isAde = labels.includes(ade20kLabels) && ade20kSplits.some((split) => splits.includes(split));
    found.set(isAde ? 'ade20k' : 'folders', [imageFolderName, ...labels].join(', '));
  } else {
    const splits = await splitFoldersOf(root);
    if (splits.size > 0)
      found.set('folders', [...splits.values()].map((name) => `${name}/${imageFolderName}`).join(', '));
  }
  const lists = await listsIn(root);
  if (lists.has('train') || lists.has('val')) found.set('list', [...lists.values()].join(', '));
  return found;
}

async function detect(root: string): Promise<LayoutName> {
  const found = await candidates(root);
  if (found.size === 1) return [...found.keys()][0]!;
  if (found.size > 1) {
    const listed = [...found].map(([name, reason]) => `${name} (${reason})`).join(' and ');
    return refuse(`${root} matches several layouts: ${listed}. Choose one with --layout.`);
  }
  const inside = (await readdir(root)).sort(compareNames);
  const looked = Object.entries(expectations).map(([name, expected]) => `\n  ${name}: ${expected}`);
  return refuse(
    `${root} matches no known layout. It contains ${inside.slice(0, 8).join(', ') || 'nothing'}. Looked for` +
      `${looked.join('')}\nSee docs/data.md.`,
  );
}

/**
 * Opens data of any layout. It lists folders and reads lists, but opens no image.
 *
 * @param root a folder, or a list of pairs.
 * @throws DinoSegError DATASET if the folder does not exist, matches no layout or several, or does not match
 *   `options.layout`
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
  if (isFile && options.layout !== undefined && options.layout !== 'list')
    refuse(
      `${root} is a file and is read as a list of pairs, but the layout "${options.layout}" needs a folder.`,
    );
  const layout = isFile ? 'list' : (options.layout ?? (await detect(root)));
  if (kind === 'polygons' && layout !== 'cityscapes')
    refuse(
      `Labels of kind polygons exist only in the layout cityscapes, but ${root} has the layout ${layout}, whose labels are images. ` +
        'Leave out --label-kind, or first make label images with dinov3-seg prepare idd.',
    );
  switch (layout) {
    case 'cityscapes':
      return {
        layout,
        splits: await foldersIn(join(root, cityscapesFolders[0]!)),
        find: (split) => findPairs(root, split, classSet, options),
      };
    case 'folders':
      return openFolders(root, layout, kind);
    case 'ade20k':
      return openFolders(root, layout, kind, [ade20kLabels]);
    case 'list':
      return openLists(root, isFile, kind);
  }
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
  const none = { unpaired: unpairedOf([]), alone: { images: [], labels: [] } };
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
