/** The figures of an epoch: a line of metrics.jsonl. */
import type { RunPosition } from './run-position.js';
import { cosineLearningRate } from './schedule.js';
import type { Evaluation } from '../evaluate/evaluation.js';

/** One line of metrics.jsonl. IoU and accuracy are 0…1, and null if nothing could be measured. */
export interface EpochMetrics {
  /** Number of the epoch, from 1. */
  epoch: number;
  /** Mean training loss over the epoch's images. */
  trainLoss: number;
  /** Mean loss over the validation images. */
  valLoss: number | null;
  /** Mean IoU over the classes in the validation labels, from one confusion matrix of the whole set. */
  mIoU: number | null;
  /** Mean over the validation images of the mIoU of each image. Not comparable with `mIoU`. */
  perImageIoU: number | null;
  /** Share of correct pixels among those with a class. */
  pixelAccuracy: number | null;
  /** IoU of each class over the validation set, by index; null for a class in neither labels nor predictions. */
  classIoU: (number | null)[];
  /** Learning rate of the epoch's last step. */
  lr: number;
  /** Duration of training and evaluation. */
  seconds: number;
  /** Throughput of training. */
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
