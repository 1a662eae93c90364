/** How many images are decoded at a time. */
import { DinoSegError } from '../errors.js';
import { usableCores } from '../native/cores.js';

/** Number of threads of Node's pool, which decoding runs on; fixed when a process starts. */
function poolThreads(): number {
  const given = Number(process.env['UV_THREADPOOL_SIZE']);
  return Number.isInteger(given) && given > 0 ? given : 4;
}

/** Threads that decode: those of the pool or the cores, if none are given. @throws DinoSegError INVALID_ARGUMENT if the pool has fewer */
export function decodingThreads(threads: number | undefined): number {
  const most = poolThreads();
  if (threads === undefined) return Math.min(most, usableCores());
  if (!Number.isInteger(threads) || threads < 1)
    throw new DinoSegError('INVALID_ARGUMENT', `threads should be a whole number from 1, not ${threads}.`);
  if (threads <= most) return threads;
  throw new DinoSegError(
    'INVALID_ARGUMENT',
    `Node.js decodes ${most} images at a time, but threads is ${threads}. Start it with UV_THREADPOOL_SIZE=${threads} ` +
      'in the environment.',
  );
}
