/** Learning rates and steps of a run. */
import { checkArgument, checkOptions, needed, number, type OptionKinds } from '../arguments.js';

/** Counts of a run's batches and steps. */
export interface Schedule {
  /** Batches of an epoch; the last one may be smaller. */
  batchesPerEpoch: number;
  /** Optimiser steps of an epoch; the last one may have gathered fewer batches than the others. */
  stepsPerEpoch: number;
  /** Steps of all epochs: the length of the cosine. */
  totalSteps: number;
}

/** What a schedule follows from. */
export interface ScheduleOptions {
  /** Training images. */
  images: number;
  /** Images of a batch. */
  batchSize: number;
  /** Batches of a step. */
  accumulate: number;
  /** Passes over the images. */
  epochs: number;
}

const scheduleOptions: OptionKinds<ScheduleOptions> = {
  images: needed(number),
  batchSize: needed(number),
  accumulate: needed(number),
  epochs: needed(number),
};

/** How many batches and steps a data set gives. */
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
 * Cosine annealing to 0, stepped each optimiser step: the learning rate of step `step` (from 0) of `totalSteps`.
 * Closed form of Loshchilov & Hutter, "SGDR" (2017), eq. 5 with a minimum of 0 and no restart.
 *
 * @param initial learning rate of step 0.
 * @param step from 0.
 * @param totalSteps {@link Schedule.totalSteps}.
 */
export function cosineLearningRate(initial: number, step: number, totalSteps: number): number {
  checkArgument(initial, number, 'cosineLearningRate(initial)');
  checkArgument(step, number, 'cosineLearningRate(step)');
  checkArgument(totalSteps, number, 'cosineLearningRate(totalSteps)');
  return (initial * (1 + Math.cos((Math.PI * step) / totalSteps))) / 2;
}
