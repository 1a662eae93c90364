/** Chooses the devices that a network runs on. */
import { either, listOf, text, type Kind } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { engine, reportTorchWarnings } from '../native/engine.js';

/** Without their memory, which would take some on each of them to find out. */
function visibleCudaDevices(): string[] {
  const { cudaAvailable, cudaDevices } = engine().info();
  reportTorchWarnings();
  return Array.from({ length: cudaAvailable ? Math.max(1, cudaDevices) : 0 }, (_, i) => `cuda:${i}`);
}

/** Kind of a device option of what runs on several devices. */
export const deviceKind: Kind<string | readonly string[]> = either(text, listOf(text, 'a list of devices'));

/**
 * Resolves the devices that a network runs on, in the order given; `auto` (the default everywhere, in the library and on the
 * command line) is all visible CUDA devices if one responds, else the CPU, and `cuda` is all visible CUDA devices. Every
 * other name is passed on unchanged: a missing CUDA device is an error of the engine, which never falls back to the CPU. A
 * name given twice makes two lanes on one device, which share the weights: for tests.
 *
 * @param device a name, names with commas between them, or a list of names.
 * @throws DinoSegError DEVICE for an empty list, and for a list with other names than `cpu` and `cuda:N` or with both.
 */
export function resolveDevices(device: string | readonly string[] = 'auto'): string[] {
  const names = (typeof device === 'string' ? device.split(',') : device).map((name) => name.trim());
  if (names.length === 0 || names.includes(''))
    throw new DinoSegError(
      'DEVICE',
      `Expected a device, such as cuda:0, or several with commas between them, got "${names.join(',')}".`,
    );
  if (names.length > 1) return checkList(names);
  const [name] = names as [string];
  if (name !== 'auto' && name !== 'cuda') return [name];
  const found = visibleCudaDevices();
  // Where `cuda` finds none, the engine's error says why.
  return found.length > 0 ? found : [name === 'cuda' ? 'cuda:0' : 'cpu'];
}

/** Devices of different kinds round differently: results would depend on which was free. */
function checkList(names: string[]): string[] {
  const odd = names.find((name) => !/^(cpu|cuda:(0|[1-9]\d*))$/.test(name));
  if (odd !== undefined)
    throw new DinoSegError(
      'DEVICE',
      `Unknown device "${odd}" in the list ${names.join(',')}. A list has names such as cuda:0 and cuda:2; cuda alone is all ` +
        'visible CUDA devices.',
    );
  if (new Set(names.map((name) => name.startsWith('cuda:'))).size > 1)
    throw new DinoSegError(
      'DEVICE',
      `The list ${names.join(',')} has CUDA devices and the CPU. Give CUDA devices alone: their results differ from the CPU's ` +
        'by rounding, so that a result would depend on which device was free.',
    );
  return names;
}

/** The first of {@link resolveDevices}: for what has a single device. */
export function resolveDevice(device?: string | readonly string[]): string {
  return resolveDevices(device)[0]!;
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
  visible: () => readonly string[] = visibleCudaDevices,
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
