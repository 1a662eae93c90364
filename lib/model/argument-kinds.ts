/** Kinds of values that several of the functions on networks and heads take. */
import { either, instanceOf, number, objectWith, oneOf } from '../arguments.js';
import type { Scoring } from '../native/bindings/engine.js';
import type { HeadMetadata, Precision } from './head-metadata.js';
import type { ImageSize } from './image-size.js';

const side = objectWith<ImageSize>('{width, height}', { width: number, height: number });
export const imageSize = either(number, side);
export const scoring = oneOf<Scoring>(['recipe', 'ade20k']);
export const precision = oneOf<Precision>(['bfloat16', 'float32']);
export const metadata = objectWith<Partial<HeadMetadata>>('an object', {});
export const floats = instanceOf('a Float32Array', () => Float32Array);
