/** Images and label images that are found by patterns of their paths. */
import { isAbsolute, join, relative } from 'node:path';
import { DinoSegError } from '../../errors.js';
import { compareNames, walk, type FoundFile } from '../../images/files-below.js';
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
import { refuseSplit, splitOf, wholeSplit, type LayoutSource } from './source.js';

/** Patterns of the paths of images and of their labels, from the data folder on. */
export interface PatternPair {
  readonly images: string;
  readonly labels: string;
}

/** Stands for the kind of label file. */
const kindPlace = '{kind}';
const part = /\*\*\/|\*|\{([^{}]*)\}|[^*{]+|\{/g;

/** A pattern that can be compared with paths. */
interface Compiled {
  text: string;
  /** The folder in which all its paths are. */
  folder: string;
  /** Of a path from that folder on. Wildcards are groups w0, w1, …. */
  regex: RegExp;
  /** Of the folder of such a path, from that folder on, with `/` at its end. */
  folderRegex: RegExp;
  hasSplit: boolean;
  /** `*` and `**`, in their order. */
  wildcards: readonly string[];
}

function invalid(pattern: string, why: string): never {
  throw new DinoSegError(
    'INVALID_ARGUMENT',
    `The pattern "${pattern}" ${why}. A pattern is a path such as images/{split}/**/{name}.jpg: {name} is what an image ` +
      'and its label have in common, {split} is train or val, * stands for any part of a name, ** for any folders, and ' +
      '{jpg,png} is a choice.',
  );
}

const escaped = (text: string): string => text.replace(/[.+?^$()|[\]\\}]/g, '\\$&');

/** @throws INVALID_ARGUMENT */
function compile(pattern: string): Compiled {
  const path = pattern.replaceAll('\\', '/').replace(/^\.\//, '');
  const first = path.search(/[*{]/);
  const folder = path.slice(0, path.lastIndexOf('/', first < 0 ? path.length : first) + 1);
  const wildcards: string[] = [];
  let regex = '';
  // Up to the last `/`.
  let folders = '';
  for (const [token, choice] of path.slice(folder.length).matchAll(part)) {
    if (token.startsWith('*')) {
      regex += `(?<w${wildcards.length}>${token === '*' ? '[^/]*' : '(?:[^/]+/)*'})`;
      wildcards.push(token);
    } else if (choice === 'name' || choice === 'split')
      // What occurs twice is the same twice.
      regex += regex.includes(`(?<${choice}>`) ? `\\k<${choice}>` : `(?<${choice}>[^/]+)`;
    else if (choice?.includes(',')) regex += `(?:${choice.split(',').map(escaped).join('|')})`;
    else if (token.startsWith('{')) invalid(pattern, `contains "${token}"`);
    else regex += escaped(token);
    if (token.includes('/'))
      folders = token.startsWith('*') ? regex : regex.slice(0, regex.lastIndexOf('/') + 1);
  }
  if (!regex.includes('(?<name>')) invalid(pattern, 'does not contain {name}');
  const hasSplit = regex.includes('(?<split>');
  const [whole, above] = [regex, folders].map((each) => new RegExp(`^${each}$`, 'i'));
  return { text: pattern, folder, regex: whole!, folderRegex: above!, hasSplit, wildcards };
}

/** The files of a pattern. */
interface Found {
  pattern: Compiled;
  folder: string;
  /** Split → name → path in the folder. */
  splits: Map<string, Map<string, string>>;
  /** All files in the folder, matching or not. */
  files: readonly FoundFile[];
}

/**
 * The files of a folder that a pattern matches.
 *
 * @param byName whether the name alone identifies an image; otherwise also what the wildcards stand for.
 * @throws DATASET where two files have the same name, or two folders mean the same split
 */
function filesOf(folder: string, files: readonly FoundFile[], pattern: Compiled, byName: boolean): Found {
  const splits = new Map<string, Map<string, string>>();
  const folders = new Map<string, string>();
  for (const { name: file, isRegular } of files) {
    if (!isRegular) continue;
    const groups = pattern.regex.exec(file)?.groups;
    if (groups === undefined) continue;
    const { name, split: own = wholeSplit } = groups as { name: string; split?: string };
    const split = splitOf(own) ?? own;
    if ((folders.get(split) ?? own) !== own)
      refuse(
        `"${pattern.text}" matches ${folders.get(split)} and ${own} in ${folder}, which both mean the split "${split}". ` +
          'Remove one of them.',
      );
    folders.set(split, own);
    const parts = byName ? [] : pattern.wildcards.map((_, i) => groups[`w${i}`]!.replace(/\/$/, ''));
    const whole = [...parts.filter((each) => each !== ''), name].join('/');
    const names = splits.get(split) ?? new Map<string, string>();
    splits.set(split, names);
    const before = names.get(whole);
    if (before !== undefined)
      refuse(
        `"${pattern.text}" matches ${before} and ${file} in ${folder}, which both have the name ${whole}. Make the ` +
          'pattern narrower, or remove one of them.',
      );
    names.set(whole, file);
  }
  return { pattern, folder, splits, files };
}

async function filesIn(folder: string): Promise<FoundFile[]> {
  return (await isFolder(folder)) ? walk(folder) : [];
}

/** For messages: what was looked for, and what is there. */
function described({ pattern, folder, splits, files }: Found, split: string, what: string): string {
  const found = [...(splits.get(split)?.values() ?? [])];
  const first = found[0] ?? files.map(({ name }) => name).sort(compareNames)[0];
  return (
    `Looked for ${what} ${pattern.text}: ${found.length} of this split among ${files.length} files in ${folder}` +
    (first === undefined ? '' : ` (first: ${first})`)
  );
}

/** Patterns whose files have been listed, by kind of label file. */
interface Listed {
  images: Found;
  labels: { kind: LabelKind; found: Found }[];
}

/** Files in the folders of a split's images that the pattern of images does not match, without labels. */
function filesBeside({ images, labels }: Listed, split: string): FoundFile[] {
  const { pattern, folder, files } = images;
  const isLabel = (name: string) =>
    labels.some(({ found }) => {
      const from = relative(found.folder, join(folder, name)).replaceAll('\\', '/');
      return found.pattern.regex.test(from);
    });
  return files.filter(({ name, isRegular }) => {
    const inFolder = pattern.folderRegex.exec(name.slice(0, name.lastIndexOf('/') + 1));
    const own = inFolder?.groups?.['split'] ?? wholeSplit;
    if (!inFolder || (splitOf(own) ?? own) !== split) return false;
    return !(isRegular && pattern.regex.test(name)) && !isLabel(name);
  });
}

/** Pairs images and labels of a split by their names. @throws DATASET where there is no pair */
async function pairSplit(listed: Listed, split: string): Promise<Layout> {
  const { images, labels } = listed;
  const beside = new LeftOutCounter();
  for (const { name } of filesBeside(listed, split)) beside.add(name);
  const named = new Map(images.splits.get(split));
  const matched = new Set(named.values());
  const ofSplit = images.files.filter(({ name }) => matched.has(name));
  const readable = new Set((await imagesAmong(images.folder, ofSplit, [beside])).map(({ name }) => name));
  for (const [name, file] of [...named]) if (!readable.has(file)) named.delete(name);
  const names = [...named.keys()].sort(compareNames);
  for (const { kind, found } of labels) {
    const labelled = found.splits.get(split) ?? new Map<string, string>();
    const paired = names.filter((name) => labelled.has(name));
    if (paired.length === 0) continue;
    const imageOf = (name: string) => join(images.folder, named.get(name)!);
    const alone = names.filter((name) => !labelled.has(name)).map(imageOf);
    const aloneLabels = [...labelled].filter(([name]) => !named.has(name)).map(([, file]) => file);
    const all = paired.map((name) => ({
      name,
      image: imageOf(name),
      label: join(found.folder, labelled.get(name)!),
    }));
    const { pairs, repeated } = eachFileOnce(all, images.files, images.folder);
    beside.repeated = repeated;
    return {
      labelKind: kind,
      pairs,
      leftOut: beside.result(),
      unpaired: unpairedOf(alone),
      alone: {
        images: alone,
        labels: aloneLabels.sort(compareNames).map((file) => join(found.folder, file)),
      },
    };
  }
  const looked = labels.map(({ found }) => described(found, split, 'labels'));
  return refuse(
    `No image of split "${split}" has a label. ${[described(images, split, 'images'), ...looked].join('. ')}.` +
      `${leftOutSentence(beside)} ${waysOut}`,
  );
}

/**
 * A source of what two patterns match. The names of both must be equal, and, if both have the same wildcards, what these
 * stand for as well. `{split}` makes splits of folders. `{kind}` in the labels' pattern stands for the kind of label file.
 *
 * @param kinds kinds of label files to look for, the first that has a pair wins.
 * @throws DinoSegError INVALID_ARGUMENT for an invalid pattern, DATASET where it is not clear what belongs together, IO
 */
export async function openPatterns(
  root: string,
  layout: LayoutName,
  { images, labels }: PatternPair,
  kinds: readonly LabelKind[],
): Promise<LayoutSource> {
  const image = compile(images);
  const tried = labels.includes(kindPlace) ? kinds : kinds.slice(0, 1);
  const label = tried.map((kind) => ({ kind, pattern: compile(labels.replaceAll(kindPlace, kind)) }));
  for (const { pattern } of label)
    if (pattern.hasSplit !== image.hasSplit)
      invalid(pattern.hasSplit ? images : labels, 'does not contain {split}, which the other pattern has');
  const byName = label.some(({ pattern }) => pattern.wildcards.join() !== image.wildcards.join());
  const folders = new Map<string, Promise<FoundFile[]>>();
  const find = async (pattern: Compiled): Promise<Found> => {
    const folder = isAbsolute(pattern.folder) ? pattern.folder : join(root, pattern.folder);
    const listing = folders.get(folder) ?? filesIn(folder);
    folders.set(folder, listing);
    return filesOf(folder, await listing, pattern, byName);
  };
  const listed: Listed = { images: await find(image), labels: [] };
  for (const { kind, pattern } of label) listed.labels.push({ kind, found: await find(pattern) });
  const splits = image.hasSplit ? [...listed.images.splits.keys()].sort(compareNames) : [wholeSplit];
  return {
    layout,
    splits,
    find: async (split) => {
      if (splits.length === 0 || splits.includes(split)) return pairSplit(listed, split);
      // Advice to divide the images is of use only where there are pairs.
      if (splits.includes(wholeSplit)) await pairSplit(listed, wholeSplit);
      return refuseSplit({ splits }, split, root);
    },
  };
}
