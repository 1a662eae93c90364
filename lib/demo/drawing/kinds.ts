/** The kinds of street that are drawn, as data. */
import type { RandomStream } from '../../data/random.js';
import { bird, cow, dog } from './animals.js';
import type { Distant } from './backdrop.js';
import { fence, gap, guardRail, hedge, railing, wall } from './barriers.js';
import { cityHouse, hut, oldHouse, villa } from './buildings.js';
import type { DrawStretch } from './buildings.js';
import { handcart } from './carts.js';
import { chance } from './choose.js';
import type { Range, Weighted } from './choose.js';
import { barrels, bench, bins, cones, crates, stall } from './furniture.js';
import type { Strip, StripThing } from './ground.js';
import { bicycle, motorcycle, parkedBicycle, parkedMotorcycle, person } from './people.js';
import { bush, palm, tree } from './plants.js';
import {
  billboard,
  directionBoard,
  streetlight,
  trafficLight,
  trafficSign,
  utilityPole,
} from './roadside.js';
import type { DrawObject } from './sketch.js';
import { autorickshaw, bus, car, caravan, tractor, tram, truck } from './vehicles.js';

/** A kind of street. Lengths are metres, chances 0…1. */
export interface Kind {
  readonly name: string;
  readonly drivesOnLeft: boolean;
  readonly roadHalf: Range;
  /** How often the road has two lanes in each direction. */
  readonly wide: number;
  /** How far the road bends in the distance, units. */
  readonly bend: number;
  /** What the ground is where no strip lies. */
  readonly base: StripThing;
  /** The ground beside the road on one side, from the road outward. */
  readonly strips: (stream: RandomStream) => Strip[];
  /** What runs along the outermost strip. */
  readonly rows: Weighted<DrawStretch>;
  readonly rowLength: Range;
  /** What runs along the edge of the road, on each side with this chance. */
  readonly edge: readonly [DrawStretch, number];
  readonly skyline: Weighted<Distant>;
  readonly hills: number;
  readonly traffic: Weighted<DrawObject>;
  /** Free road before the next vehicle, as a share of the distance from the camera. */
  readonly headway: Range;
  readonly walkers: Weighted<DrawObject>;
  /** The same between those on foot. */
  readonly crowd: Range;
  /** What stands near the road, and what stands at the far end of the strips. */
  readonly kerbside: Weighted<DrawObject>;
  readonly inside: Weighted<DrawObject>;
  readonly spacing: Range;
  /** Chance of a bridge across, of a road on piers overhead, of a level crossing, and of someone on the road. */
  readonly overpass: number;
  readonly flyover: number;
  readonly crossing: number;
  readonly jaywalker: number;
}

/** A house behind a hedge, fence or wall. */
function behind(front: DrawStretch, house: DrawStretch): DrawStretch {
  return (view, stretch, stream) => [...house(view, stretch, stream), ...front(view, stretch, stream)];
}

function strip(thing: StripThing, stream: RandomStream, low: number, high = low): Strip {
  return { thing, width: stream.uniform(low, high) };
}

const indianCity: Kind = {
  name: 'Indian city',
  drivesOnLeft: true,
  roadHalf: [3, 5],
  wide: 0.3,
  bend: 14,
  base: 'shoulder',
  strips: (stream) => {
    const paved = chance(stream, 0.6);
    return [
      ...(chance(stream, 0.35) ? [strip('shoulder', stream, 1.2, 2.6)] : []),
      ...(paved && chance(stream, 0.25) ? [strip('parking', stream, 2.1, 2.4)] : []),
      ...(paved
        ? [strip('curb', stream, 0.3, 0.45), strip('sidewalk', stream, 1.6, 2.8)]
        : [strip('shoulder', stream, 1.6, 2.8)]),
    ];
  },
  rows: [
    [cityHouse, 6],
    [wall, 1.6],
    [fence, 0.6],
    [behind(wall, cityHouse), 0.8],
    [gap, 0.7],
  ],
  rowLength: [6, 14],
  edge: [railing, 0.12],
  skyline: [
    ['building', 4],
    ['tree', 3],
    ['tower', 1],
  ],
  hills: 0.05,
  traffic: [
    [car, 3],
    [autorickshaw, 4],
    [motorcycle, 4.5],
    [bicycle, 1.6],
    [bus, 1.5],
    [truck, 1.2],
    [handcart, 0.9],
    [tractor, 0.4],
  ],
  headway: [0.12, 0.75],
  walkers: [
    [person, 8],
    [cow, 1.1],
    [dog, 0.9],
    [bird, 0.5],
  ],
  crowd: [0.12, 0.7],
  kerbside: [
    [utilityPole, 2],
    [streetlight, 1.5],
    [trafficSign, 1.6],
    [trafficLight, 1.3],
    [parkedMotorcycle, 1.4],
    [crates, 0.6],
    [barrels, 0.8],
    [cones, 0.6],
  ],
  inside: [
    [stall, 1.6],
    [billboard, 1.6],
    [tree, 2.2],
    [palm, 0.6],
    [barrels, 0.5],
    [bins, 0.4],
    [handcart, 0.5],
  ],
  spacing: [0.25, 0.9],
  overpass: 0.12,
  flyover: 0.12,
  crossing: 0.04,
  jaywalker: 0.4,
};

