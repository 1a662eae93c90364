/** A cap on what the process takes of a GPU's memory. */
import { kind } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { engine } from '../native/engine.js';

const units: Record<string, number> = {
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
};

/** Bytes of a cap; undefined for anything else than a number or a text such as `8GB`. */
function parsed(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value > 0 ? Math.floor(value) : undefined;
  const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)\s*([MGT]i?B)$/i.exec(value.trim()) : null;
  return match ? Math.floor(Number(match[1]) * units[match[2]!.toUpperCase()]!) : undefined;
}

/** The kind of an option that is a cap, or null for none. */
export const gpuMemoryKind = kind<number | string | null>(
  'a number of bytes or a text such as "8GB"',
  (value) => value === null || parsed(value) !== undefined,
);

/** Bytes of a cap. @throws DinoSegError INVALID_ARGUMENT */
export function gpuMemoryBytes(value: number | string): number {
  const bytes = parsed(value);
  if (bytes !== undefined) return bytes;
  throw new DinoSegError(
    'INVALID_ARGUMENT',
    `--gpu-memory should be a size such as 8GB or 7.5GiB, not ${JSON.stringify(value)}.`,
  );
}

/**
 * Lets the process take at most so many bytes of a GPU's memory, CUDA's context included. Null and undefined change nothing.
 *
 * @throws DinoSegError INVALID_ARGUMENT for the CPU, and for less than CUDA itself takes.
 */
export function capGpuMemory(device: string, value: number | string | null | undefined): void {
  if (value !== undefined && value !== null) engine().capMemory(device, gpuMemoryBytes(value));
}
