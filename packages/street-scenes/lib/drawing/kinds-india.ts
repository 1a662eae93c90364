/** Streets of India, where traffic drives on the left. */
import { bird, cow, dog } from './animals.js';
import { fence, gap, guardRail, hedge, railing, wall } from './barriers.js';
import { cityHouse, hut } from './buildings.js';
import { handcart } from './carts.js';
import { chance } from './choose.js';
import { barrels, bins, cones, crates, stall } from './furniture.js';
import { bus, tractor, truck } from './high-vehicles.js';
import { behind, strip } from './kind.js';
import type { Kind } from './kind.js';
import { bicycle, motorcycle, parkedMotorcycle, person } from './people.js';
import { bush, palm, tree } from './plants.js';
import { billboard, streetlight, trafficLight, trafficSign, utilityPole } from './roadside.js';
import { autorickshaw, car } from './vehicles.js';

export const indianCity: Kind = {
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
    [fence, 1.2],
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
    [autorickshaw, 6],
    [motorcycle, 4.5],
    [bicycle, 1.6],
    [bus, 1.5],
    [truck, 1.2],
    [handcart, 0.9],
    [tractor, 0.4],
  ],
  headway: [0.12, 0.75],
  riders: [
    [motorcycle, 3],
    [bicycle, 1.4],
  ],
  filtering: 0.75,
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
    [trafficLight, 1.8],
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

export const indianRoad: Kind = {
  name: 'Indian road',
  drivesOnLeft: true,
  roadHalf: [2.8, 3.8],
  wide: 0,
  bend: 26,
  base: 'verge',
  strips: (stream) => [
    strip('shoulder', stream, 1, 2.4),
    strip('verge', stream, 1.5, 6),
    ...(chance(stream, 0.2) ? [strip('track', stream, 4.5), strip('verge', stream, 2)] : []),
  ],
  rows: [
    [hut, 2],
    [wall, 1],
    [hedge, 0.7],
    [fence, 1],
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
    [autorickshaw, 3.4],
    [bus, 1.3],
    [tractor, 1.6],
    [bicycle, 1.4],
    [handcart, 0.8],
  ],
  headway: [0.3, 1.3],
  riders: [
    [motorcycle, 2],
    [bicycle, 1.4],
  ],
  filtering: 0.5,
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
};
