/** Chooses the device that a network runs on. */
import { engine, reportTorchWarnings } from '../native/engine.js';

/**
 * Resolves a device name. The default is `auto` everywhere, in the library and on the command line.
 *
 * `auto` is the first CUDA device if one responds, else the CPU; `cuda` is `cuda:0`. Every other name is passed on
 * unchanged: a missing CUDA device is an error of the engine, which never falls back to the CPU.
 */
export function resolveDevice(device = 'auto'): string {
  if (device === 'cuda') return 'cuda:0';
  if (device !== 'auto') return device;
  const found = engine().info().cudaAvailable ? 'cuda:0' : 'cpu';
  reportTorchWarnings();
  return found;
}
