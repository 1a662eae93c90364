/** Long-running calls that can be cancelled and report progress. */
import { callback, signal as signalKind, type OptionKinds } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { engine } from './engine.js';
import type { JobHandle } from './bindings/engine.js';

/** Options of every long-running call. */
export interface JobOptions {
  /**
   * Cancels the call, which then rejects with the signal's reason. A waiting call stops at once; a running one
   * stops at the next operator of the network or the next block of a file.
   */
  signal?: AbortSignal | undefined;
  /**
   * Called with the work done and the total: bytes of a file, or windows of a sliding window. Intermediate updates
   * are skipped if they come faster than the callback runs. An error that it throws stops the call, which rejects
   * with it.
   */
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** The kinds of {@link JobOptions}. */
export const jobOptions: OptionKinds<JobOptions> = { signal: signalKind, onProgress: callback() };

/**
 * Starts a call of the engine under `options`.
 *
 * @param start receives the handle that the engine's function accepts as its last argument; undefined without
 *   options.
 * @throws the signal's reason, what `onProgress` throws, and what the call throws.
 */
export async function runJob<T>(
  options: JobOptions,
  start: (job: JobHandle | undefined) => Promise<T>,
): Promise<T> {
  const { signal, onProgress } = options;
  if (signal === undefined && onProgress === undefined) return start(undefined);
  signal?.throwIfAborted();
  const native = engine();
  let thrown: { error: unknown } | undefined;
  const listener =
    onProgress &&
    ((done: number, total: number) => {
      try {
        if (!signal?.aborted) onProgress(done, total);
      } catch (error) {
        thrown ??= { error };
        native.cancelJob(job);
      }
    });
  const job = native.createJob(listener);
  const cancel = () => native.cancelJob(job);
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    return await start(job);
  } catch (error) {
    if (!(error instanceof DinoSegError) || error.code !== 'ABORTED') throw error;
    if (thrown) throw thrown.error;
    throw signal?.aborted ? signal.reason : error;
  } finally {
    signal?.removeEventListener('abort', cancel);
    native.releaseJob(job);
  }
}
