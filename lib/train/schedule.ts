/** Learning rates and steps of a run. */
import { checkArgument, checkOptions, needed, number, type OptionKinds } from '../arguments.js';

/** Batches and optimiser steps of a run. */
export interface Schedule {
  /** Batches per epoch; the last one may be smaller. */
  batchesPerEpoch: number;
  /** Optimiser steps per epoch; the last one may accumulate fewer batches. */
  stepsPerEpoch: number;
  /** Optimiser steps of the whole run: the length of the cosine. */
  totalSteps: number;
}

/** Options of {@link schedule}. */
export interface ScheduleOptions {
  /** Number of training images. */
  images: number;
  /** Images per batch. */
  batchSize: number;
  /** Batches per optimiser step. */
  accumulate: number;
  /** Passes over the training images. */
  epochs: number;
}

const scheduleOptions: OptionKinds<ScheduleOptions> = {
  images: needed(number),
  batchSize: needed(number),
  accumulate: needed(number),
  epochs: needed(number),
};

/** Computes the batches and optimiser steps of a run. */
export function schedule(options: ScheduleOptions): Schedule {
  checkOptions(options, scheduleOptions, 'schedule()');
  return scheduleOf(options);
}

/** {@link schedule} of settings that have more than its options. */
export function scheduleOf(options: ScheduleOptions): Schedule {
  const batchesPerEpoch = Math.ceil(options.images / options.batchSize);
  const stepsPerEpoch = Math.ceil(batchesPerEpoch / options.accumulate);
  return { batchesPerEpoch, stepsPerEpoch, totalSteps: stepsPerEpoch * options.epochs };
}

/**
 * Learning rate of an optimiser step under cosine annealing to 0.
 * Closed form of Loshchilov & Hutter, "SGDR" (2017), eq. 5 with a minimum of 0 and no restart.
 *
 * @param initial learning rate of step 0.
 * @param step number of the step, from 0.
 * @param totalSteps {@link Schedule.totalSteps}.
 */
export function cosineLearningRate(initial: number, step: number, totalSteps: number): number {
  checkArgument(initial, number, 'cosineLearningRate(initial)');
  checkArgument(step, number, 'cosineLearningRate(step)');
  checkArgument(totalSteps, number, 'cosineLearningRate(totalSteps)');
  return (initial * (1 + Math.cos((Math.PI * step) / totalSteps))) / 2;
}
