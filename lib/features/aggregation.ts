/** Maps from classes to the columns of a feature table, in JSON files that users may copy and change. */
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { classSetNames, loadClassSet, type ClassSet } from '../data/class-sets.js';
import { checkArgument, oneOf, text } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { readJson } from '../files.js';
import { isObject, shown } from '../json.js';
import { didYouMean } from '../nearest.js';
import { percentageColumn } from './columns.js';

/** Classes that are counted together. */
export interface Group {
  /** Name of the group, from which the column's name is made. */
  readonly name: string;
  /** Indices in the map's class set, ascending. */
  readonly classes: readonly number[];
}

/** A map that sums percentages of one head's classes. */
export interface Aggregation {
  /** Distinguishes it from a {@link HybridMap}. */
  readonly kind: 'aggregation';
  /** Name in the file. */
  readonly name: string;
  /** Class set of the head. */
  readonly classSet: ClassSet;
  /** Whether a class may count in several groups. */
  readonly allowOverlap: boolean;
  /** Groups in the order of the columns. */
  readonly groups: readonly Group[];
}

/** A map with two heads: the first head's pixels, overridden by some classes of the second head. */
export interface HybridMap {
  /** Distinguishes it from an {@link Aggregation}. */
  readonly kind: 'hybrid';
  /** Name in the file. */
  readonly name: string;
  /** Class set of the first head, which the groups refer to. */
  readonly classSet: ClassSet;
  /** Class set of the second head, whose classes are the columns. */
  readonly headSet: ClassSet;
  /** Groups with the names of classes in `headSet`: each receives the pixels of its classes of the first head. */
  readonly groups: readonly Group[];
  /** Classes of `headSet`, ascending, whose pixels in the second head's map override the first's. */
  readonly overwrite: readonly number[];
}

/** Contents of a map file. */
export type FeatureMap = Aggregation | HybridMap;

/** Throws CLASSES with the file's name in front. */
type Refuse = (what: string) => never;

const fileKeys = ['name', 'classes', 'headClasses', 'allowOverlap', 'groups', 'overwrite'];

/** Path of a map of this package, to copy from: `ade26.json` or `idd26-hybrid.json`. */
export function featureMapPath(name: 'ade26' | 'idd26-hybrid'): string {
  checkArgument(name, oneOf(['ade26', 'idd26-hybrid']), 'featureMapPath(name)');
  return fileURLToPath(new URL(`../../maps/${name}.json`, import.meta.url));
}

/**
 * Reads and checks a map file (docs/features.md).
 *
 * @throws DinoSegError CLASSES for an invalid file, with the fault and the nearest existing name; FILE_NOT_FOUND,
 *   IO.
 */
export async function readFeatureMap(path: string): Promise<FeatureMap> {
  checkArgument(path, text, 'readFeatureMap(path)');
  return parseFeatureMap(await readJson(path, 'CLASSES'), path);
}

/**
 * Checks the contents of a map file.
 *
 * @param source the file: it is named in messages, and the class files that it names are relative to its folder.
 * @throws DinoSegError as {@link readFeatureMap}.
 */
export async function parseFeatureMap(value: unknown, source: string): Promise<FeatureMap> {
  const refuse: Refuse = (what) => {
    throw new DinoSegError('CLASSES', `${source} is not a valid feature map: ${what}`);
  };
  if (!isObject(value)) return refuse(`it must contain an object {name, groups, …}, not ${shown(value)}.`);
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
    refuse('a map with "overwrite" gives each pixel one class, so "allowOverlap" cannot be true.');
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
    `${where} ${shown(given)}, which is not a class of ${set.name}.` +
      (typeof given === 'string' ? didYouMean(given, names) : ' Give classes by their names.'),
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
    if (same !== undefined) refuse(`the groups "${same}" and "${name}" both have the column ${column}.`);
    columns.set(column, name);
    if (!Array.isArray(listed) || listed.length === 0)
      return refuse(`"${name}" must have a list of at least one class of ${set.name}, not ${shown(listed)}.`);
    const classes = (listed as unknown[]).map((given) => classIndex(given, set, `"${name}" lists`, refuse));
    for (const [i, index] of classes.entries()) {
      const className = set.classes[index]!.name;
      if (classes.indexOf(index) !== i) refuse(`"${name}" lists "${className}" twice.`);
      const other = takenBy.get(index);
      if (other !== undefined && !allowOverlap)
        refuse(
          `"${className}" counts in "${other}" and in "${name}". Remove it from one, or set "allowOverlap": true.`,
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
        'Without a second head, leave out "overwrite" and "headClasses".',
    );
  const indices = (value as unknown[]).map((given) =>
    classIndex(given, headSet, '"overwrite" lists', refuse),
  );
  for (const [i, index] of indices.entries())
    if (indices.indexOf(index) !== i) refuse(`"overwrite" lists "${headSet.classes[index]!.name}" twice.`);
  return indices.sort((a, b) => a - b);
}

/** Every column must be able to have pixels. */
function checkHybrid(groups: Group[], headSet: ClassSet, overwrite: number[], refuse: Refuse): void {
  const reached = new Set(overwrite);
  for (const { name } of groups) reached.add(classIndex(name, headSet, 'there is a group', refuse));
  const empty = headSet.classes.filter(({ index }) => !reached.has(index)).map(({ name }) => `"${name}"`);
  if (empty.length > 0)
    refuse(
      `${empty.join(', ')} of ${headSet.name} would always be empty: give each a group, or list it in "overwrite".`,
    );
}
