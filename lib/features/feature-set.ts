/** Which features a table has, and how the percentages among them come from class maps. */
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

/** `36`: 26 percentages and 10 counts (or a map's percentages and 10 counts); `230`: 150 and 80. */
export const featureSetNames = ['36', '230'] as const;
/** One of {@link featureSetNames}. */
export type FeatureSetName = (typeof featureSetNames)[number];

/**
 * Whence the 26 percentages come: `idd26` IDD's classes by the ADE20K head and, over it, the fine-tuned head's where ADE20K
 * has nothing like them; `idd26-head` the fine-tuned head alone; `ade26` sums of the ADE20K head's classes.
 */
export const flavours = ['idd26', 'idd26-head', 'ade26'] as const;
/** One of {@link flavours}. */
export type Flavour = (typeof flavours)[number];

/** Objects that a table counts. */
export interface CountedClass {
  /** COCO's category id: {@link Detection.label}. */
  readonly label: number;
  /** COCO's name. */
  readonly name: string;
  /** In the table. */
  readonly column: string;
}

/** A head's place in a plan: 255 in the table is no column. */
export interface PlanLayer {
  /** `own`: the model's own class_embed; `head`: the one that is given besides. */
  readonly from: 'own' | 'head';
  /** What the head's classes must be. */
  readonly classSet: ClassSet;
  /** 256 values: class → place in the counts. */
  readonly table: Uint8Array;
}

/** How percentages come from one pass: the engine counts places, and columns are sums of them. */
export interface PercentagePlan {
  /** `idd26`, `idd26-head`, `ade26`, `ade150`, or the name in the user's map. */
  readonly name: string;
  /** Names of the table's columns, in their order. */
  readonly columns: readonly string[];
  /** Places that the engine counts: classes of `labelSet`. */
  readonly places: number;
  /** For each column the places that it sums. */
  readonly groups: readonly (readonly number[])[];
  /** In the order in which they go over each other. */
  readonly layers: readonly PlanLayer[];
  /** The classes that the places are: those of label maps for these columns. */
  readonly labelSet: ClassSet;
  /** The map that it was made from. */
  readonly map?: FeatureMap;
}

export const planKind = objectWith<PercentagePlan>('a plan, as percentagePlan() gives it', {
  places: number,
  groups: kind('a list', Array.isArray),
  labelSet: classSetKind,
});

/** What is wanted. */
export interface FeatureChoice {
  /** Default `36`. */
  set?: FeatureSetName;
  /** Of set `36`. Default: `idd26` where a head is given, `ade26` without one. */
  flavour?: Flavour;
  /** A map file of one's own (docs/features.md) in place of the 26 of a flavour. */
  aggregation?: string;
}

/** The kinds of {@link FeatureChoice}; their values are checked with the nearest that is known. */
export const choiceOptions: OptionKinds<FeatureChoice> = {
  set: kind('a string', text.is),
  flavour: kind('a string', text.is),
  aggregation: text,
};

/** The 10 of set `36`, in their order. */
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

/** What a set counts: 10 or 80 of COCO's classes, in the order of the columns. */
export function countedClasses(set: FeatureSetName): CountedClass[] {
  checkChoice('set', set, featureSetNames);
  const eighty = coco91Names
    .map((name, label) => ({ label, name, column: countColumn(name) }))
    .filter(({ label }) => !coco91Gaps.includes(label));
  if (set === '230') return eighty;
  return tenCounted.map((wanted) => eighty.find(({ name }) => name === wanted)!);
}

/**
 * How the percentages of a choice are made.
 *
 * @param hasHead whether a fine-tuned head is given.
 * @throws DinoSegError INVALID_ARGUMENT for what does not go together; CLASSES for a map that is not valid; FILE_NOT_FOUND,
 *   IO.
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
      `An aggregation map (${aggregation}) takes the place of the flavour ${flavour}: give one of them.`,
    );
  if (set === '230') {
    const given = flavour ?? aggregation;
    if (given !== undefined)
      throw new DinoSegError(
        'INVALID_ARGUMENT',
        `Set 230 has the 150 classes of ADE20K as they are; a flavour or aggregation map (${given}) goes with set 36.`,
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
      `The groups of "${name}" take classes of ${classSet.name}; with "overwrite" they take those of ade150, which ` +
        'are the model\'s own, and the second head those of "headClasses".',
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
