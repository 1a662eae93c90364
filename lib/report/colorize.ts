import { checkArgument } from '../arguments.js';
import { classSetKind, mapData } from '../data/argument-kinds.js';
import type { ClassSet } from '../data/class-set.js';
import { DinoSegError } from '../errors.js';

/**
 * Paints a class map in the colours of its class set; 255 (no class) is black.
 *
 * @param map class indices H×W of any size, as {@link SegmentationModel.segment} returns them.
 * @param set class set of the map.
 * @returns RGB pixels H×W×3, row by row, e.g. for {@link encodePng}.
 * @throws DinoSegError LABEL_VALUE for an index that is neither a class nor 255; INVALID_ARGUMENT.
 */
export function colorize(map: Uint8Array, set: ClassSet): Uint8Array {
  checkArgument(map, mapData, 'colorize(map)');
  checkArgument(set, classSetKind, 'colorize(set)');
  checkIndices(map, set);
  const rgb = new Uint8Array(map.length * 3);
  const palette = classPalette(set);
  for (let i = 0; i < map.length; i++) {
    const index = map[i]!;
    rgb[3 * i] = palette[3 * index]!;
    rgb[3 * i + 1] = palette[3 * index + 1]!;
    rgb[3 * i + 2] = palette[3 * index + 2]!;
  }
  return rgb;
}

/** Red, green and blue of each of 256 values, flat; black for those that are no class. */
export function classPalette(set: ClassSet): Uint8Array {
  const palette = new Uint8Array(256 * 3);
  for (const { index, color } of set.classes) palette.set(color, index * 3);
  return palette;
}

/** @throws LABEL_VALUE for an index of a class map that is neither a class nor 255 */
export function checkIndices(map: Uint8Array, set: ClassSet): void {
  for (let i = 0; i < map.length; i++) {
    const index = map[i]!;
    if (index < set.classes.length || index === set.ignoreIndex) continue;
    throw new DinoSegError(
      'LABEL_VALUE',
      `The class map contains index ${index}, but "${set.name}" has classes 0 to ${set.classes.length - 1}.`,
    );
  }
}

/** Joins N RGB images of H×W side by side: H×NW. @throws SHAPE if a size differs */
export function sideBySide(images: readonly Uint8Array[], width: number, height: number): Uint8Array {
  const row = width * 3;
  for (const [i, data] of images.entries())
    if (data.length !== row * height)
      throw new DinoSegError(
        'SHAPE',
        `Image ${i + 1} of ${images.length} should have ${height}×${width}×3 values, not ${data.length}.`,
      );
  const all = new Uint8Array(row * images.length * height);
  for (let y = 0; y < height; y++)
    for (const [i, data] of images.entries())
      all.set(data.subarray(y * row, (y + 1) * row), (y * images.length + i) * row);
  return all;
}
