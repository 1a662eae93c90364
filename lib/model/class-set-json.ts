/** Class sets as text for the metadata of head files: a head file contains its classes. */
import * as v from 'valibot';
import {
  classSet,
  ignoreIndex,
  labelKinds,
  labelMapping,
  notDrawn,
  type ClassSet,
  type LabelKind,
} from '../data/class-set.js';
import { idd26Labels } from '../data/sets/idd26.js';
import type { DinoSegError } from '../errors.js';
import { parseAs, wholeNumber, type Schema } from '../schema.js';

interface StoredClassSet {
  name: string;
  classes: { name: string; color: [number, number, number] }[];
  /**
   * Raw values of label files: `pairs` of value and class index, and values that are `ignored`; of polygons also the
   * `names` of objects with their class indices.
   */
  mappings: { kind: LabelKind; pairs: [number, number][]; ignored: number[]; names?: [string, number][] }[];
}

const byte = v.pipe(wholeNumber, v.maxValue(255));

const storedSchema = v.pipe(
  v.object({
    name: v.string(),
    classes: v.pipe(
      v.array(v.object({ name: v.string(), color: v.tuple([byte, byte, byte]) })),
      v.minLength(1),
      v.maxLength(255),
    ),
    mappings: v.array(
      v.object({
        kind: v.picklist(labelKinds),
        pairs: v.array(v.tuple([byte, byte])),
        ignored: v.array(byte),
        names: v.exactOptional(v.array(v.tuple([v.string(), v.pipe(v.number(), v.safeInteger())]))),
      }),
    ),
  }),
  v.check(({ classes, mappings }) =>
    mappings.every(({ pairs }) => pairs.every(([, index]) => index < classes.length)),
  ),
  v.check(({ classes, mappings }) =>
    mappings.every(({ names = [] }) =>
      names.every(
        ([, index]) => [notDrawn, ignoreIndex].includes(index) || (index >= 0 && index < classes.length),
      ),
    ),
  ),
) satisfies Schema<StoredClassSet>;

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

/** Parses the text of {@link stringifyClassSet}; `refuse`: the error for any other text, by what is wrong. */
export function parseClassSet(text: string, refuse: (what: string) => DinoSegError): ClassSet {
  const stored = parseAs<StoredClassSet>(storedSchema, text, refuse);
  const classes = stored.classes.map(({ name, color }) => [name, color] as const);
  const mappings = stored.mappings.map(({ kind, pairs, ignored, names }) => {
    const mapping = labelMapping(kind, pairs, ignored);
    if (kind !== 'polygons') return mapping;
    // Earlier releases knew IDD's polygons only.
    return { ...mapping, names: names ? new Map(names) : idd26Labels };
  });
  return classSet(stored.name, classes, mappings);
}
