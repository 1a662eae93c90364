/** Work on items at the same time, with results in the order of the items. */
import { prefetch } from './prefetch.js';

/** Options of {@link inOrder}. */
export interface InOrderOptions {
  /** Maximum number of items that are worked on at a time; at least 1. */
  concurrency: number;
  /** Cancels: running work is told, and the next result throws the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** Begun items whose results were not taken, in units of `concurrency`: a slow item must not stop the others at once. */
const begunTurns = 2;

/**
 * Calls `use` for items, several at a time, and yields the results in the order of the items.
 *
 * An error is thrown when its item's turn comes, after all earlier results; no further item is begun meanwhile. However the loop
 * ends, items that are still worked on are told by their signal, and the loop ends when they have: what they use may be disposed of
 * then.
 *
 * @throws INVALID_ARGUMENT at the first item; what `items` and `use` throw; the signal's reason
 */
export async function* inOrder<T, R>(
  items: AsyncGenerator<T>,
  use: (item: T, signal: AbortSignal) => Promise<R>,
  { concurrency, signal }: InOrderOptions,
): AsyncGenerator<R, void, void> {
  const stop = new AbortController();
  const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const running = new Set<Promise<R>>();
  let isOver = false;

  /** A generator gives its items in the order in which it was asked for them. */
  function* turns(): Generator<undefined, void, void> {
    while (!isOver) yield;
  }

  async function begin(): Promise<{ result: R } | undefined> {
    try {
      const next = await items.next();
      // The loop may have ended since.
      if (next.done || isOver) return end();
      const call = use(next.value, either);
      running.add(call);
      try {
        return { result: await call };
      } finally {
        running.delete(call);
      }
    } catch (error) {
      end();
      throw error;
    }
  }

  function end(): undefined {
    isOver = true;
  }

  try {
    const ahead = begunTurns * concurrency;
    for await (const made of prefetch(turns(), begin, { ahead, concurrency, signal }))
      if (made) yield made.result;
  } finally {
    isOver = true;
    stop.abort();
    await Promise.allSettled(running);
    await items.return(undefined);
  }
}
