/** Kinds of what the functions on data take. */
import {
  bytes,
  kind,
  listOf,
  number,
  objectWith,
  oneOf,
  text,
  type Kind,
  type OptionKinds,
} from '../arguments.js';
import {
  labelKinds,
  unknownLabels,
  type ClassInfo,
  type ClassSet,
  type Color,
  type LabelMapping,
} from './class-set.js';
import type { RgbImage } from './decode.js';
import { layoutNames, type LayoutOptions } from './layout.js';

const color = kind<Color>('a color', (value) => Array.isArray(value) && value.length === 3);
const classInfo = objectWith<ClassInfo>('a class', { index: number, name: text, color });
const mapping = objectWith<LabelMapping>('a mapping', { kind: text as Kind<LabelMapping['kind']> });

/** Names and colours of classes. */
export const classSetKind = objectWith<ClassSet>('a class set, as loadClassSet() gives it', {
  name: text,
  classes: listOf(classInfo),
  mappings: listOf(mapping),
});

/** The class of every pixel, or what a label file holds. */
export const mapData = kind<Uint8Array>(
  'class indices in a Uint8Array',
  (value) => value instanceof Uint8Array,
);

/** Decoded pixels. */
export const rgbImageKind = objectWith<RgbImage>(
  'an image {data, width, height}, as decodeImage() gives it',
  {
    data: bytes,
    width: number,
    height: number,
  },
);

/** The kinds of {@link LayoutOptions}. */
export const layoutOptions: OptionKinds<LayoutOptions> = {
  labelKind: oneOf(labelKinds),
  layout: oneOf(layoutNames),
  images: text,
  labels: text,
  unknown: oneOf(unknownLabels),
  valShare: number,
  maxPixels: number,
};
