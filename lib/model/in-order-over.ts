/** Passes of many images on all devices of a network, with results in the order of the images. */
import { inOrder } from '../data/in-order.js';
import type { ReplicaPool } from './replicas.js';

/** Passes that a device is given at a time: the next one is prepared and queued while one runs, so that it never waits for it. */
export const passesPerDevice = 2;

/**
 * {@link inOrder} over the items of a pool: each call gets the least busy one, and each of them {@link passesPerDevice} calls at a
 * time.
 *
 * @throws as inOrder
 */
export function inOrderOver<M, T, R>(
  pool: ReplicaPool<M>,
  items: AsyncGenerator<T>,
  use: (replica: M, item: T, signal: AbortSignal) => Promise<R>,
  signal: AbortSignal | undefined,
): AsyncGenerator<R, void, void> {
  const onFree = (item: T, either: AbortSignal) => pool.run((replica) => use(replica, item, either));
  return inOrder(items, onFree, { concurrency: passesPerDevice * pool.items.length, signal });
}
