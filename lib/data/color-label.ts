/** Label images that store the colour of the class of each pixel. */
import { DinoSegError } from '../errors.js';
import { engine } from '../native/engine.js';
import { ignoreIndex, type ClassSet } from './class-set.js';
import type { LabelImage, RgbImage } from './decode.js';

/** Stands for no class in published pictures, unless a class has it. */
const black = 0;
const mostShown = 4;

/** Red, green and blue as one number. */
type Packed = number;

interface ColorTable {
  /** As the engine takes it. */
  packed: Uint32Array;
  /** Colours that several classes have, with their names. */
  shared: ReadonlyMap<Packed, string[]>;
}

const tables = new WeakMap<ClassSet, ColorTable>();

function tableOf(set: ClassSet): ColorTable {
  const found = tables.get(set);
  if (found) return found;
  const classes = new Map<Packed, number[]>();
  for (const { index, color } of set.classes) {
    const packed = (color[0] << 16) | (color[1] << 8) | color[2];
    classes.set(packed, [...(classes.get(packed) ?? []), index]);
  }
  const shared = [...classes].filter(([, indices]) => indices.length > 1);
  for (const [color] of shared) classes.delete(color);
  const isShared = shared.some(([color]) => color === black);
  if (!classes.has(black) && !isShared) classes.set(black, [ignoreIndex]);
  const table: ColorTable = {
    packed: Uint32Array.from(classes, ([color, [index]]) => color * 256 + index!),
    shared: new Map(shared.map(([color, indices]) => [color, indices.map((i) => set.classes[i]!.name)])),
  };
  tables.set(set, table);
  return table;
}

function shownColor(color: Packed): string {
  return `(${color >> 16}, ${(color >> 8) & 255}, ${color & 255})`;
}

function refuseColors({ data, width }: RgbImage, set: ClassSet, source: string): never {
  const { packed, shared } = tableOf(set);
  const known = new Set(Array.from(packed, (each) => each >>> 8));
  const counts = new Map<Packed, { pixels: number; first: number }>();
  for (let i = 0; 3 * i < data.length; i++) {
    const color = (data[3 * i]! << 16) | (data[3 * i + 1]! << 8) | data[3 * i + 2]!;
    if (known.has(color)) continue;
    const found = counts.get(color);
    if (found) found.pixels++;
    else counts.set(color, { pixels: 1, first: i });
  }
  const [[, { first }]] = counts as unknown as [[Packed, { first: number }]];
  const listed = [...counts].slice(0, mostShown).map(([color, { pixels }]) => {
    const names = shared.get(color);
    return `${shownColor(color)} (${pixels} pixels${names ? `; a colour of ${names.join(' and ')}` : ''})`;
  });
  const more = counts.size > mostShown ? ` and ${counts.size - mostShown} more colours` : '';
  throw new DinoSegError(
    'IMAGE',
    `${source} is a colour picture, and not all of its colours are that of one class of "${set.name}": ` +
      `${listed.join(', ')}${more}; the first at x ${first % width}, y ${Math.floor(first / width)}. Give the class file ` +
      'the colours of the picture ("color": [red, green, blue]; black is no class), or use label images with one value ' +
      'per pixel (8- or 16-bit grey, or a palette).',
  );
}

/**
 * Class indices of the pixels of a colour-coded label image; 255 for black, unless it is the colour of a class.
 *
 * @throws DinoSegError IMAGE if a pixel has a colour that no class has, or several.
 */
export async function classesOfColors(colors: RgbImage, set: ClassSet, source: string): Promise<LabelImage> {
  const { width, height } = colors;
  const data = await engine().mapColors(colors.data, tableOf(set).packed);
  return data ? { data, width, height } : refuseColors(colors, set, source);
}
