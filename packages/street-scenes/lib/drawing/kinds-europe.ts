/** Streets of Europe. */
import { bird, dog } from './animals.js';
import { fence, gap, guardRail, hedge, railing, wall } from './barriers.js';
import { oldHouse, villa } from './buildings.js';
import { chance } from './choose.js';
import { bench, bins, cones, stall } from './furniture.js';
import { bus, caravan, tram, truck } from './high-vehicles.js';
import { behind, strip } from './kind.js';
import type { Kind } from './kind.js';
import { bicycle, motorcycle, parkedBicycle, person } from './people.js';
import { bush, tree } from './plants.js';
import {
  billboard,
  directionBoard,
  streetlight,
  trafficLight,
  trafficSign,
  utilityPole,
} from './roadside.js';
import { car } from './vehicles.js';

export const europeanCity: Kind = {
  name: 'European city',
  drivesOnLeft: false,
  roadHalf: [3.2, 4.6],
  wide: 0.25,
  bend: 10,
  base: 'sidewalk',
  strips: (stream) => {
    const parked = chance(stream, 0.5) ? [strip('parking', stream, 2.1, 2.5)] : [];
    const walk = [strip('curb', stream, 0.25, 0.35), strip('sidewalk', stream, 1.8, 3.4)];
    const canal = chance(stream, 0.25) ? [strip('water', stream, 9, 14), strip('sidewalk', stream, 2.5)] : [];
    return [...parked, ...walk, ...canal];
  },
  rows: [
    [oldHouse, 7],
    [wall, 1.2],
    [fence, 1],
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
    [tram, 0.6],
    [truck, 1.1],
    [bicycle, 2.6],
    [motorcycle, 1],
  ],
  headway: [0.2, 1],
  riders: [
    [bicycle, 3],
    [motorcycle, 1],
  ],
  filtering: 0.6,
  walkers: [
    [person, 8],
    [dog, 0.9],
    [bird, 0.9],
  ],
  crowd: [0.15, 0.9],
  kerbside: [
    [streetlight, 2.2],
    [trafficLight, 3],
    [trafficSign, 2.2],
    [bins, 1.1],
    [parkedBicycle, 2.2],
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
};

export const europeanSuburb: Kind = {
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
    [fence, 1],
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
  riders: [
    [bicycle, 3],
    [motorcycle, 1],
  ],
  filtering: 0.45,
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
};

export const highway: Kind = {
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
  riders: [[motorcycle, 1]],
  filtering: 0.25,
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
};
