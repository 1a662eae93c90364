/** Choice of the device a network runs on. */
import { engine, reportTorchWarnings } from '../native/engine.js';

/**
 * Of everything that runs on a device the default is `auto`, in the library as on the command line.
 *
 * `auto` is the first CUDA device where one answers, else the CPU; `cuda` is `cuda:0`. Every other name is passed on as it is:
 * a CUDA device that was asked for and is not there is an error of the engine, never the CPU instead.
 */
export function resolveDevice(device = 'auto'): string {
  if (device === 'cuda') return 'cuda:0';
  if (device !== 'auto') return device;
  const found = engine().info().cudaAvailable ? 'cuda:0' : 'cpu';
  reportTorchWarnings();
  return found;
}
