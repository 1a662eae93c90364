/** Where a network runs, and in which precision. */
import { flag, oneOf, text, type OptionKinds } from '../arguments.js';
import { jobOptions, type JobOptions } from '../native/job.js';
import type { NetworkPrecision } from '../native/bindings/engine.js';
import { networkPrecisions } from './network-precision.js';

/** Where a network runs, and in which precision. */
export interface LoadOptions extends JobOptions {
  /**
   * `cpu`, `cuda:0`, …; `auto` (default) takes a CUDA device where there is one, else the CPU. A CUDA device that is named and
   * not there is an error.
   */
  device?: string;
  /** Precision of the backbone's weights; `stored` (default) keeps the file's. */
  dtype?: 'stored' | 'float32' | 'bfloat16';
  /**
   * What a network with a bfloat16 backbone computes its pixel decoder in: `tf32` (default) in TF32 where the device has
   * it (CUDA) and else in float32, `reference` in float32 as the reference does, `fast` in bfloat16, a tenth faster and less
   * exact. A float32 network is float32 throughout.
   */
  precision?: NetworkPrecision;
  /**
   * Whether passes are recorded as CUDA graphs and repeated without gaps between kernels, from the second of an image size
   * on (default true; needs the CUDA kernels). Recordings of the last four sizes are kept; each holds the memory of a pass.
   */
  cudaGraphs?: boolean;
}

/** The kinds of how a network runs, whatever file or seed it is of. */
export const waysToRunOptions = { precision: oneOf(networkPrecisions), cudaGraphs: flag };

/** The kinds of {@link LoadOptions}. */
export const loadOptions: OptionKinds<LoadOptions> = {
  device: text,
  dtype: oneOf(['stored', 'float32', 'bfloat16']),
  ...waysToRunOptions,
  ...jobOptions,
};
