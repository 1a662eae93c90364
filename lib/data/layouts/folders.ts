/** Folders of images beside folders of label images of the same names: plain ones, and those of ADE20K. */
import { readdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { compareNames, regularFilesBelow, walk } from '../../images/files-below.js';
import { isImageFile } from '../../images/image-files.js';
import { LeftOutCounter, leftOutSentence } from '../../images/left-out.js';
import { imagesAmong } from '../../images/list-images.js';
import type { LabelKind } from '../class-set.js';
import {
  eachFileOnce,
  isFolder,
  refuse,
  unpairedOf,
  waysOut,
  type Layout,
  type LayoutName,
} from '../layout.js';
import { refuseSplit, splitsAmong, wholeSplit, type LayoutSource } from './source.js';

/** What the folder of images is called. */
export const imageFolderName = 'images';
/** What a folder of label images may be called. */
export const labelFolderNames = ['masks', 'labels', 'annotations'];

/** What keeps values: JPEG and WebP change them. */
const labelPattern = /\.(png|tiff?)$/i;
/** What tools append to the name of an image for its label. */
const labelSuffix = /[_-](masks?|labels?|gt|seg)$/i;
/** Path without extension → path. @throws DATASET where two files share one */
function byStem(
  files: readonly string[],
  stemOf: (file: string) => string,
  where: string,
): Map<string, string> {
  const stems = new Map<string, string>();
  for (const file of files) {
    const stem = stemOf(file);
    const before = stems.get(stem);
    if (before !== undefined)
      refuse(`${where} contains ${before} and ${file}, which belong to the same image. Remove one of them.`);
    stems.set(stem, file);
  }
  return stems;
}

const withoutExtension = (file: string): string => file.slice(0, file.length - extname(file).length);

/** Pairs images and labels by their paths below the two folders. @throws DATASET where there is no pair, IO */
async function pairFolders(images: string, labels: string, labelKind: LabelKind): Promise<Layout> {
  const labelFiles = await regularFilesBelow(labels);
  const all = await walk(images);
  const beside = new LeftOutCounter();
  const found = (await imagesAmong(images, all, [beside])).map(({ name }) => name);
  const frames = byStem(found.filter(isImageFile), withoutExtension, images);
  // By their first bytes: copies of an image that a tool has left, such as a.jpg_original, are not in its way.
  for (const file of found.filter((name) => !isImageFile(name)))
    if (frames.has(withoutExtension(file))) beside.add(file);
    else frames.set(withoutExtension(file), file);
  const named = byStem(
    labelFiles.filter((file) => labelPattern.test(file)),
    (file) => {
      const stem = withoutExtension(file);
      return frames.has(stem) ? stem : stem.replace(labelSuffix, '');
    },
    labels,
  );
  const names = [...frames.keys()].sort(compareNames);
  const paired = names.filter((name) => named.has(name));
  if (paired.length === 0) {
    const first = (files: readonly string[]) => (files.length > 0 ? ` (first: ${files[0]})` : '');
    return refuse(
      `No image has a label image of the same name. Looked for <name>.{png,jpg,jpeg,webp,tif} in ${images}: ` +
        `${frames.size} images${first([...frames.values()])}. Looked for <name>.png, or <name>_mask, _label, _gt or ` +
        `_seg, in ${labels}: ${named.size} label images${first([...named.values()])} among ${labelFiles.length} files` +
        `${first(labelFiles)}. JPEG changes values, so it cannot store labels.${leftOutSentence(beside)} ${waysOut}`,
    );
  }
  const aloneImages = names.filter((name) => !named.has(name)).map((name) => join(images, frames.get(name)!));
  const aloneLabels = [...named].filter(([stem]) => !frames.has(stem)).map(([, file]) => join(labels, file));
  const each = paired.map((name) => ({
    name,
    image: join(images, frames.get(name)!),
    label: join(labels, named.get(name)!),
  }));
  const { pairs, repeated } = eachFileOnce(each, all, images);
  beside.repeated = repeated;
  return {
    labelKind,
    pairs,
    unpaired: unpairedOf(aloneImages),
    alone: { images: aloneImages, labels: aloneLabels.sort(compareNames) },
    leftOut: beside.result(),
  };
}

/** Names of the folders in a folder; none where it is absent. */
export async function foldersIn(folder: string): Promise<string[]> {
  if (!(await isFolder(folder))) return [];
  const names = (await readdir(folder)).sort(compareNames);
  const are = await Promise.all(names.map((name) => isFolder(join(folder, name))));
  return names.filter((_, i) => are[i]);
}

/** The only folder of label images of a folder. @throws DATASET where there is none, or more than one */
async function labelFolder(root: string, names: readonly string[]): Promise<string> {
  const found = (await foldersIn(root)).filter((name) => names.includes(name));
  if (found.length === 1) return join(root, found[0]!);
  return refuse(
    found.length === 0
      ? `${root} contains no folder of label images beside ${imageFolderName}: expected ${names.join(', ')}.`
      : `${root} contains ${found.join(' and ')}, so the label images are ambiguous. Keep one of these folders.`,
  );
}

/**
 * A source of `ROOT/images` with `ROOT/<labels>`, each with folders for splits or without; or `ROOT/<split>/images` with
 * `ROOT/<split>/<labels>`.
 *
 * @param labelNames what the folder of labels may be called.
 * @throws DATASET where it is not clear what belongs together, or a folder is absent.
 */
export async function openFolders(
  root: string,
  layout: LayoutName,
  labelKind: LabelKind,
  labelNames: readonly string[] = labelFolderNames,
): Promise<LayoutSource> {
  const top = await foldersIn(root);
  if (!top.includes(imageFolderName)) return openSplitFolders(root, layout, labelKind, labelNames);
  const images = join(root, imageFolderName);
  const labels = await labelFolder(root, labelNames);
  const own = splitsAmong(await foldersIn(images), images);
  const ownLabels = splitsAmong(await foldersIn(labels), labels);
  if (own.size === 0) {
    const splits = [wholeSplit];
    const find = async (split: string) => {
      // Advice to divide the images is of use only where there are pairs.
      const whole = await pairFolders(images, labels, labelKind);
      return split === wholeSplit ? whole : refuseSplit({ splits }, split, root);
    };
    return { layout, splits, find };
  }
  const splits = [...own.keys()].sort(compareNames);
  return {
    layout,
    splits,
    async find(split) {
      const folder = own.get(split);
      if (folder === undefined) return refuseSplit({ splits }, split, images);
      const labelled = ownLabels.get(split);
      if (labelled === undefined)
        return refuse(
          `${images} has the split "${split}" (${folder}), but ${labels} does not. It has ` +
            `${[...ownLabels.keys()].join(', ') || 'none'}.`,
        );
      return pairFolders(join(images, folder), join(labels, labelled), labelKind);
    },
  };
}

/** Splits above `images`: ROOT/train/images, ROOT/train/masks. */
async function openSplitFolders(
  root: string,
  layout: LayoutName,
  labelKind: LabelKind,
  labelNames: readonly string[],
): Promise<LayoutSource> {
  const own = await splitFoldersOf(root);
  if (own.size === 0)
    return refuse(
      `${root} contains no folder ${imageFolderName}, and neither do its folders train and val. It contains ` +
        `${(await foldersIn(root)).slice(0, 8).join(', ') || 'no folder'}.`,
    );
  const splits = [...own.keys()].sort(compareNames);
  return {
    layout,
    splits,
    async find(split) {
      const folder = own.get(split);
      if (folder === undefined) return refuseSplit({ splits }, split, root);
      const inside = join(root, folder);
      return pairFolders(join(inside, imageFolderName), await labelFolder(inside, labelNames), labelKind);
    },
  };
}

/** Split → name of its folder in ROOT, of those that hold images. */
export async function splitFoldersOf(root: string): Promise<Map<string, string>> {
  const names = await foldersIn(root);
  const holding = await Promise.all(names.map((name) => isFolder(join(root, name, imageFolderName))));
  return splitsAmong(
    names.filter((_, i) => holding[i]),
    basename(root),
  );
}
