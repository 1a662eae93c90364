/** Results of a training run. */
import type { ReportOutcome } from '../report/html/attempt.js';
import type { BestEpoch } from './early-stopping.js';
import type { SweepSettings } from './sweep-settings.js';

/** Settings and result of one head of a sweep or of folds. */
export interface SweepRow extends SweepSettings {
  /** Number of the head, from 0; with folds, the fold that it left out. */
  head: number;
  /** Best epoch; null if no mIoU could be measured. */
  best: BestEpoch | null;
  /** mIoU after the last epoch in which it was trained; null if it could not be measured. */
  lastMIoU: number | null;
  /** `stopped`: early, by `patience`; `lost`: its loss or gradient was not finite. */
  outcome: 'trained' | 'stopped' | 'lost';
}

/** Result of a run; `report` is the path of its report.html. */
export interface TrainResult extends ReportOutcome {
  /** The run folder. */
  out: string;
  /** Best epoch; null if no mIoU could be measured. */
  best: BestEpoch | null;
  /** Epochs completed, including earlier runs. */
  epochs: number;
  /** Whether `patience` ended the run before its last epoch. */
  stoppedEarly: boolean;
  /** Settings and results of all heads, for a sweep or folds. */
  heads?: SweepRow[];
}
