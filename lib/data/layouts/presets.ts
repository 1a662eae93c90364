/** Layouts of public data sets, as patterns. */
import { opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { readError } from '../../files.js';
import type { LabelKind } from '../class-set.js';
import { isFolder, type LayoutName } from '../layout.js';
import type { PatternPair } from './patterns.js';

/** The layout of a public data set. */
export interface Preset {
  readonly layout: LayoutName;
  /** Where its files are: the first whose folders exist. */
  readonly patterns: readonly PatternPair[];
  /** The built-in class set for its labels: among several layouts that fit, its name decides. */
  readonly classes: string;
  /** What its label values mean, where the class set's first kind would be something else. */
  readonly labelKind?: LabelKind;
}

const acdc = (images: string, labels: string): PatternPair => ({
  images: `${images}/*/{split}/*/{name}_rgb_anon.png`,
  labels: `${labels}/*/{split}/*/{name}_gt_{kind}.png`,
});

const vistas = (version: string): PatternPair => ({
  images: '{split}/images/{name}.jpg',
  labels: `{split}/v${version}/labels/{name}.png`,
});

/** The presets (docs/data.md). */
export const presets: readonly Preset[] = [
  {
    layout: 'idd-lite',
    patterns: [
      {
        images: 'leftImg8bit/{split}/**/{name}_image.{jpg,png}',
        labels: 'gtFine/{split}/**/{name}_label.png',
      },
    ],
    classes: 'idd7',
  },
  {
    layout: 'bdd100k',
    patterns: [
      { images: 'images/10k/{split}/{name}.jpg', labels: 'labels/sem_seg/masks/{split}/{name}.png' },
      { images: 'seg/images/{split}/{name}.jpg', labels: 'seg/labels/{split}/{name}_train_id.png' },
    ],
    classes: 'cityscapes19',
  },
  { layout: 'vistas-1.2', patterns: [vistas('1.2')], classes: 'vistas65' },
  { layout: 'vistas-2.0', patterns: [vistas('2.0')], classes: 'vistas124' },
  {
    layout: 'acdc',
    // As unpacked by hand into one folder, and as the archives are.
    patterns: [acdc('rgb_anon', 'gt'), acdc('rgb_anon_trainvaltest/rgb_anon', 'gt_trainval/gt')],
    classes: 'cityscapes19',
  },
  {
    layout: 'kitti',
    patterns: [{ images: '{split}/image_2/{name}.png', labels: '{split}/semantic/{name}.png' }],
    classes: 'cityscapes19',
    labelKind: 'labelIds',
  },
];

/** Names of folders that a split may have. */
const splitFolders = ['train', 'training', 'val', 'validation'];

/** The folders in front of a pattern's first name that is not known, for each name of a split. */
export function foldersOf(pattern: string): string[] {
  const [folders] = pattern.split(/[^/]*(?:\*|\{(?!split\}))/);
  const path = folders!.replace(/\/$/, '');
  if (!path.includes('{split}')) return [path];
  return splitFolders.map((split) => path.replace('{split}', split));
}

/** Folders of a folder that are looked into. */
const mostFolders = 8;

/** Whether a folder, or one below it, has a file with an ending; looks at few folders. */
async function hasFile(folder: string, ending: RegExp, depth: number): Promise<boolean> {
  const others: string[] = [];
  try {
    for await (const entry of await opendir(folder)) {
      if (!entry.isDirectory() && ending.test(entry.name)) return true;
      if (!entry.isFile() && others.length < mostFolders) others.push(join(folder, entry.name));
    }
  } catch (cause) {
    throw readError(folder, cause);
  }
  if (depth === 0) return false;
  for (const other of others)
    if ((await isFolder(other)) && (await hasFile(other, ending, depth - 1))) return true;
  return false;
}

/** What follows the name in the last part of a pattern. */
function endingOf(pattern: string): RegExp {
  const after = pattern.slice(pattern.lastIndexOf('{name}') + '{name}'.length).replaceAll('{kind}', '*');
  const source = after
    .replace(/[.]/g, '\\.')
    .replaceAll('*', '.*')
    .replace(/\{([^}]*)\}/g, (_, choice: string) => `(?:${choice.replaceAll(',', '|')})`);
  return new RegExp(`${source}$`, 'i');
}

async function hasFiles(root: string, pattern: string): Promise<boolean> {
  for (const folder of foldersOf(pattern).map((each) => join(root, each)))
    if ((await isFolder(folder)) && (await hasFile(folder, endingOf(pattern), 3))) return true;
  return false;
}

/** The patterns of a preset that fit a folder: both its images and its labels are there. */
export async function patternsIn(root: string, { patterns }: Preset): Promise<PatternPair | undefined> {
  for (const pair of patterns)
    if ((await hasFiles(root, pair.images)) && (await hasFiles(root, pair.labels))) return pair;
  return undefined;
}
