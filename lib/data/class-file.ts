import { DinoSegError } from '../errors.js';
import { readJson } from '../files.js';
import { isObject, shown, type JsonObject } from '../json.js';
import { didYouMean } from '../nearest.js';
import {
  classSet,
  distinctColor,
  ignoreIndex,
  labelMapping,
  namesOfClasses,
  polygonMapping,
} from './class-set.js';
import type { ClassSet, Color, LabelKind, NamedColor } from './class-set.js';

const fileKeys = ['name', 'classes', 'mapping', 'ignore', 'ignoreIndex', 'polygons'];
const classKeys = ['name', 'color'];
const mostClasses = 255;

/** Throws CLASSES with the file's name in front; every check below ends here. */
type Refuse = (what: string) => never;

function isByte(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 255;
}

function checkKeys(object: JsonObject, allowed: readonly string[], where: string, refuse: Refuse): void {
  for (const key of Object.keys(object))
    if (!allowed.includes(key))
      refuse(
        `${where} has the unknown key "${key}".${didYouMean(key, allowed)} Known: ${allowed.join(', ')}.`,
      );
}

function parseColor(value: unknown, index: number, refuse: Refuse): Color {
  if (value === undefined) return distinctColor(index);
  if (!Array.isArray(value) || value.length !== 3 || !value.every(isByte))
    return refuse(`the color of class ${index} must be three integers from 0 to 255, not ${shown(value)}.`);
  const [r, g, b] = value as [number, number, number];
  return [r, g, b];
}

function parseClasses(value: unknown, refuse: Refuse): NamedColor[] {
  if (!Array.isArray(value) || value.length === 0)
    return refuse(`"classes" must be a list of {name, color}, not ${shown(value)}.`);
  if (value.length > mostClasses)
    refuse(
      `it has ${value.length} classes; at most ${mostClasses} are possible beside the ignore index 255.`,
    );
  const seen = new Map<string, number>();
  return value.map((entry: unknown, index): NamedColor => {
    if (!isObject(entry)) return refuse(`class ${index} must be {name, color}, not ${shown(entry)}.`);
    checkKeys(entry, classKeys, `class ${index}`, refuse);
    const { name } = entry;
    if (typeof name !== 'string' || name.trim() === '')
      return refuse(`class ${index} needs a name (a string that is not empty), not ${shown(name)}.`);
    const before = seen.get(name);
    if (before !== undefined) refuse(`classes ${before} and ${index} are both named "${name}".`);
    seen.set(name, index);
    return [name, parseColor(entry['color'], index, refuse)];
  });
}

function parseIgnored(ignore: unknown, marker: unknown, refuse: Refuse): Set<number> {
  if (!isByte(marker)) return refuse(`"ignoreIndex" must be an integer from 0 to 255, not ${shown(marker)}.`);
  if (!Array.isArray(ignore) || !ignore.every(isByte))
    return refuse(`"ignore" must be a list of raw label values from 0 to 255, not ${shown(ignore)}.`);
  return new Set([marker, ...(ignore as number[])]);
}

function parseTarget(raw: string, target: unknown, classes: readonly NamedColor[], refuse: Refuse): number {
  if (typeof target === 'number') {
    if (Number.isInteger(target) && target >= 0 && target < classes.length) return target;
    return refuse(
      `the mapping maps ${raw} to class ${target}, but indices run from 0 to ${classes.length - 1}.`,
    );
  }
  if (typeof target !== 'string')
    return refuse(`the mapping of ${raw} must be a class name or index, not ${shown(target)}.`);
  const names = classes.map(([name]) => name);
  const index = names.indexOf(target);
  if (index >= 0) return index;
  return refuse(`the mapping maps ${raw} to the unknown class "${target}".${didYouMean(target, names)}`);
}

