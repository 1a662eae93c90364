/** What a training run came to. */
import type { ReportOutcome } from '../report/html/attempt.js';
import type { BestEpoch } from './early-stopping.js';
import type { SweepSettings } from './sweep-settings.js';

/** One head of a sweep and what it came to. */
export interface SweepRow extends SweepSettings {
  /** Its number, from 0; with folds the fold that it left out. */
  head: number;
  /** Its best epoch; null when none could be measured. */
  best: BestEpoch | null;
  /** mIoU after the last epoch that counted for it. */
  lastMIoU: number | null;
  /** `trained`; `stopped`: its patience ran out; `lost`: its loss or gradient was not finite any more. */
  outcome: 'trained' | 'stopped' | 'lost';
}

/** What a run came to; `report`: its report.html. */
export interface TrainResult extends ReportOutcome {
  /** The run folder. */
  out: string;
  /** null when no epoch had a mIoU that could be measured. */
  best: BestEpoch | null;
  /** Epochs that were done, in this and earlier sittings. */
  epochs: number;
  /** Whether `patience` ended it before its last epoch. */
  stoppedEarly: boolean;
  /** Of a sweep or folds: every head's settings and result. */
  heads?: SweepRow[];
}
