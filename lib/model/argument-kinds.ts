/** Kinds of values that several of the functions on networks and heads take. */
import { either, instanceOf, kind, needed, number, objectWith, oneOf } from '../arguments.js';
import type { Normalization, Scoring } from '../native/bindings/engine.js';
import type { HeadMetadata, Precision } from './head-metadata.js';
import type { ImageSize } from './image-size.js';

const side = objectWith<ImageSize>('{width, height}', { width: number, height: number });
export const imageSize = either(number, side);
export const scoring = oneOf<Scoring>(['recipe', 'ade20k']);
export const precision = oneOf<Precision>(['bfloat16', 'float32']);
export const metadata = objectWith<Partial<HeadMetadata>>('an object', {});
const three = kind<readonly [number, number, number]>(
  'a list of 3 numbers',
  (value) => Array.isArray(value) && value.length === 3 && value.every(Number.isFinite),
);
export const normalizationKind = objectWith<Normalization>('{mean, std}', {
  mean: needed(three),
  std: needed(three),
});
export const floats = instanceOf('a Float32Array', () => Float32Array);