function parseMapping(value: unknown, classes: readonly NamedColor[], refuse: Refuse): [number, number][] {
  if (!isObject(value))
    return refuse(
      `"mapping" must be an object from raw label values to classes, like {"7": "road"}, not ${shown(value)}.`,
    );
  return Object.entries(value).map(([raw, target]) => {
    if (!/^(0|[1-9]\d{0,2})$/.test(raw) || !isByte(Number(raw)))
      refuse(`the mapping's key "${raw}" is not a raw label value from 0 to 255.`);
    return [Number(raw), parseTarget(raw, target, classes, refuse)];
  });
}

/** Labels of polygons: the classes' names, and those of the table, where `null` stands for no class. */
function parseLabels(value: unknown, classes: readonly NamedColor[], refuse: Refuse): Map<string, number> {
  const labels = namesOfClasses(classes);
  if (value === undefined) return labels;
  if (!isObject(value))
    return refuse(
      `"polygons" must be an object from labels of polygons to classes, like {"cargroup": "car"}, not ${shown(value)}.`,
    );
  for (const [label, target] of Object.entries(value))
    labels.set(
      label,
      target === null ? ignoreIndex : parseTarget(`the label "${label}"`, target, classes, refuse),
    );
  return labels;
}

/**
 * Checks a parsed class file and makes the class set.
 *
 * The file is `{name, classes: [{name, color?}], mapping?, ignore?, ignoreIndex?, polygons?}`. `mapping` maps raw label values
 * to class names or indices (default: raw value = index). `ignore` lists raw values without a class, and
 * `ignoreIndex` (default 255) is one more of these. If 255 is mapped to a class, it is ignored only if the file
 * says so explicitly. The same mapping applies to every kind of label file; with `mapping`, files of raw ids are
 * preferred. `polygons` maps labels of polygons to classes, or to null for no class; the classes' names are labels, too.
 *
 * @param source name of the file for messages
 * @throws CLASSES
 */
export function parseClassFile(value: unknown, source: string): ClassSet {
  const refuse: Refuse = (what) => {
    throw new DinoSegError('CLASSES', `${source} is not a valid class set: ${what}`);
  };
  if (!isObject(value)) return refuse(`it must contain an object {name, classes, …}, not ${shown(value)}.`);
  checkKeys(value, fileKeys, 'it', refuse);
  const { name, classes: listed, mapping, ignore = [], ignoreIndex: marker = 255 } = value;
  if (typeof name !== 'string' || name.trim() === '')
    return refuse(`"name" must be a string that is not empty, not ${shown(name)}.`);
  const classes = parseClasses(listed, refuse);
  const ignored = parseIgnored(ignore, marker, refuse);
  const mapped = mapping === undefined ? undefined : parseMapping(mapping, classes, refuse);
  const saysIgnored = (raw: number): boolean =>
    (ignore as number[]).includes(raw) || value['ignoreIndex'] === raw;
  for (const [raw] of mapped ?? []) {
    if (saysIgnored(raw)) refuse(`raw value ${raw} is both mapped to a class and ignored.`);
    ignored.delete(raw);
  }
  const pairs =
    mapped ?? classes.map((_, index) => [index, index] as const).filter(([raw]) => !ignored.has(raw));
  const kinds: LabelKind[] =
    mapped === undefined
      ? ['labelTrainIds', 'labelIds', 'labellevel3Ids', 'labelids']
      : ['labelIds', 'labelids', 'labellevel3Ids', 'labelTrainIds'];
  const said = saysIgnored(ignoreIndex) || !ignored.has(ignoreIndex);
  const byDefault = said ? {} : { ignoredByDefault: [ignoreIndex] };
  return classSet(name, classes, [
    ...kinds.map((kind) => ({ ...labelMapping(kind, pairs, ignored), ...byDefault })),
    polygonMapping(classes.length, parseLabels(value['polygons'], classes, refuse)),
  ]);
}

/** Reads a class file. @throws CLASSES for invalid JSON or contents, FILE_NOT_FOUND, IO */
export async function readClassFile(path: string): Promise<ClassSet> {
  return parseClassFile(await readJson(path, 'CLASSES'), path);
}
