/** Device and precision of a network. */
import { flag, number, oneOf, type OptionKinds } from '../arguments.js';
import { jobOptions, type JobOptions } from '../native/job.js';
import type { NetworkPrecision } from '../native/bindings/engine.js';
import { DinoSegError } from '../errors.js';
import { withoutUndefined } from '../without-undefined.js';
import { deviceKind } from './device.js';
import { gpuMemoryKind } from './gpu-memory.js';
import { defaultPrecision, networkPrecisions } from './network-precision.js';

/** Device and precision of a network. */
export interface LoadOptions extends JobOptions {
  /**
   * Device, such as `cpu` or `cuda:0`, or several: `cuda:0,cuda:2` or `['cuda:0', 'cuda:2']`. `cuda` is all visible CUDA
   * devices. `auto` (default) is the same where there are any, else the CPU. A named CUDA device that does not exist is an
   * error.
   */
  device?: string | readonly string[];
  /** Precision of the backbone's weights; `stored` (default) keeps the file's. */
  dtype?: 'stored' | 'float32' | 'bfloat16';
  /**
   * Precision of a network with a bfloat16 backbone. `float16`, `tf32`, `reference` and `fast` are about its pixel decoder.
   * `float16` (default) uses float16 with sums in float32 on CUDA, else float32; a pass whose values float16 cannot hold is run
   * again in TF32, with a warning the first time. `tf32` uses TF32 on CUDA, else float32; it was the default of earlier releases.
   * `reference` uses float32, as the reference does. `fast` uses bfloat16: a tenth faster and less exact. A float32 network
   * is float32 throughout. Except in `reference`, layers with nothing between them are multiplied out when the network is
   * loaded: results differ by rounding.
   *
   * `fp8` keeps the linears of the backbone's blocks, except the first and the last block, in 8 bits (e4m3): half the
   * bytes of these weights, and less exact (docs/checks.md). All else is as in `float16`. It needs a bfloat16 backbone and a CUDA
   * device of compute capability 8.9, or 9.0 and later. The file is not changed; exports take its weights.
   */
  precision?: NetworkPrecision;
  /**
   * Whether to record passes as CUDA graphs, which run without gaps between kernels, from the second pass of an image
   * size on. Needs the package's library for CUDA (cuda_ops.so). Recordings of the last four sizes are kept; each holds the memory of a pass.
   * Default true.
   */
  cudaGraphs?: boolean;
  /**
   * Where the weights of the backbone's blocks and of the decoder are. `resident`: on the device. `stream`: in the host's
   * memory, from which they are copied to the device ahead of the computation; with `gpuMemory`, as many blocks as fit stay on the
   * device. `auto` (default): on the device if they fit, else as `stream`, with as many blocks on the device as fit. The
   * results are the same (docs/memory.md).
   */
  weights?: WeightPlacement;
  /**
   * Maximum of a GPU's memory that the process takes, CUDA's own share included: bytes, or a text such as `8GB` or
   * `7.5GiB`. It holds until another is given. Null or absent: no maximum.
   */
  gpuMemory?: number | string | null;
  /**
   * Whether the file's code may use any operator. A network file is a program: with `true`, one from elsewhere may read and
   * write files, and may do so while it is loaded. By default, only operators that networks are made of are allowed (docs/networks.md).
   */
  trustCode?: boolean;
  /** Maximum time of one pass of the network in seconds, above 0. A pass that takes longer ends in TIMEOUT. Default: any time. */
  timeout?: number;
}

/** Where the weights of a network's layers are. */
export type WeightPlacement = (typeof weightPlacements)[number];

/** The values of {@link WeightPlacement}. */
export const weightPlacements = ['auto', 'resident', 'stream'] as const;

/** The kinds of where a network's weights are. */
export const weightsOptions = { weights: oneOf(weightPlacements), gpuMemory: gpuMemoryKind };

/** The kinds of how a network runs, whatever file or seed it is of. */
export const waysToRunOptions = { precision: oneOf(networkPrecisions), cudaGraphs: flag };

/** The kinds of what a network's code may do. */
export const codeOptions = { trustCode: flag, timeout: number };

/** The kinds of {@link LoadOptions}. */
export const loadOptions: OptionKinds<LoadOptions> = {
  device: deviceKind,
  dtype: oneOf(['stored', 'float32', 'bfloat16']),
  ...waysToRunOptions,
  ...weightsOptions,
  ...codeOptions,
  ...jobOptions,
};

/** How a network runs, whatever file or seed it is of. */
export function waysToRun({
  precision = defaultPrecision,
  cudaGraphs = true,
}: Pick<LoadOptions, 'precision' | 'cudaGraphs'>) {
  return { precision, cudaGraphs };
}

/** What the code of a network's file may do. @throws DinoSegError INVALID_ARGUMENT for a time that is not above 0 */
export function codeLimits({ trustCode, timeout }: Pick<LoadOptions, 'trustCode' | 'timeout'>) {
  if (timeout !== undefined && !(timeout > 0 && timeout < Infinity))
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `timeout should be a number of seconds above 0, not ${timeout}. Leave it out for any time.`,
    );
  return withoutUndefined({ trustCode, timeout });
}
