/** How the passes of a network cover an image, and what comes of it. */
import { either, number, objectWith, oneOf, type OptionKinds } from '../arguments.js';
import { jobOptions, type JobOptions } from '../native/job.js';
import { imageSize } from './argument-kinds.js';
import type { ImageSize } from './image-size.js';

/** Pixels between one window and the next. */
export interface Stride {
  /** To the right. */
  x: number;
  /** Down. */
  y: number;
}

/** How {@link LinearProbe.segment} covers an image. */
export interface SegmentWithProbeOptions extends JobOptions {
  /**
   * Width and height of the network's input in pixels, multiples of 32. Default: what the head was trained at, else 512.
   */
  imageSize?: number | ImageSize;
  /** `whole` (default) resizes the image to imageSize; `slide` moves a window of imageSize over it. */
  mode?: 'whole' | 'slide';
  /** Step between windows in pixels, for `slide`. Default: two thirds of the window. */
  stride?: number | Stride;
  /** Windows that go through the network together, for `slide`. Results differ by rounding. Default 1. */
  passSize?: number;
}

/** The class of every pixel of an image. */
export interface ClassMap {
  /** Class indices H×W, row by row. */
  data: Uint8Array;
  /** Pixels: the image's own. */
  width: number;
  /** Pixels: the image's own. */
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
