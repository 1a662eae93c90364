/** Precision of the pixel decoder in a network with a bfloat16 backbone. */
import type { NetworkPrecision } from '../native/bindings/engine.js';

/** Values of `LoadOptions.precision`. */
export const networkPrecisions = [
  'tf32',
  'float16',
  'reference',
  'fast',
] as const satisfies readonly NetworkPrecision[];

/** That of a network for which none is given. */
export const defaultPrecision: NetworkPrecision = 'tf32';
