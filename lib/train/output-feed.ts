/** Where heads get what the frozen network makes of the images: from a cache, or from the network itself. */
import type { SegmentationDataset } from '../data/dataset.js';
import type { NetworkOutputs } from '../model/network-outputs.js';
import type { EachResult, HeadGroup } from './head-group.js';

/** The two splits of a run. */
export interface Datasets {
  train: SegmentationDataset;
  val: SegmentationDataset;
}

/** Records of a cache: those that were there, those that were made, and how long that took. */
export interface CacheFillStats {
  kept: number;
  made: number;
  seconds: number;
}

/** What is trained of an epoch, and how. */
export interface EpochPlan {
  /** From 1. */
  epoch: number;
  /** From 0; the first of a step. */
  firstBatch: number;
  /** S×N, for the steps of so many batches from one on. */
  learningRates(group: HeadGroup, firstBatch: number, batches: number): Float64Array;
  /** The head that leaves out a training image, by the image's index; absent: none does. */
  leftOutBy?: readonly number[] | undefined;
}

/** Some batches of an epoch. */
export interface FedBatches {
  batches: number;
  images: number;
  /** Whether an optimiser step ended them: only then can the state be saved. */
  stepped: boolean;
  /** Of each group: losses batches×N, and gradients' norms before clipping, steps×N; not finite: the head is lost. */
  results: { losses: Float64Array; norms: Float32Array }[];
}

/** Hears how an evaluation goes, and stops it. */
export interface EvaluateHooks {
  signal?: AbortSignal | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Gives heads the outputs of a frozen network. All groups see the same batches in the same order. */
export interface OutputFeed extends Disposable {
  /** Of the heads. */
  readonly device: string;
  /** Width of the queries or features. */
  readonly width: number;
  /** What was made before the first epoch, since the run was opened; undefined where nothing is. */
  readonly cacheFill: CacheFillStats | undefined;
  /** Labelled pixels of each class in the unchanged training images. */
  classPixels(): Promise<number[]>;
  /** Trains the groups on the batches that are left of an epoch. */
  train(groups: readonly HeadGroup[], plan: EpochPlan): AsyncGenerator<FedBatches, void, void>;
  /**
   * Evaluates the groups on the unchanged images of a split. @throws the signal's reason
   */
  evaluate(
    groups: readonly HeadGroup[],
    split: keyof Datasets,
    each: (group: HeadGroup, ...result: Parameters<EachResult>) => void,
    hooks: EvaluateHooks,
  ): Promise<void>;
  /** What the network gives for a validation image, by its index, as a batch of one. */
  outputsOf(index: number): Promise<NetworkOutputs>;
}
