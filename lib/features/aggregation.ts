/** Maps from classes to the columns of a feature table, read from JSON files that users may copy and change. */
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { classSetNames, loadClassSet, type ClassSet } from '../data/class-sets.js';
import { checkArgument, oneOf, text } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { readJson } from '../files.js';
import { isObject, shown } from '../json.js';
import { didYouMean } from '../nearest.js';
import { percentageColumn } from './columns.js';

/** Some classes that are counted together. */
export interface Group {
  /** Names the column. */
  readonly name: string;
  /** Indices in the map's class set, ascending. */
  readonly classes: readonly number[];
}

/** Sums of percentages of one head's classes. */
export interface Aggregation {
  /** Tells it from a {@link HybridMap}. */
  readonly kind: 'aggregation';
  /** As the file calls it. */
  readonly name: string;
  /** The classes that are summed. */
  readonly classSet: ClassSet;
  /** Whether a class may count in several groups. */
  readonly allowOverlap: boolean;
  /** In the order of the columns. */
  readonly groups: readonly Group[];
}

/** Pixels by one head, and over them those that a second head gives some of its classes. */
export interface HybridMap {
  /** Tells it from an {@link Aggregation}. */
  readonly kind: 'hybrid';
  /** As the file calls it. */
  readonly name: string;
  /** The classes of the first head, from which the groups take. */
  readonly classSet: ClassSet;
  /** The classes of the second head: the columns. */
  readonly headSet: ClassSet;
  /** Named as classes of `headSet`, which take the pixels of these classes of the first head. */
  readonly groups: readonly Group[];
  /** Classes of `headSet`, ascending, whose pixels in the second head's map go over the first's. */
  readonly overwrite: readonly number[];
}

/** What a map file holds. */
export type FeatureMap = Aggregation | HybridMap;

/** Throws CLASSES with the file's name in front. */
type Refuse = (what: string) => never;

const fileKeys = ['name', 'classes', 'headClasses', 'allowOverlap', 'groups', 'overwrite'];

/** Where the package's own maps lie: `ade26.json` and `idd26-hybrid.json`, to copy from. */
export function featureMapPath(name: 'ade26' | 'idd26-hybrid'): string {
  checkArgument(name, oneOf(['ade26', 'idd26-hybrid']), 'featureMapPath(name)');
  return fileURLToPath(new URL(`../../maps/${name}.json`, import.meta.url));
}

/**
 * Reads and checks a map file (docs/features.md).
 *
 * @throws DinoSegError CLASSES for an invalid file, with what is wrong and the nearest name that there is; FILE_NOT_FOUND,
 *   IO.
 */
export async function readFeatureMap(path: string): Promise<FeatureMap> {
  checkArgument(path, text, 'readFeatureMap(path)');
  return parseFeatureMap(await readJson(path, 'CLASSES'), path);
}

/**
 * Checks what a map file holds.
 *
 * @param source the file: messages name it, and the class files that it names are looked for beside it.
 * @throws DinoSegError as {@link readFeatureMap}.
 */
export async function parseFeatureMap(value: unknown, source: string): Promise<FeatureMap> {
  const refuse: Refuse = (what) => {
    throw new DinoSegError('CLASSES', `${source} is not a valid feature map: ${what}`);
  };
  if (!isObject(value)) return refuse(`it must hold an object {name, groups, …}, not ${shown(value)}.`);
  for (const key of Object.keys(value))
    if (!fileKeys.includes(key))
      refuse(`it has the unknown key "${key}".${didYouMean(key, fileKeys)} Known: ${fileKeys.join(', ')}.`);
  const { name, classes = 'ade150', allowOverlap = false } = value;
  if (typeof name !== 'string' || name.trim() === '')
    return refuse(`"name" must be a string that is not empty, not ${shown(name)}.`);
  if (typeof allowOverlap !== 'boolean')
    return refuse(`"allowOverlap" must be true or false, not ${shown(allowOverlap)}.`);
  const classSet = await setOf('classes', classes, source, refuse);
  const groups = parseGroups(value['groups'], classSet, allowOverlap, refuse);
  if (value['overwrite'] === undefined && value['headClasses'] === undefined)
    return { kind: 'aggregation', name, classSet, allowOverlap, groups };
  const headSet = await setOf('headClasses', value['headClasses'], source, refuse);
  if (allowOverlap)
    refuse('a map with "overwrite" gives each pixel one class: "allowOverlap" cannot be true there.');
  const overwrite = parseOverwrite(value['overwrite'], headSet, refuse);
  checkHybrid(groups, headSet, overwrite, refuse);
  return { kind: 'hybrid', name, classSet, headSet, groups, overwrite };
}

