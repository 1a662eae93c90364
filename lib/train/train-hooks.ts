/** What a training run tells while it works, and how it is stopped. */
import { callback, flag, signal, type OptionKinds } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import type { TrainConfig } from './config.js';
import type { EpochMetrics } from './epoch-metrics.js';

/** Where training is; comes after every batch and every evaluated image. */
export interface TrainProgress {
  /** `check` and `cache` come before the first epoch: reading a cache's records, and making those that are missing. */
  phase: 'check' | 'cache' | 'train' | 'evaluate';
  /** From 1; 0 before the first. */
  epoch: number;
  /** Of the whole run. */
  epochs: number;
  /** Images of this phase that are done; records before the first epoch. */
  done: number;
  /** All of them. */
  total: number;
  /** Mean of the epoch's batches so far; null while evaluating. */
  loss: number | null;
}

/** What a run tells while it works, and how it is stopped. */
export interface TrainHooks {
  /** Stops at the next optimiser step, with a state to resume from. */
  signal?: AbortSignal;
  /** After every batch and every evaluated image. */
  onProgress?: (progress: TrainProgress) => void;
  /** After every epoch: the line of metrics.jsonl. */
  onEpoch?: (metrics: EpochMetrics) => void;
  /** Lines of training.log. */
  onLog?: (line: string) => void;
}

/** The kinds of what `makeCache` hears. */
export const cacheHooks: OptionKinds<Pick<TrainHooks, 'signal' | 'onProgress' | 'onLog'>> = {
  signal,
  onProgress: callback(),
  onLog: callback(),
};

/** The kinds of {@link TrainHooks} and `resume`. */
export const trainHooks: OptionKinds<TrainHooks & { resume?: boolean }> = {
  ...cacheHooks,
  onEpoch: callback(),
  resume: flag,
};

/** What a stopped run rejects with. */
export function stopped(config: TrainConfig): DinoSegError {
  return new DinoSegError(
    'ABORTED',
    `Training was stopped; its state is saved. Go on with: dinov3-seg train --out ${config.out} --resume`,
  );
}
