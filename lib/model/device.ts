/** Chooses the device that a network runs on. */
import { DinoSegError } from '../errors.js';
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

/**
 * The device of one of several processes on a machine, each of which was given the same name: `auto` and `cuda` are the CUDA
 * device with the process's number. Where a single one is visible, as a scheduler assigns them, all names stay as they are.
 *
 * @param localRank number of the process on the machine, from 0; null if unknown.
 * @throws DinoSegError DEVICE if there are several CUDA devices, but fewer than processes.
 */
export function deviceOfRank(
  device: string | undefined,
  localRank: number | null,
  visible: () => readonly string[] = () =>
    engine()
      .devices()
      .map(({ name }) => name),
): string | undefined {
  if (localRank === null || !['auto', 'cuda', undefined].includes(device)) return device;
  const cuda = visible().filter((name) => name.startsWith('cuda:'));
  if (cuda.length < 2) return device;
  const own = cuda[localRank];
  if (own !== undefined) return own;
  throw new DinoSegError(
    'DEVICE',
    `This is process ${localRank + 1} on this machine, but it has ${cuda.length} CUDA devices. Start one process per device, ` +
      'or give --device.',
  );
}
