/** Kinds of what training, evaluation and prediction take. */
import {
  callback,
  flag,
  instanceOf,
  kind,
  needed,
  number,
  objectWith,
  signal,
  text,
  type OptionKinds,
} from '../arguments.js';
import { classSetKind } from '../data/argument-kinds.js';
import { SegmentationDataset } from '../data/dataset.js';
import { scoring, segmentImageOptions } from '../model/argument-kinds.js';
import type { EvaluateOptions } from './evaluate.js';
import type { EvaluationReportOptions } from './evaluate-report.js';
import type { TrainHooks } from './loop.js';
import type { PredictOptions } from './predict.js';
import type { ScheduleOptions } from './schedule.js';
import type { Evaluation } from './tally.js';

export const datasetKind = instanceOf('a SegmentationDataset', () => SegmentationDataset);

const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Settings by name; which ones there are is for `resolveConfig` to say. */
export const settingsKind = kind<object>('an object of settings', isObject);

export const evaluationKind = objectWith<Evaluation>('an evaluation, as evaluate() gives it', {
  images: number,
  classes: kind('a list', Array.isArray),
  confusion: kind('a list', Array.isArray),
  seconds: number,
});

/** The kinds of {@link EvaluateOptions}. */
export const evaluateOptions: OptionKinds<EvaluateOptions> = {
  imageSize: number,
  scoring,
  prefetch: number,
  passSize: number,
  signal,
  onProgress: callback(),
  onLog: callback(),
};

/** The kinds of {@link EvaluationReportOptions}. */
export const evaluationReportOptions: OptionKinds<EvaluationReportOptions> = {
  imageSize: number,
  scoring,
  signal,
  examples: number,
  lead: text,
  settings: kind('an object of names and values', isObject),
};

/** The kinds of {@link PredictOptions}. */
export const predictOptions: OptionKinds<PredictOptions> = {
  ...segmentImageOptions,
  classSet: needed(classSetKind),
  output: needed(text),
  report: text,
  signal,
  onProgress: callback(),
  onLog: callback(),
};

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

/** The kinds of {@link ScheduleOptions}. */
export const scheduleOptions: OptionKinds<ScheduleOptions> = {
  images: needed(number),
  batchSize: needed(number),
  accumulate: needed(number),
  epochs: needed(number),
};
