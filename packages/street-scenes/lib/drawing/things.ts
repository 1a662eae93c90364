/** What can be drawn, and what three sets of annotators would call it. */
import { ade150Names } from '../../../../lib/data/sets/ade150.js';
import { coco91Names } from '../../../../lib/data/sets/coco91.js';
import { idd26Classes } from '../../../../lib/data/sets/idd26.js';
import { DinoSegError } from '../../../../lib/errors.js';

/** The names of a thing in the three sets; null where a set has none. */
export interface ThingNames {
  readonly idd: string;
  readonly ade: string | null;
  readonly coco: string | null;
}

function names(idd: string, ade: string | null = idd, coco: string | null = null): ThingNames {
  return { idd, ade, coco };
}

/**
 * IDD's level 3 puts its drivable fallback under parking, its non-drivable fallback under rail track, animals under
 * person, and trains, trailers and caravans under vehicle fallback (recipe.md). ADE20K's 150 classes have no train,
 * tractor, cart, cone or barrier: such pixels have no ADE20K class. COCO's annotators, who have no three-wheeler, called
 * autorickshaws cars.
 */
const table = {
  road: names('road'),
  parking: names('parking', 'road'),
  shoulder: names('parking', 'earth'),
  sidewalk: names('sidewalk'),
  curb: names('curb', 'sidewalk'),
  verge: names('rail track', 'grass'),
  track: names('rail track', 'dirt track'),
  water: names('rail track', 'water'),

  person: names('person', 'person', 'person'),
  cow: names('person', 'animal', 'cow'),
  dog: names('person', 'animal', 'dog'),
  bird: names('person', 'animal', 'bird'),
  rider: names('rider', 'person', 'person'),

  motorcycle: names('motorcycle', 'minibike', 'motorcycle'),
  bicycle: names('bicycle', 'bicycle', 'bicycle'),
  autorickshaw: names('autorickshaw', 'van', 'car'),
  car: names('car', 'car', 'car'),
  truck: names('truck', 'truck', 'truck'),
  bus: names('bus', 'bus', 'bus'),
  caravan: names('vehicle fallback', 'van', 'truck'),
  tractor: names('vehicle fallback', null, 'truck'),
  train: names('vehicle fallback', null, 'train'),
  cart: names('vehicle fallback', null),
  boat: names('vehicle fallback', 'boat', 'boat'),

  wall: names('wall'),
  fence: names('fence'),
  guardRail: names('guard rail', 'railing'),
  billboard: names('billboard', 'signboard'),
  poster: names('billboard', 'poster'),
  trafficSign: names('traffic sign', 'signboard'),
  stopSign: names('traffic sign', 'signboard', 'stop sign'),
  trafficLight: names('traffic light', 'traffic light', 'traffic light'),
  pole: names('pole'),
  streetlight: names('pole', 'streetlight'),
  stall: names('obs-str-bar-fallback', 'booth'),
  barrel: names('obs-str-bar-fallback', 'barrel'),
  bin: names('obs-str-bar-fallback', 'ashcan'),
  bench: names('obs-str-bar-fallback', 'bench', 'bench'),
  crate: names('obs-str-bar-fallback', 'box'),
  cone: names('obs-str-bar-fallback', null),
  gate: names('obs-str-bar-fallback', null),

  building: names('building'),
  house: names('building', 'house'),
  tower: names('building', 'skyscraper'),
  bridge: names('bridge'),
  tree: names('vegetation', 'tree'),
  palm: names('vegetation', 'palm'),
  bush: names('vegetation', 'plant'),
  hill: names('vegetation', 'mountain'),
  sky: names('sky'),
} as const satisfies Readonly<Record<string, ThingNames>>;

/** What can be drawn. */
export type Thing = keyof typeof table;

/** A thing's class in each set. */
export interface ThingClasses {
  /** IDD-26 class index. */
  readonly idd: number;
  /** ADE20K class index, 0…149; 255 where ADE20K has none. */
  readonly ade: number;
  /** COCO category, of what can be counted. */
  readonly coco: { readonly id: number; readonly name: string } | null;
}

function indexIn(list: readonly string[], name: string, set: string): number {
  const index = list.indexOf(name);
  if (index < 0) throw new DinoSegError('INTERNAL', `${set} has no class "${name}".`);
  return index;
}

const iddNames = idd26Classes.map(([name]) => name);

/** The classes of everything that can be drawn. */
export const things = Object.fromEntries(
  Object.entries<ThingNames>(table).map(([thing, { idd, ade, coco }]) => [
    thing,
    {
      idd: indexIn(iddNames, idd, 'IDD-26'),
      ade: ade === null ? 255 : indexIn(ade150Names, ade, 'ADE20K-150'),
      coco: coco === null ? null : { id: indexIn(coco91Names, coco, 'COCO'), name: coco },
    },
  ]),
) as Readonly<Record<Thing, ThingClasses>>;
