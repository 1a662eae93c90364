/** The features of a table, and how its percentages are computed from class maps. */
import {
  checkArgument,
  checkOptions,
  flag,
  kind,
  number,
  objectWith,
  text,
  type OptionKinds,
} from '../arguments.js';
import { classSetKind } from '../data/argument-kinds.js';
import { loadClassSet, type ClassSet } from '../data/class-sets.js';
import { ade150Names } from '../data/sets/ade150.js';
import { coco91Names } from '../data/sets/coco91.js';
import { DinoSegError } from '../errors.js';
import { didYouMean } from '../nearest.js';
import { featureMapPath, readFeatureMap, type FeatureMap } from './aggregation.js';
import { countColumn, percentageColumn } from './columns.js';

/**
 * Feature sets. `36`: 26 percentages and 10 counts (or a map's percentages and 10 counts). `230`: 150 percentages
 * and 80 counts.
 */
export const featureSetNames = ['36', '230'] as const;
/** One of {@link featureSetNames}. */
export type FeatureSetName = (typeof featureSetNames)[number];

/**
 * Sources of the 26 percentages. `idd26`: the ADE20K head mapped to IDD's classes, overridden by the fine-tuned
 * head for classes that ADE20K lacks. `idd26-head`: the fine-tuned head only. `ade26`: sums of the ADE20K head's
 * classes.
 */
export const flavours = ['idd26', 'idd26-head', 'ade26'] as const;
/** One of {@link flavours}. */
export type Flavour = (typeof flavours)[number];

/** A class of objects that a table counts. */
export interface CountedClass {
  /** COCO's category id: {@link Detection.label}. */
  readonly label: number;
  /** COCO's name of the class. */
  readonly name: string;
  /** Column in the table. */
  readonly column: string;
}

/** A head's part in a plan. */
export interface PlanLayer {
  /** `own`: the model's own class_embed; `head`: the given head. */
  readonly from: 'own' | 'head';
  /** Classes that the head must have. */
  readonly classSet: ClassSet;
  /** 256 values: class → place in the counts, or 255 for none. */
  readonly table: Uint8Array;
}

/** How percentages are computed from one pass: the engine counts places, and columns are sums of places. */
export interface PercentagePlan {
  /** `idd26`, `idd26-head`, `ade26`, `ade150`, or the name of the user's map. */
  readonly name: string;
  /** Names of the table's columns, in their order. */
  readonly columns: readonly string[];
  /** Number of places that the engine counts: classes of `labelSet`. */
  readonly places: number;
  /** For each column, the places that it sums. */
  readonly groups: readonly (readonly number[])[];
  /** Layers in order: a later one overrides earlier ones. */
  readonly layers: readonly PlanLayer[];
  /** Class set of the places, which is that of label maps for these columns. */
  readonly labelSet: ClassSet;
  /** Map that the plan was made from, if any. */
  readonly map?: FeatureMap;
}

export const planKind = objectWith<PercentagePlan>('a plan, as percentagePlan() gives it', {
  places: number,
  groups: kind('a list', Array.isArray),
  labelSet: classSetKind,
});

/** Which features to compute. */
export interface FeatureChoice {
  /** Feature set. Default `36`. */
  set?: FeatureSetName;
  /** Flavour of set `36`. Default: `idd26` with a head, `ade26` without one; `idd26-head` for a backbone alone. */
  flavour?: Flavour;
  /** Map file (docs/features.md) instead of the 26 percentages of a flavour. */
  aggregation?: string;
}

/** The kinds of {@link FeatureChoice}; their values are checked with the nearest that is known. */
export const choiceOptions: OptionKinds<FeatureChoice> = {
  set: kind('a string', text.is),
  flavour: kind('a string', text.is),
  aggregation: text,
};

/** The 10 counts of set `36`, in order. */
const tenCounted = [
  'car',
  'traffic light',
  'person',
  'bicycle',
  'truck',
  'bird',
  'bench',
  'dog',
  'boat',
  'motorcycle',
];
/** Ids without annotations in COCO's 2014 and later sets; 0 is the background. */
const coco91Gaps: readonly number[] = [0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83];

/** The COCO classes that a set counts, 10 or 80, in the order of the columns. */
export function countedClasses(set: FeatureSetName): CountedClass[] {
  checkChoice('set', set, featureSetNames);
  const eighty = coco91Names
    .map((name, label) => ({ label, name, column: countColumn(name) }))
    .filter(({ label }) => !coco91Gaps.includes(label));
  if (set === '230') return eighty;
  return tenCounted.map((wanted) => eighty.find(({ name }) => name === wanted)!);
}

