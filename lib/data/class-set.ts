/** Red, green and blue, integers 0…255. */
export type Color = readonly [r: number, g: number, b: number];

/** A class in a built-in table; its position is its index. */
export type NamedColor = readonly [name: string, color: Color];

/** One class of a set, column `index` of the head's logits. */
export interface ClassInfo {
  /** Index from 0, as in class maps. */
  readonly index: number;
  /** Unique within its set. */
  readonly name: string;
  /** Colour in pictures of class maps. */
  readonly color: Color;
}

/**
 * The `<kind>` in `<frame>_gtFine_<kind>.png`, in the order of messages. `polygons` stands for the annotations
 * `<frame>_gtFine_polygons.json` of IDD and Cityscapes, whose objects have labels ({@link LabelMapping.names}).
 */
export const labelKinds = [
  'labelIds',
  'labelids',
  'labelTrainIds',
  'labellevel3Ids',
  'ade150Ids',
  'polygons',
] as const;
/** Kind of label files: part of their names, which determines what their values mean. */
export type LabelKind = (typeof labelKinds)[number];

/** How to treat objects whose label the class set does not have. */
export const unknownLabels = ['ignore', 'refuse'] as const;
/** `ignore`: draw pixels without a class (255), and count the objects; `refuse`: throw an error. */
export type UnknownLabels = (typeof unknownLabels)[number];

/** Meaning of the raw values of one kind of label files. */
export interface LabelMapping {
  /** Kind of the label files. */
  readonly kind: LabelKind;
  /** 256 entries: raw value → class index, or 255 (ignored). */
  readonly toIndex: Uint8Array;
  /** 256 entries: 1 if the raw value may occur. Any other value is an error (LABEL_VALUE), never ignored. */
  readonly known: Uint8Array;
  /**
   * Of kind `polygons`: the class index of each label of an object; 255 for objects that are drawn without a class, and
   * -1 for those that are not drawn.
   */
  readonly names?: ReadonlyMap<string, number>;
  /** Raw values that are ignored although the class file does not say so. */
  readonly ignoredByDefault?: readonly number[];
}

/** The classes of a head, and how label images store them. */
export interface ClassSet {
  /** Name of the built-in set, or the name in its file. */
  readonly name: string;
  /** Classes by index, at most 255. */
  readonly classes: readonly ClassInfo[];
  /** Index of pixels without a class in mapped labels. */
  readonly ignoreIndex: 255;
  /** The supported kinds of label files, the preferred one first. */
  readonly mappings: readonly LabelMapping[];
}

/** Value of pixels without a class in mapped labels. */
export const ignoreIndex = 255;

/** In place of a class index, for labels of objects that are not drawn. */
export const notDrawn = -1;

/** A mapping of raw values to classes; values in neither argument are unknown. */
export function labelMapping(
  kind: LabelKind,
  pairs: Iterable<readonly [raw: number, index: number]>,
  ignored: Iterable<number>,
): LabelMapping {
  const toIndex = new Uint8Array(256).fill(ignoreIndex);
  const known = new Uint8Array(256);
  for (const raw of ignored) known[raw] = 1;
  for (const [raw, index] of pairs) {
    toIndex[raw] = index;
    known[raw] = 1;
  }
  return { kind, toIndex, known };
}

/** Raw value = class index for `count` classes, 255 ignored. */
export function identityMapping(kind: LabelKind, count: number): LabelMapping {
  return labelMapping(
    kind,
    Array.from({ length: count }, (_, index) => [index, index] as const),
    [ignoreIndex],
  );
}

/** The mapping of polygons, which are drawn as class indices. */
export function polygonMapping(count: number, names: ReadonlyMap<string, number>): LabelMapping {
  return { ...identityMapping('polygons', count), names };
}

/** The names of classes as labels of polygons. */
export function namesOfClasses(classes: readonly NamedColor[]): Map<string, number> {
  return new Map(classes.map(([name], index) => [name, index]));
}

/**
 * A colour for a class without one, different for every index up to 255: hue in steps of the golden angle, and
 * three rounds of lightness and saturation so that neighbours in hue differ.
 */
export function distinctColor(index: number): Color {
  const hue = (index * 137.508) % 360;
  const saturation = [0.85, 0.55, 0.7][index % 3]!;
  const value = [0.95, 0.8, 0.6][Math.floor(index / 3) % 3]!;
  const channel = (offset: number): number => {
    const k = (offset + hue / 60) % 6;
    return Math.round(255 * value * (1 - saturation * Math.max(0, Math.min(k, 4 - k, 1))));
  };
  return [channel(5), channel(3), channel(1)];
}

/** A set from its classes in the order of their indices. */
export function classSet(
  name: string,
  classes: readonly NamedColor[],
  mappings: readonly LabelMapping[],
): ClassSet {
  return {
    name,
    classes: classes.map(([className, color], index) => ({ index, name: className, color })),
    ignoreIndex,
    mappings,
  };
}
