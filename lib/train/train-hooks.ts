/** Callbacks of a training run, and the signal that stops it. */
import { callback, flag, signal, type OptionKinds } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import type { TrainConfig } from './config.js';
import type { EpochMetrics } from './epoch-metrics.js';

/** Progress of a run, reported after every batch and every evaluated image. */
export interface TrainProgress {
  /** Before the first epoch, `check` reads the records of a cache and `cache` makes the missing ones. */
  phase: 'check' | 'cache' | 'train' | 'evaluate';
  /** Current epoch, from 1; 0 before the first. */
  epoch: number;
  /** Epochs of the whole run. */
  epochs: number;
  /** Completed images of this phase; records in `check` and `cache`. */
  done: number;
  /** Total number of images or records. */
  total: number;
  /** Mean loss of the epoch so far; null in other phases than `train`, and for sweeps and folds. */
  loss: number | null;
}

/** Callbacks of a run, and the signal that stops it. */
export interface TrainHooks {
  /** Stops the run at the next optimiser step; its state is saved. */
  signal?: AbortSignal;
  /** Called after every batch and every evaluated image. */
  onProgress?: (progress: TrainProgress) => void;
  /** Called after every epoch with the line of metrics.jsonl; not for sweeps and folds. */
  onEpoch?: (metrics: EpochMetrics) => void;
  /** Called with each line of training.log. */
  onLog?: (line: string) => void;
  /**
   * As the option `trustCode` of {@link SegmentationModel.load}. It is none of the run's settings, so that a run folder from elsewhere, which names its
   * network, cannot state it.
   */
  trustCode?: boolean;
}

/** The kinds of the hooks of `makeCache`. */
export const cacheHooks: OptionKinds<Pick<TrainHooks, 'signal' | 'onProgress' | 'onLog' | 'trustCode'>> = {
  signal,
  onProgress: callback(),
  onLog: callback(),
  trustCode: flag,
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
    `Training was stopped; its state is saved. Continue with: dinov3-seg train --out ${config.out} --resume`,
  );
}
