/** Maps the classes of a set to the ADE20K classes that their initial weights come from. */
import { DinoSegError } from '../errors.js';
import { readJson } from '../files.js';
import { didYouMean } from '../nearest.js';
import type { ClassSet } from './class-set.js';
import { ade150Names } from './sets/ade150.js';
import { idd26FromAde150 } from './sets/idd26-from-ade150.js';
import { idd26Classes } from './sets/idd26.js';

/** For each class of a set, the indices (from 0) of its ADE20K classes, ascending; empty if ADE20K has no similar class. */
export type SourceClasses = readonly (readonly number[])[];

const ownForm =
  'Give a class map: a JSON file {"class name": ["ADE20K class name", …]}, or start from random weights (--init-head xavier).';

function namesOf(set: ClassSet): string[] {
  return set.classes.map(({ name }) => name);
}

/** `Traffic_Light` and `traffic light` are one name. */
function plain(name: string): string {
  return name
    .toLowerCase()
    .replace(/[\s_-]+/g, ' ')
    .trim();
}

function ade150Index(name: string): number {
  const wanted = plain(name);
  return ade150Names.findIndex((known) => plain(known) === wanted);
}

/**
 * Loads the map of a set: the package's own for IDD's 26 classes, whatever the set's name; for other sets, classes
 * of equal names (the 150 of ADE20K map to themselves). With `path`, the map in that file.
 *
 * @throws DinoSegError CLASSES if no class has a source, or for an invalid file; FILE_NOT_FOUND, IO.
 */
export async function loadSourceClasses(set: ClassSet, path?: string): Promise<SourceClasses> {
  return path === undefined ? sourceClassesOf(set) : readSourceClasses(path, set);
}

function sourceClassesOf(set: ClassSet): SourceClasses {
  const names = namesOf(set);
  const isIdd26 =
    names.length === idd26Classes.length && idd26Classes.every(([name], i) => name === names[i]);
  if (isIdd26) return parseSourceClasses(idd26FromAde150, set, 'the map of idd26');
  const sources = names.map((name) => {
    const index = ade150Index(name);
    return index < 0 ? [] : [index];
  });
  if (sources.every(({ length }) => length === 0))
    throw new DinoSegError(
      'CLASSES',
      `No class of "${set.name}" has the name of an ADE20K class. ${ownForm}`,
    );
  return sources;
}

async function readSourceClasses(path: string, set: ClassSet): Promise<SourceClasses> {
  return parseSourceClasses(await readJson(path, 'CLASSES'), set, path);
}

/**
 * Checks a class map `{"class of the set": ["ADE20K class", …]}`; classes that it does not list have no source.
 *
 * @param source name for messages
 * @throws DinoSegError CLASSES
 */
export function parseSourceClasses(value: unknown, set: ClassSet, source: string): SourceClasses {
  const refuse = (what: string): never => {
    throw new DinoSegError('CLASSES', `${source} is not a valid class map for "${set.name}": ${what}`);
  };
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return refuse('it must contain an object {"class name": ["ADE20K class name", …]}.');
  const names = namesOf(set);
  const sources: number[][] = names.map(() => []);
  for (const [name, listed] of Object.entries(value)) {
    const own = sources[names.indexOf(name)];
    if (own === undefined) return refuse(`the set has no class "${name}".${didYouMean(name, names)}`);
    if (!Array.isArray(listed))
      return refuse(`"${name}" must have a list of ADE20K class names, not ${JSON.stringify(listed)}.`);
    for (const given of listed as unknown[]) {
      const index = typeof given === 'string' ? ade150Index(given) : -1;
      if (index < 0)
        refuse(
          `"${name}" lists ${JSON.stringify(given)}, which is not a class of ADE20K.` +
            (typeof given === 'string' ? didYouMean(given, ade150Names) : ''),
        );
      if (own.includes(index)) refuse(`"${name}" lists "${ade150Names[index]}" twice.`);
      own.push(index);
    }
    own.sort((a, b) => a - b);
  }
  if (sources.every(({ length }) => length === 0)) return refuse('no class has a source.');
  return sources;
}
