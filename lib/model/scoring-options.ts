/** Options of functions that score images with a head, and scores as arrays. */
import type { OptionKinds } from '../arguments.js';
import { jobOptions, type JobOptions } from '../native/job.js';
import type { Scoring } from '../native/bindings/engine.js';
import { imageSize, scoring } from './argument-kinds.js';
import type { ImageSize } from './image-size.js';
import { headKind } from './open-head.js';
import { segmentWithProbeOptions, type SegmentWithProbeOptions } from './segment-options.js';
import type { SegmentationHead } from './segmentation-head.js';

/** Options for scoring an image. */
export interface ScoringOptions extends JobOptions {
  /** The head. Default: the model's own, see {@link SegmentationModel.ownHead}. With a {@link LinearProbe} only the backbone runs. */
  head?: SegmentationHead;
  /** Default: `recipe` with a head, `ade20k` with the own class_embed. A linear probe supports `recipe` only. */
  scoring?: Scoring;
  /**
   * Input size of the network in pixels: a number for width and height, or both; multiples of 32. Default: the
   * head's training size, else 512.
   */
  imageSize?: number | ImageSize;
}

/** Options of {@link SegmentationModel.segment}. */
export interface SegmentImageOptions extends ScoringOptions, SegmentWithProbeOptions {}

/** Options of {@link SegmentationModel.scores}. */
export interface ScoreImageOptions extends ScoringOptions {
  /** Size of the scores in pixels: a number for width and height, or both. Default: the size of the image. */
  outputSize?: number | ImageSize;
}

/** The score of every class at every pixel. */
export interface ScoreMap {
  /** Scores, classes×height×width; higher is better. */
  data: Float32Array;
  /** Number of classes: the head's outputs, or one less with `ade20k` scoring, which leaves out "no object". */
  classes: number;
  /** Width in pixels. */
  width: number;
  /** Height in pixels. */
  height: number;
}

const scoringOptions: OptionKinds<ScoringOptions> = { head: headKind, scoring, imageSize, ...jobOptions };

/** The kinds of {@link SegmentImageOptions}. */
export const segmentImageOptions: OptionKinds<SegmentImageOptions> = {
  ...scoringOptions,
  ...segmentWithProbeOptions,
};

/** The kinds of {@link ScoreImageOptions}. */
export const scoreImageOptions: OptionKinds<ScoreImageOptions> = { ...scoringOptions, outputSize: imageSize };
