/** The figures of an epoch: a line of metrics.jsonl. */
import type { RunPosition } from './run-position.js';
import { cosineLearningRate } from './schedule.js';
import type { Evaluation } from '../evaluate/evaluation.js';

/** One line of metrics.jsonl. IoU and accuracy are 0…1; null where nothing could be measured. */
export interface EpochMetrics {
  /** From 1. */
  epoch: number;
  /** Mean loss of the epoch's images while they were trained on. */
  trainLoss: number;
  /** Mean of the validation images' losses. */
  valLoss: number | null;
  /** Of the validation set: one confusion matrix, mean over the classes that occur in its labels. */
  mIoU: number | null;
  /** Mean of the images' own mIoU; higher or lower than mIoU, and no substitute for it. */
  perImageIoU: number | null;
  /** Right pixels among all that have a class. */
  pixelAccuracy: number | null;
  /** IoU of each class over the validation set, by index; null where it occurs in neither labels nor predictions. */
  classIoU: (number | null)[];
  /** Learning rate of the epoch's last step. */
  lr: number;
  /** Training and evaluation together. */
  seconds: number;
  /** Of training. */
  imagesPerSecond: number;
}

/** The line of an epoch that is done; `rate`: what its learning rates follow from. */
export function epochMetrics(
  position: Pick<RunPosition, 'epoch' | 'images' | 'seconds'> & { lossSum: number },
  evaluation: Evaluation,
  rate: { initial: number; stepsPerEpoch: number; totalSteps: number },
): EpochMetrics {
  const { epoch, lossSum, images, seconds } = position;
  return {
    epoch,
    trainLoss: lossSum / images,
    valLoss: evaluation.loss,
    mIoU: evaluation.mIoU,
    perImageIoU: evaluation.perImageIoU,
    pixelAccuracy: evaluation.pixelAccuracy,
    classIoU: evaluation.classes.map(({ iou }) => iou),
    lr: cosineLearningRate(rate.initial, epoch * rate.stepsPerEpoch - 1, rate.totalSteps),
    seconds: seconds + evaluation.seconds,
    imagesPerSecond: images / seconds,
  };
}
