/** Precision of a network with a bfloat16 backbone, and the devices that have it. */
import { DinoSegError } from '../errors.js';
import { deviceCapability } from '../native/engine.js';
import type { NetworkPrecision } from '../native/bindings/engine.js';

/** Values of `LoadOptions.precision`. */
export const networkPrecisions = [
  'float16',
  'tf32',
  'reference',
  'fast',
  'fp8',
] as const satisfies readonly NetworkPrecision[];

/** That of a network for which none is given. */
export const defaultPrecision: NetworkPrecision = 'float16';

/** Whether the pixel decoder beside a bfloat16 backbone is in float16, on CUDA. */
export function decodesInFloat16(precision: NetworkPrecision): boolean {
  return precision === 'float16' || precision === 'fp8';
}

/**
 * Refuses `fp8` on devices without products in e4m3. A device whose compute capability is not known passes: the engine tries
 * such a product before it quantises the weights.
 *
 * @param capabilityOf such as 8.9 for `cuda:0`; undefined if unknown.
 * @throws DinoSegError DEVICE
 */
export function checkPrecision(
  precision: NetworkPrecision | undefined,
  devices: readonly string[],
  capabilityOf: (device: string) => number | undefined = deviceCapability,
): void {
  if (precision !== 'fp8') return;
  for (const device of devices) {
    const isCuda = device.startsWith('cuda');
    const capability = isCuda ? capabilityOf(device) : undefined;
    if (isCuda && (capability ?? Infinity) >= 8.9) continue;
    const has = capability === undefined ? 'is not one' : `has compute capability ${capability.toFixed(1)}`;
    throw new DinoSegError(
      'DEVICE',
      `Precision fp8 needs a CUDA device of compute capability 8.9 (Ada), or 9.0 (Hopper) and later; ${device} ${has}. ` +
        `Use another device, or another precision, such as ${defaultPrecision} (the default).`,
    );
  }
}
