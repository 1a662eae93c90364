/** Passes of many images on all devices of a network, with results in the order of the images. */
import { inOrder } from '../data/in-order.js';
import type { ReplicaPool } from './replicas.js';

/** Passes that a device is given at a time: the next one is prepared while one runs, so that the device never waits for it. */
export const passesPerDevice = 2;

/** A pass that was given to a device. */
export interface Pass<M> {
  /** What it runs on: an item of the pool. */
  replica: M;
  /** Aborted where the whole work ends. */
  signal: AbortSignal;
  /**
   * Runs a part of the pass, at most one, after those of the device's earlier passes: if they were mixed, all passes of a device would
   * end together, and it would wait for the next ones.
   */
  turn<R>(part: () => Promise<R>): Promise<R>;
}

/**
 * {@link inOrder} over the items of a pool: each call gets the least busy one, and each of them {@link passesPerDevice} calls at a
 * time.
 *
 * @throws as inOrder
 */
export function inOrderOver<M extends object, T, R>(
  pool: ReplicaPool<M>,
  items: AsyncGenerator<T>,
  use: (item: T, pass: Pass<M>) => Promise<R>,
  signal: AbortSignal | undefined,
): AsyncGenerator<R, void, void> {
  /** The end of the latest turn of each item. */
  const turns = new Map<M, Promise<void>>();
  const onReplica = async (replica: M, item: T, signal: AbortSignal) => {
    const before = turns.get(replica);
    let end = () => {};
    turns.set(replica, new Promise((resolve) => (end = resolve)));
    const turn = async <P>(part: () => Promise<P>) => {
      await before;
      return part().finally(end);
    };
    try {
      return await use(item, { replica, signal, turn });
    } finally {
      end();
    }
  };
  const onFree = (item: T, either: AbortSignal) => pool.run((replica) => onReplica(replica, item, either));
  return inOrder(items, onFree, { concurrency: passesPerDevice * pool.items.length, signal });
}
