/** How far a training run has come. */
import type { BestEpoch } from './early-stopping.js';

/** Where a run stands. */
export interface RunPosition {
  /** Epoch being worked on, from 1. */
  epoch: number;
  /** Batches of it that are done; a multiple of `accumulate`, or all of them. */
  batch: number;
  /** Sum over those batches of loss times images. */
  lossSum: number;
  /** Of those batches. */
  images: number;
  /** That those batches took. */
  seconds: number;
  /** Best epoch so far. */
  best: BestEpoch | null;
  /** The random state: every random choice follows from it, the epoch and the image's index. */
  seed: number;
  /** All epochs are done, or the run stopped early. */
  finished: boolean;
}

/** The position of a run that has done nothing yet. */
export function startPosition(seed: number): RunPosition {
  return { epoch: 1, batch: 0, lossSum: 0, images: 0, seconds: 0, best: null, seed, finished: false };
}
