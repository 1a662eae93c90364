/** How the passes of a network cover an image, and the resulting class map. */
import { either, number, objectWith, oneOf, type OptionKinds } from '../arguments.js';
import { jobOptions, type JobOptions } from '../native/job.js';
import { imageSize } from './argument-kinds.js';
import type { ImageSize } from './image-size.js';

/** Step between windows in pixels. */
export interface Stride {
  /** Horizontal step. */
  x: number;
  /** Vertical step. */
  y: number;
}

/** Options of {@link LinearProbe.segment}. */
export interface SegmentWithProbeOptions extends JobOptions {
  /**
   * Input size of the network in pixels: a number for width and height, or both; multiples of 32. Default: the
   * head's training size, else 512.
   */
  imageSize?: number | ImageSize;
  /** `whole` (default) resizes the image to imageSize. `slide` moves a window of imageSize over it. */
  mode?: 'whole' | 'slide';
  /** Step between windows in pixels, for `slide`. Default: two thirds of the window. */
  stride?: number | Stride;
  /** Number of windows per pass of the network, for `slide`. Results differ by rounding only. Default 1. */
  passSize?: number;
}

/** The class of every pixel of an image. */
export interface ClassMap {
  /** Class indices H×W, row by row. */
  data: Uint8Array;
  /** Width of the image in pixels. */
  width: number;
  /** Height of the image in pixels. */
  height: number;
}

const stride = either(number, objectWith<Stride>('{x, y}', { x: number, y: number }));

/** The kinds of {@link SegmentWithProbeOptions}. */
export const segmentWithProbeOptions: OptionKinds<SegmentWithProbeOptions> = {
  imageSize,
  ...jobOptions,
  mode: oneOf(['whole', 'slide']),
  stride,
  passSize: number,
};
