import { ignoreIndex, type NamedColor } from '../class-set.js';
import { idd26Classes, idd26Labels, idd26RawToLevel3 } from './idd26.js';

/** The 7 level-1 classes of the India Driving Dataset, which IDD-Lite has, by class index. */
export const idd7Classes: readonly NamedColor[] = [
  ['drivable', [128, 64, 128]],
  ['non-drivable', [244, 35, 232]],
  ['living things', [220, 20, 60]],
  ['vehicles', [0, 0, 230]],
  ['roadside objects', [220, 190, 40]],
  ['far objects', [70, 70, 70]],
  ['sky', [70, 130, 180]],
];

/** The first level-3 class of each level-1 class. */
const firstLevel3 = [0, 2, 4, 6, 13, 22, 25];

function level1(level3: number): number {
  return firstLevel3.findLastIndex((first) => first <= level3);
}

/** Level-3 ids with their level-1 classes. */
export const idd7OfLevel3 = idd26Classes.map((_, level3) => [level3, level1(level3)] as const);

/** Raw ids with their level-1 classes. */
export const idd7OfRaw = idd26RawToLevel3.map(([raw, , level3]) => [raw, level1(level3)] as const);

/** Labels of IDD's polygons and their level-1 classes, 255 for those without one. */
export const idd7Labels: ReadonlyMap<string, number> = new Map(
  Array.from(idd26Labels, ([name, level3]) => [name, level3 === ignoreIndex ? ignoreIndex : level1(level3)]),
);
