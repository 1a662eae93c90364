/** Shares of classes in whole images, as the engine has them; legend and rules in engine.ts. */
import type { HeadsHandle, JobHandle, ModelHandle } from './handles.js';
import type { CopiedImage, PreparedImage, RawImage, RawLabel } from './images.js';
import type { Scoring } from './model.js';

/** A head and the columns that its classes count for. */
export interface ShareLayer {
  head: HeadsHandle;
  /** A probe takes `recipe`. */
  scoring: Scoring;
  /** 256 values: class → column, or 255 for none. */
  table: Uint8Array;
}

export interface ShareOptions {
  /** Of the network's input, multiples of 32. */
  width: number;
  height: number;
  /** 1 to 255. */
  columns: number;
  /** Means of the scores' shares on the grid of the masks instead of pixels of the class map. */
  soft: boolean;
}

/** The engine's functions on shares of classes. */
export interface SharesEngine {
  /**
   * Images × (columns + 1), the last for what has no column: pixels of the class maps at each image's own size, or soft
   * shares, which sum to 1. All layers score one pass of the network; where the table of a later layer has a column, it
   * goes over the earlier ones.
   */
  classShares(
    model: ModelHandle,
    layers: readonly ShareLayer[],
    images: readonly (RawImage | CopiedImage | PreparedImage)[],
    options: ShareOptions,
    job?: JobHandle,
  ): Promise<Float64Array>;
  /** Pixels of each class and, last, of 255: classes + 1. LABEL_VALUE for any other value. */
  labelShares(label: RawLabel & { channels: 1 }, classes: number, job?: JobHandle): Promise<Float64Array>;
}