async function setOf(key: string, value: unknown, source: string, refuse: Refuse): Promise<ClassSet> {
  if (typeof value !== 'string' || value === '')
    return refuse(
      `"${key}" must name a class set (${classSetNames.join(', ')}) or a .json file, not ${shown(value)}.`,
    );
  const isFile = !classSetNames.includes(value) && /\.json$|[\\/]/i.test(value);
  return loadClassSet(isFile ? resolve(dirname(source), value) : value);
}

/** The index of a class that the file names at `where`. */
function classIndex(given: unknown, set: ClassSet, where: string, refuse: Refuse): number {
  const names = set.classes.map(({ name }) => name);
  const index = typeof given === 'string' ? names.indexOf(given) : -1;
  if (index >= 0) return index;
  return refuse(
    `${where} ${shown(given)}, which is no class of ${set.name}.` +
      (typeof given === 'string' ? didYouMean(given, names) : ' Classes are given by their names.'),
  );
}

function parseGroups(value: unknown, set: ClassSet, allowOverlap: boolean, refuse: Refuse): Group[] {
  if (!isObject(value) || Object.keys(value).length === 0)
    return refuse(`"groups" must be an object {"column": ["class of ${set.name}", …]}, not ${shown(value)}.`);
  const takenBy = new Map<number, string>();
  const columns = new Map<string, string>();
  return Object.entries(value).map(([name, listed]): Group => {
    if (name.trim() === '') refuse('a group has no name.');
    const column = percentageColumn(name);
    const same = columns.get(column);
    if (same !== undefined) refuse(`the groups "${same}" and "${name}" are both the column ${column}.`);
    columns.set(column, name);
    if (!Array.isArray(listed) || listed.length === 0)
      return refuse(`"${name}" must have a list of at least one class of ${set.name}, not ${shown(listed)}.`);
    const classes = (listed as unknown[]).map((given) => classIndex(given, set, `"${name}" takes`, refuse));
    for (const [i, index] of classes.entries()) {
      const className = set.classes[index]!.name;
      if (classes.indexOf(index) !== i) refuse(`"${name}" takes "${className}" twice.`);
      const other = takenBy.get(index);
      if (other !== undefined && !allowOverlap)
        refuse(
          `"${className}" counts in "${other}" and in "${name}". Take it out of one, or say "allowOverlap": true.`,
        );
      takenBy.set(index, name);
    }
    return { name, classes: classes.sort((a, b) => a - b) };
  });
}

function parseOverwrite(value: unknown, headSet: ClassSet, refuse: Refuse): number[] {
  if (!Array.isArray(value) || value.length === 0)
    return refuse(
      `"overwrite" must be a list of at least one class of ${headSet.name}, not ${shown(value)}. ` +
        'Without a second head leave out "overwrite" and "headClasses".',
    );
  const indices = (value as unknown[]).map((given) =>
    classIndex(given, headSet, '"overwrite" holds', refuse),
  );
  for (const [i, index] of indices.entries())
    if (indices.indexOf(index) !== i) refuse(`"overwrite" holds "${headSet.classes[index]!.name}" twice.`);
  return indices.sort((a, b) => a - b);
}

/** Every column must be able to have pixels. */
function checkHybrid(groups: Group[], headSet: ClassSet, overwrite: number[], refuse: Refuse): void {
  const reached = new Set(overwrite);
  for (const { name } of groups) reached.add(classIndex(name, headSet, 'there is a group', refuse));
  const empty = headSet.classes.filter(({ index }) => !reached.has(index)).map(({ name }) => `"${name}"`);
  if (empty.length > 0)
    refuse(
      `nothing counts for ${empty.join(', ')} of ${headSet.name}: give each a group, or list it in "overwrite".`,
    );
}