const kinds: Weighted<Kind> = [
  [indianCity, 3],
  [
    {
      ...indianCity,
      name: 'Indian road',
      roadHalf: [2.8, 3.8],
      wide: 0,
      bend: 26,
      base: 'verge',
      strips: (stream) => [
        strip('shoulder', stream, 1, 2.4),
        strip('verge', stream, 1.5, 6),
        ...(chance(stream, 0.14) ? [strip('track', stream, 4.5), strip('verge', stream, 2)] : []),
      ],
      rows: [
        [hut, 2],
        [wall, 1],
        [hedge, 0.7],
        [fence, 0.5],
        [behind(wall, hut), 0.6],
        [gap, 3],
      ],
      rowLength: [8, 22],
      edge: [guardRail, 0.2],
      skyline: [
        ['tree', 6],
        ['building', 1],
      ],
      hills: 0.35,
      traffic: [
        [truck, 2.4],
        [motorcycle, 3],
        [car, 2],
        [autorickshaw, 2],
        [bus, 1.3],
        [tractor, 1.6],
        [bicycle, 1.4],
        [handcart, 0.8],
      ],
      headway: [0.3, 1.3],
      walkers: [
        [cow, 4],
        [person, 4],
        [dog, 1],
        [bird, 0.8],
      ],
      crowd: [0.3, 1.2],
      kerbside: [
        [utilityPole, 2],
        [trafficSign, 1.6],
        [barrels, 0.5],
        [bush, 1.4],
        [cones, 0.3],
      ],
      inside: [
        [tree, 4],
        [palm, 2],
        [bush, 2],
        [billboard, 1.4],
        [stall, 1],
      ],
      spacing: [0.2, 0.7],
      overpass: 0.08,
      flyover: 0,
      crossing: 0.1,
      jaywalker: 0.3,
    },
    2.4,
  ],
  [
    {
      ...indianCity,
      name: 'European city',
      drivesOnLeft: false,
      roadHalf: [3.2, 4.6],
      wide: 0.25,
      bend: 10,
      base: 'sidewalk',
      strips: (stream) => {
        const parked = chance(stream, 0.5) ? [strip('parking', stream, 2.1, 2.5)] : [];
        const walk = [strip('curb', stream, 0.25, 0.35), strip('sidewalk', stream, 1.8, 3.4)];
        const canal = chance(stream, 0.14)
          ? [strip('water', stream, 9, 14), strip('sidewalk', stream, 2.5)]
          : [];
        return [...parked, ...walk, ...canal];
      },
      rows: [
        [oldHouse, 7],
        [wall, 0.6],
        [fence, 0.6],
        [gap, 0.6],
      ],
      rowLength: [8, 18],
      edge: [railing, 0.08],
      skyline: [
        ['building', 4],
        ['tower', 1.4],
        ['tree', 2],
      ],
      hills: 0.1,
      traffic: [
        [car, 6],
        [bus, 1.3],
        [tram, 1.5],
        [truck, 1.1],
        [bicycle, 2.6],
        [motorcycle, 1],
      ],
      headway: [0.2, 1],
      walkers: [
        [person, 8],
        [dog, 0.9],
        [bird, 0.9],
      ],
      crowd: [0.15, 0.9],
      kerbside: [
        [streetlight, 2.2],
        [trafficLight, 2.2],
        [trafficSign, 2.2],
        [bins, 1.1],
        [parkedBicycle, 1.3],
        [bench, 0.9],
        [cones, 0.5],
      ],
      inside: [
        [tree, 3],
        [bench, 0.9],
        [billboard, 0.8],
        [stall, 0.5],
        [bins, 0.6],
        [bush, 0.6],
      ],
      spacing: [0.25, 0.9],
      overpass: 0.12,
      flyover: 0,
      crossing: 0,
      jaywalker: 0.25,
    },
    2.6,
  ],
  [
    {
      ...indianCity,
      name: 'European suburb',
      drivesOnLeft: false,
      roadHalf: [2.7, 3.6],
      wide: 0,
      bend: 22,
      base: 'verge',
      strips: (stream) => [
        ...(chance(stream, 0.4) ? [strip('parking', stream, 2.1, 2.4)] : []),
        strip('curb', stream, 0.25, 0.35),
        ...(chance(stream, 0.4) ? [strip('verge', stream, 1, 2)] : []),
        strip('sidewalk', stream, 1.4, 2.2),
      ],
      rows: [
        [behind(hedge, villa), 2],
        [behind(fence, villa), 2.4],
        [behind(wall, villa), 1.6],
        [villa, 0.8],
        [hedge, 0.8],
        [fence, 0.6],
        [gap, 0.5],
      ],
      rowLength: [11, 20],
      edge: [guardRail, 0.05],
      skyline: [
        ['tree', 5],
        ['building', 2],
      ],
      hills: 0.3,
      traffic: [
        [car, 6],
        [bicycle, 2],
        [truck, 1],
        [bus, 0.8],
        [motorcycle, 0.8],
        [caravan, 0.9],
      ],
      headway: [0.4, 1.6],
      walkers: [
        [person, 6],
        [dog, 1.6],
        [bird, 1],
      ],
      crowd: [0.35, 1.4],
      kerbside: [
        [streetlight, 2],
        [utilityPole, 1.4],
        [trafficSign, 2],
        [bins, 1.6],
        [tree, 1.6],
      ],
      inside: [
        [tree, 3.5],
        [bush, 2],
        [bench, 0.6],
      ],
      spacing: [0.3, 1],
      overpass: 0.05,
      flyover: 0,
      crossing: 0.1,
      jaywalker: 0.2,
    },
    2,
  ],
  [
    {
      ...indianCity,
      name: 'highway',
      drivesOnLeft: false,
      roadHalf: [6.4, 7.6],
      wide: 1,
      bend: 26,
      base: 'verge',
      strips: (stream) => [
        ...(chance(stream, 0.6) ? [strip('shoulder', stream, 1, 2.4)] : []),
        strip('verge', stream, 3, 9),
      ],
      rows: [
        [fence, 1.6],
        [wall, 1.4],
        [hedge, 1],
        [gap, 3],
      ],
      rowLength: [14, 40],
      edge: [guardRail, 0.85],
      skyline: [
        ['tree', 5],
        ['building', 1],
        ['tower', 0.6],
      ],
      hills: 0.5,
      traffic: [
        [car, 6],
        [truck, 3.2],
        [bus, 1.2],
        [caravan, 1],
        [motorcycle, 1.2],
      ],
      headway: [0.35, 1.3],
      walkers: [[bird, 1]],
      crowd: [0.8, 3],
      kerbside: [
        [streetlight, 1.6],
        [directionBoard, 2],
        [trafficSign, 1.2],
        [cones, 0.7],
      ],
      inside: [
        [tree, 4],
        [bush, 2.4],
        [billboard, 1.4],
      ],
      spacing: [0.3, 1.2],
      overpass: 0.6,
      flyover: 0,
      crossing: 0,
      jaywalker: 0,
    },
    1.7,
  ],
];

/** The kinds of street with how often each is drawn, relative to the others. */
export const streetKinds: Weighted<Kind> = [
  ...kinds,
  // The same lands with a line across the road, which is rare enough to be missed otherwise.
  ...kinds
    .filter(([{ name }]) => name === 'Indian road' || name === 'European suburb')
    .map(
      ([kind]) =>
        [
          { ...kind, name: `railway crossing, ${kind.name}`, bend: 0, overpass: 0, crossing: 1 },
          0.7,
        ] as const,
    ),
];
