/** How much memory is available to this process. */
import { freemem } from 'node:os';
import { join } from 'node:path';
import { controlGroupFolders, readTextOrNone, type ReadText } from './control-group.js';

/**
 * Bytes available without swapping: the kernel's estimate, or what the limits of the process's control groups leave
 * if that is less. Cached files of a group do not count as used, since the kernel drops them first.
 */
export function freeMemory(read: ReadText = readTextOrNone, freeBytes = freemem()): number {
  const left = controlGroupFolders('memory', read).map((folder) => leftIn(folder, read));
  return Math.max(0, Math.min(freeBytes, ...left));
}

/** Bytes that a group may still allocate; Infinity without a limit. */
function leftIn(folder: string, read: ReadText): number {
  const number = (...names: string[]) => {
    const text = names.map((name) => read(join(folder, name)).trim()).find((value) => value !== '');
    return /^\d+$/.test(text ?? '') ? Number(text) : undefined;
  };
  // The names of version 2 and of version 1; no limit is `max` and a number near 2^63.
  const limit = number('memory.max', 'memory.limit_in_bytes');
  const used = number('memory.current', 'memory.usage_in_bytes');
  if (limit === undefined || used === undefined) return Infinity;
  const cached = /^(?:total_)?(?:in)?active_file (\d+)$/gm;
  const statistics = read(join(folder, 'memory.stat'));
  // Version 1 states a group alone and, as total_…, with the groups below it.
  const lines = [...statistics.matchAll(cached)].filter(
    ([line]) => line.startsWith('total_') === statistics.includes('\ntotal_active_file '),
  );
  return limit - used + lines.reduce((sum, [, bytes]) => sum + Number(bytes), 0);
}
