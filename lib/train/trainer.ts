/** What the loop needs of a way of training: live, or on cached outputs. */
import type { DecodedImages } from '../model/decoded-images.js';
import type { HeadMetadata } from '../model/head-metadata.js';
import type { Tensor } from '../model/tensor.js';
import type { Evaluation } from '../evaluate/evaluation.js';
import type { TrainHooks } from './train-hooks.js';

/** A head that a run folder can save. */
export interface SavableHead {
  /** As {@link ClassHead.save}. */
  save(path: string, options: { metadata: Partial<HeadMetadata>; optimizer?: boolean }): Promise<void>;
}

/** Some batches of an epoch, done. */
export interface TrainedBatches {
  batches: number;
  images: number;
  /** Of each batch, loss times images: added up one by one, so that a sum does not depend on where a sitting ended. */
  losses: number[];
  /** Whether an optimiser step ended them: only then can the state be saved. */
  stepped: boolean;
}

/** Records of a cache: those that were there, those that were made, and how long that took. */
export interface CacheFillStats {
  kept: number;
  made: number;
  seconds: number;
}

/** Trains and evaluates one head. */
export interface HeadTrainer extends Disposable {
  readonly head: SavableHead;
  readonly device: string;
  /** Outputs of the head. */
  readonly outputs: number;
  /** What was made before the first epoch, in this sitting; undefined where nothing is. */
  readonly cacheFill: CacheFillStats | undefined;
  /** The epoch's batches from `firstBatch` (from 0) on. */
  train(epoch: number, firstBatch: number): AsyncGenerator<TrainedBatches, void, void>;
  /** What the network gives for a validation image, by its index, with a batch of one: for pictures of what a head makes of it. */
  outputsOf(index: number): Promise<DecodedImages | Tensor>;
  /** On the validation images. @throws the signal's reason */
  evaluate(
    options: Pick<TrainHooks, 'signal'> & { onProgress?: (done: number, total: number) => void },
  ): Promise<Evaluation>;
}
