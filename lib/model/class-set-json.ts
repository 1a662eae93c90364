/** Class sets as text for the metadata of head files: a head file contains its classes. */
import { classSet, ignoreIndex, labelKinds, labelMapping, type ClassSet } from '../data/class-set.js';
import { idd26Labels } from '../data/sets/idd26.js';

interface StoredClassSet {
  name: string;
  classes: { name: string; color: [number, number, number] }[];
  /**
   * Raw values of label files: `pairs` of value and class index, and values that are `ignored`; of polygons also the
   * `names` of objects with their class indices.
   */
  mappings: { kind: string; pairs: [number, number][]; ignored: number[]; names?: [string, number][] }[];
}

/** One line of JSON. */
export function stringifyClassSet(set: ClassSet): string {
  const stored: StoredClassSet = {
    name: set.name,
    classes: set.classes.map(({ name, color }) => ({ name, color: [...color] })),
    mappings: set.mappings.map(({ kind, toIndex, known, names }) => {
      const raws = Array.from(known.keys()).filter((raw) => known[raw] === 1);
      return {
        kind,
        pairs: raws.filter((raw) => toIndex[raw] !== ignoreIndex).map((raw) => [raw, toIndex[raw]!]),
        ignored: raws.filter((raw) => toIndex[raw] === ignoreIndex),
        ...(names && { names: [...names] }),
      };
    }),
  };
  return JSON.stringify(stored);
}

/** Parses the text of {@link stringifyClassSet}. @throws Error for any other text */
export function parseClassSet(text: string): ClassSet {
  const stored = JSON.parse(text) as StoredClassSet;
  const classes = stored.classes.map(({ name, color }) => [String(name), color] as const);
  const mappings = stored.mappings.map(({ kind, pairs, ignored, names }) => {
    const known = labelKinds.find((name) => name === kind);
    if (known === undefined) throw new Error(`unknown kind of label "${kind}"`);
    const mapping = labelMapping(known, pairs, ignored);
    if (known !== 'polygons') return mapping;
    // Earlier releases knew IDD's polygons only.
    return { ...mapping, names: names ? new Map(names) : idd26Labels };
  });
  return classSet(String(stored.name), classes, mappings);
}
