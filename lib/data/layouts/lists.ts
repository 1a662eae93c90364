/** Text files that name an image and its label image on each line. */
import { readdir } from 'node:fs/promises';
import { dirname, extname, isAbsolute, join, normalize } from 'node:path';
import { mostListBytes, readError, readText } from '../../files.js';
import { compareNames } from '../../images/files-below.js';
import { nothingLeftOut } from '../../images/left-out.js';
import type { LabelKind } from '../class-set.js';
import { refuse, unpairedOf, type Layout, type Pair } from '../layout.js';
import { refuseSplit, splitsAmong, wholeSplit, type LayoutSource } from './source.js';

const listExtension = '.txt';

/** Split → name of its list in a folder. @throws DATASET, IO */
export async function listsIn(folder: string): Promise<Map<string, string>> {
  let names: string[];
  try {
    names = (await readdir(folder)).filter((name) => extname(name) === listExtension).sort(compareNames);
  } catch (cause) {
    throw readError(folder, cause);
  }
  const stems = names.map((name) => name.slice(0, -listExtension.length));
  const splits = splitsAmong(stems, folder);
  return new Map([...splits].map(([split, stem]) => [split, `${stem}${listExtension}`]));
}

/** @throws DATASET for a line without two paths */
function parseLine(line: string, place: string): [image: string, label: string] {
  const fields = line.includes('\t') ? line.split('\t') : line.trim().split(/\s+/);
  const paths = fields.map((field) => field.trim());
  if (paths.length === 2 && paths.every((path) => path !== '')) return [paths[0]!, paths[1]!];
  return refuse(
    `${place} is "${line.trim()}": expected the paths of an image and its label image, separated by a tab ` +
      '(or by a space, if neither path contains one).',
  );
}

/** Reads a list; paths are relative to `base`. @throws DATASET, FILE_NOT_FOUND, IO */
async function readList(path: string, base: string, labelKind: LabelKind): Promise<Layout> {
  const text = (await readText(path, mostListBytes, 'DATASET')).replace(/^\uFEFF/, '');
  const pairs: Pair[] = [];
  const lineOf = new Map<string, number>();
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [image, label] = parseLine(line, `Line ${i + 1} of ${path}`);
    const own = normalize(image);
    const name = own.slice(0, own.length - extname(own).length);
    const before = lineOf.get(name);
    if (before !== undefined)
      refuse(`Lines ${before} and ${i + 1} of ${path} name the same image, ${name}. Remove one of them.`);
    lineOf.set(name, i + 1);
    const at = (file: string) => (isAbsolute(file) ? file : join(base, file));
    pairs.push({ name, image: at(image), label: at(label) });
  }
  if (pairs.length === 0)
    refuse(`${path} names no image. Each line is the path of an image, a tab, and the path of its label.`);
  pairs.sort((a, b) => compareNames(a.name, b.name));
  const isPolygons = pairs.every(({ label }) => label.endsWith('.json'));
  return {
    labelKind: isPolygons ? 'polygons' : labelKind,
    pairs,
    unpaired: unpairedOf([]),
    alone: { images: [], labels: [] },
    leftOut: nothingLeftOut,
  };
}

/**
 * A source of `ROOT/train.txt` and `ROOT/val.txt`, or of one list without splits.
 *
 * @param root a folder with lists, or a list; paths in a list are relative to its folder.
 * @throws DATASET where there is no list
 */
export async function openLists(root: string, isFile: boolean, labelKind: LabelKind): Promise<LayoutSource> {
  if (isFile) {
    const splits = [wholeSplit];
    return {
      layout: 'list',
      splits,
      find: async (split) =>
        split === wholeSplit
          ? readList(root, dirname(root), labelKind)
          : refuseSplit({ splits }, split, root),
    };
  }
  const lists = await listsIn(root);
  if (lists.size === 0) return refuse(`${root} contains no list: expected train.txt and val.txt.`);
  const splits = [...lists.keys()].sort(compareNames);
  return {
    layout: 'list',
    splits,
    async find(split) {
      const name = lists.get(split);
      return name === undefined
        ? refuseSplit({ splits }, split, root)
        : readList(join(root, name), root, labelKind);
    },
  };
}
