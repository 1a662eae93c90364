/** Long calls that can be stopped and tell how far they are. */
import { callback, signal as signalKind, type OptionKinds } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { engine } from './engine.js';
import type { JobHandle } from './bindings/engine.js';

/** What every long call takes. */
export interface JobOptions {
  /**
   * Stops the call, which then rejects with the signal's reason: at once while it waits for its turn, at the next
   * operator of the network or the next block of a file while it runs.
   */
  signal?: AbortSignal | undefined;
  /**
   * Hears how much is done of how much: bytes of a file, or windows of a sliding window. Reports that come faster
   * than they are heard are left out. What it throws stops the call and rejects it.
   */
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** The kinds of {@link JobOptions}. */
export const jobOptions: OptionKinds<JobOptions> = { signal: signalKind, onProgress: callback() };

/**
 * Starts a call of the engine under `options`.
 *
 * @param start gets the handle that the engine's function takes as its last argument; none where nothing is asked for.
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
