import { checkArgument } from '../arguments.js';
import { classSetKind, mapData } from '../data/argument-kinds.js';
import type { ClassInfo, ClassSet } from '../data/class-set.js';

/** How much of a class map a class covers. */
export interface ClassShare extends ClassInfo {
  /** Pixels of the class. */
  readonly pixels: number;
  /** Percent (0…100) of all pixels of the map, those without a class included. */
  readonly percent: number;
}

/** Pixels of each class and of 255 in a class map of any size. */
export function countPixels(map: Uint8Array, set: ClassSet): { counts: number[]; ignored: number } {
  const all = new Uint32Array(256);
  // Iterating by for…of takes five times as long.
  for (let i = 0; i < map.length; i++) all[map[i]!]!++;
  return { counts: set.classes.map(({ index }) => all[index]!), ignored: all[set.ignoreIndex]! };
}

/**
 * Pixels and percent of every class of the set in a class map, by class index; classes that do not occur have 0.
 *
 * @param map class indices H×W of any size, as {@link SegmentationModel.segment} gives them; 255 is no class.
 * @param set the classes that the map was made with.
 */
export function classPercentages(map: Uint8Array, set: ClassSet): ClassShare[] {
  checkArgument(map, mapData, 'classPercentages(map)');
  checkArgument(set, classSetKind, 'classPercentages(set)');
  const { counts } = countPixels(map, set);
  return set.classes.map((info) => {
    const pixels = counts[info.index]!;
    return { ...info, pixels, percent: (100 * pixels) / Math.max(1, map.length) };
  });
}

/**
 * A text table of the pixels and percent (of all pixels) of every class, by class index, with a total;
 * pixels without a class get a line of their own where there are any.
 *
 * @param map class indices H×W of any size.
 * @param set the classes that the map was made with.
 */
export function classStatistics(map: Uint8Array, set: ClassSet): string {
  checkArgument(map, mapData, 'classStatistics(map)');
  checkArgument(set, classSetKind, 'classStatistics(set)');
  const { counts, ignored } = countPixels(map, set);
  const percent = (count: number): string => ((100 * count) / Math.max(1, map.length)).toFixed(2);
  const line = (index: string, name: string, count: number): string[] => [
    index,
    name,
    String(count),
    percent(count),
  ];
  const body = set.classes.map(({ index, name }) => line(String(index), name, counts[index]!));
  if (ignored > 0) body.push(line(String(set.ignoreIndex), '(no class)', ignored));
  const rows = [['index', 'class', 'pixels', 'percent'], ...body, line('', 'total', map.length)];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column === 1 ? cell.padEnd(widths[1]!) : cell.padStart(widths[column]!)))
      .join('  '),
  );
  const rule = '-'.repeat(lines[0]!.length);
  return [lines[0], rule, ...lines.slice(1, -1), rule, lines.at(-1), ''].join('\n');
}