/**
 * Makes the plan for a choice of features.
 *
 * @param hasHead whether a fine-tuned head is given.
 * @throws DinoSegError INVALID_ARGUMENT for options that exclude each other; CLASSES for an invalid map;
 *   FILE_NOT_FOUND, IO.
 */
export async function percentagePlan(choice: FeatureChoice, hasHead: boolean): Promise<PercentagePlan> {
  checkOptions(choice, choiceOptions, 'percentagePlan()');
  checkArgument(hasHead, flag, 'percentagePlan(hasHead)');
  const { set = '36', flavour, aggregation } = choice;
  checkChoice('set', set, featureSetNames);
  if (flavour !== undefined) checkChoice('flavour', flavour, flavours);
  if (flavour !== undefined && aggregation !== undefined)
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `An aggregation map (${aggregation}) replaces the flavour (${flavour}): give only one of them.`,
    );
  if (set === '230') {
    const given = flavour ?? aggregation;
    if (given !== undefined)
      throw new DinoSegError(
        'INVALID_ARGUMENT',
        `Set 230 has the 150 classes of ADE20K unchanged; a flavour or aggregation map (${given}) is for set 36 only.`,
      );
    return plainPlan('ade150', 'own', await loadClassSet('ade150'));
  }
  if (aggregation !== undefined) return planOf(await readFeatureMap(aggregation));
  switch (flavour ?? (hasHead ? 'idd26' : 'ade26')) {
    case 'idd26':
      return { ...planOf(await readFeatureMap(featureMapPath('idd26-hybrid'))), name: 'idd26' };
    case 'idd26-head':
      return plainPlan('idd26-head', 'head', await loadClassSet('idd26'));
    case 'ade26':
      return planOf(await readFeatureMap(featureMapPath('ade26')));
  }
}

function checkChoice(what: string, given: string, known: readonly string[]): void {
  checkArgument(given, text, `The ${what}`);
  if (known.includes(given)) return;
  throw new DinoSegError(
    'INVALID_ARGUMENT',
    `There is no ${what} "${given}".${didYouMean(given, known)} Expected ${known.join(', ')}.`,
  );
}

/** Every class of a head as a column. */
function plainPlan(name: string, from: 'own' | 'head', classSet: ClassSet): PercentagePlan {
  const places = classSet.classes.length;
  return {
    name,
    columns: classSet.classes.map((info) => percentageColumn(info.name)),
    places,
    groups: classSet.classes.map(({ index }) => [index]),
    layers: [{ from, classSet, table: tableOf(classSet.classes.map(({ index }) => [index, index])) }],
    labelSet: classSet,
  };
}

/** What a map asks for. Its classes are those of the model's own head where they are ADE20K's. */
function planOf(map: FeatureMap): PercentagePlan {
  const { name, classSet } = map;
  const from = isAde150(classSet) ? 'own' : 'head';
  if (map.kind === 'aggregation')
    return {
      ...plainPlan(name, from, classSet),
      columns: map.groups.map((group) => percentageColumn(group.name)),
      groups: map.groups.map(({ classes }) => classes),
      map,
    };
  if (from !== 'own')
    throw new DinoSegError(
      'CLASSES',
      `The groups of "${name}" use classes of ${classSet.name}. With "overwrite" they must use those of ade150, which ` +
        'are the model\'s own; the second head has those of "headClasses".',
    );
  const { headSet } = map;
  const target = (group: string) => headSet.classes.findIndex((info) => info.name === group);
  const first = map.groups.flatMap((group) =>
    group.classes.map((index) => [index, target(group.name)] as const),
  );
  return {
    ...plainPlan(name, 'head', headSet),
    layers: [
      { from: 'own', classSet, table: tableOf(first) },
      { from: 'head', classSet: headSet, table: tableOf(map.overwrite.map((index) => [index, index])) },
    ],
    map,
  };
}

function isAde150({ classes }: ClassSet): boolean {
  return classes.length === ade150Names.length && classes.every(({ name }, i) => name === ade150Names[i]);
}

function tableOf(pairs: readonly (readonly [index: number, place: number])[]): Uint8Array {
  const table = new Uint8Array(256).fill(255);
  for (const [index, place] of pairs) table[index] = place;
  return table;
}
