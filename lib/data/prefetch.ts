import { DinoSegError } from '../errors.js';

export interface PrefetchOptions<T = unknown> {
  /** Maximum number of items that are loaded or loading, beyond the one that the consumer holds; at least 1. */
  ahead: number;
  /** Maximum number of simultaneous loads; at least 1. */
  concurrency: number;
  /** Cancels: the next item then throws the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Memory that a loaded item takes, in bytes: none is begun while those that wait take more than a gibibyte. Default: not counted. */
  bytesOf?: ((item: T) => number) | undefined;
}

/** Memory of waiting items beyond which no further one is loaded, in bytes. */
const mostWaitingBytes = 2 ** 30;

/** Memory of decoded images and labels, in bytes. */
export function pixelBytes(
  ...images: readonly ({ data: Uint8Array; transparent?: Uint8Array } | undefined)[]
): number {
  return images.reduce(
    (sum, image) => sum + (image?.data.byteLength ?? 0) + (image?.transparent?.byteLength ?? 0),
    0,
  );
}

function requireCount(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1)
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `prefetch: ${name} must be a whole number from 1, not ${value}.`,
    );
}

/** Splits items into groups of `size`, in order; the last group has the rest. */
export function groupsOf<T>(items: readonly T[], size: number): T[][] {
  const groups: T[][] = [];
  for (let first = 0; first < items.length; first += size) groups.push(items.slice(first, first + size));
  return groups;
}

/** Groups items of an asynchronous source like {@link groupsOf}. */
export async function* gathered<T>(items: AsyncIterable<T>, size: number): AsyncGenerator<T[], void, void> {
  let group: T[] = [];
  for await (const item of items) {
    group.push(item);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

/**
 * Loads items ahead of their consumer and yields them in order. An error is thrown when its item's turn comes,
 * after all earlier items. Leaving the loop early starts no further load and ignores the results of running ones.
 *
 * @throws INVALID_ARGUMENT at the first item; what `load` throws; the signal's reason
 */
export async function* prefetch<I, T>(
  items: Iterable<I>,
  load: (item: I) => Promise<T>,
  options: PrefetchOptions<T>,
): AsyncGenerator<T, void, void> {
  const { ahead, concurrency, signal, bytesOf = () => 0 } = options;
  requireCount('ahead', ahead);
  requireCount('concurrency', concurrency);
  const iterator = items[Symbol.iterator]();
  const queue: Promise<T>[] = [];
  let running = 0;
  let waitingBytes = 0;
  let ended = false;

  async function begin(item: I): Promise<T> {
    running++;
    try {
      const loaded = await load(item);
      waitingBytes += bytesOf(loaded);
      return loaded;
    } finally {
      running--;
      fill();
    }
  }

  /** The load of the next item; undefined at the end. An error of the source itself takes the item's turn. */
  function takeNext(): Promise<T> | undefined {
    try {
      const next = iterator.next();
      if (!next.done) return begin(next.value);
      ended = true;
      return undefined;
    } catch (cause) {
      ended = true;
      return Promise.reject(cause);
    }
  }

  function fill(): void {
    while (!ended && running < concurrency && queue.length < ahead) {
      // The one that the consumer waits for must always come.
      if (waitingBytes > mostWaitingBytes && queue.length > 0) return;
      const result = takeNext();
      // Its own turn reports an error; until then it must not count as unhandled.
      result?.catch(() => {});
      if (result) queue.push(result);
    }
  }

  let stop = (): void => {};
  const onAbort = (): void => stop();
  /** A promise of its own for each item: one raced against all of them would hold their values until the end. */
  const unlessAborted = (item: Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      stop = () => reject(signal?.reason);
      item.then(resolve, reject);
    });
  signal?.addEventListener('abort', onAbort);
  try {
    signal?.throwIfAborted();
    fill();
    while (queue.length > 0) {
      const value = await unlessAborted(queue[0]!);
      void queue.shift();
      waitingBytes -= bytesOf(value);
      fill();
      yield value;
      signal?.throwIfAborted();
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    if (!ended) iterator.return?.();
    ended = true;
  }
}
