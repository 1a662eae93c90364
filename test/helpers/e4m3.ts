/** Values in e4m3: 4 bits of exponent, 3 of mantissa, at most 448 in magnitude. */
import { deviceCapability } from '../../lib/native/engine.js';
import { opDevices } from './op-devices.js';

/** The distance between neighbours around a value. */
export function e4m3Step(value: number): number {
  const exponent = Math.floor(Math.log2(Math.min(448, Math.abs(value))));
  return 2 ** (Math.max(-6, exponent) - 3);
}

/** The nearest value, of two the even one; 448 beyond it. */
export function e4m3(value: number): number {
  if (Number.isNaN(value)) return NaN;
  const step = e4m3Step(value);
  const steps = Math.min(448, Math.abs(value)) / step;
  const below = Math.floor(steps);
  const rest = steps - below;
  const rounded = rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
  return Math.sign(value) * rounded * step;
}

/** Where products in e4m3 are tested. */
export const e4m3Devices = opDevices.map(({ device, skip }) => {
  const capability = device === 'cpu' || skip ? undefined : deviceCapability(device);
  const lacks = capability !== undefined && capability < 8.9;
  return { device, skip: lacks ? `compute capability ${capability} has no products in e4m3` : skip };
});

/** The first CUDA device, where it has such products. */
export const cudaWithE4m3 = e4m3Devices.find(({ device }) => device === 'cuda')!;
