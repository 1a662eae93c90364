/** Copies of one network, each on a device or lane of its own, and which of them is free. */

/** Gives work to the least busy of several items, such as the replicas of a model. @internal */
export class ReplicaPool<T> {
  /** The items, in the order of their devices. */
  readonly items: readonly T[];
  readonly #running: number[];

  /** @param items at least one. */
  constructor(items: readonly T[]) {
    this.items = items;
    this.#running = items.map(() => 0);
  }

  /** Calls `use`, in the same turn, with the item that has the fewest running calls of this pool; the first of equals. */
  async run<R>(use: (item: T) => Promise<R>): Promise<R> {
    const free = this.#running.indexOf(Math.min(...this.#running));
    this.#running[free]!++;
    try {
      return await use(this.items[free]!);
    } finally {
      this.#running[free]!--;
    }
  }
}
