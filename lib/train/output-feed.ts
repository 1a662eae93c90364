/** Source of the frozen network's outputs, which heads train on: a cache, or the network itself. */
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
  /** S×N: a rate for each of N heads and of the S steps that `batches` batches from `firstBatch` on make. */
  learningRates(group: HeadGroup, firstBatch: number, batches: number): Float64Array;
  /** The head that leaves out a training image, by the image's index; absent: none does. */
  leftOutBy?: readonly number[] | undefined;
  /** Ends waiting for a batch that is decoded. */
  signal?: AbortSignal | undefined;
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

/** Progress callback and stop signal of an evaluation. */
export interface EvaluateHooks {
  signal?: AbortSignal | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Supplies heads with the outputs of a frozen network. All groups see the same batches in the same order. */
export interface OutputFeed extends Disposable {
  /** Of the heads: the first of {@link devices}. */
  readonly device: string;
  /** Of the network. */
  readonly devices: readonly string[];
  /** Width of the queries or features. */
  readonly width: number;
  /** Records made before the first epoch; undefined without a cache. */
  readonly cacheFill: CacheFillStats | undefined;
  /** Checks that the network gives what a group reads; absent where its outputs are there already. @throws DinoSegError MODEL_FORMAT, HEAD_MISMATCH */
  assertFits?(group: HeadGroup): void;
  /** Labelled pixels of each class in the unchanged training images. @throws the signal's reason */
  classPixels(signal?: AbortSignal): Promise<number[]>;
  /** Trains the groups on the batches that are left of an epoch. @throws the signal's reason, between two batches */
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
