/** Copies of one network, each on a device or lane of its own, and which of them is free. */
import { engine } from '../native/engine.js';
import type { DetectorHandle, ModelHandle, ReplicaPlace } from '../native/bindings/engine.js';

/** Where the replicas of a network on these devices are. @internal */
export function replicaPlaces(devices: readonly string[]): ReplicaPlace[] {
  return devices.map((device, i) => ({
    device,
    replica: devices.slice(0, i).filter((earlier) => earlier === device).length,
  }));
}

/** The first network's handle and those of its copies, one after another; where one fails, all are disposed of. @internal */
export async function withCopies<T extends ModelHandle | DetectorHandle>(
  first: T,
  others: readonly ReplicaPlace[],
  copy: (place: ReplicaPlace, i: number) => Promise<T>,
): Promise<[T, ...T[]]> {
  const handles: [T, ...T[]] = [first];
  try {
    for (const [i, place] of others.entries()) handles.push(await copy(place, i + 1));
    return handles;
  } catch (error) {
    for (const handle of handles) engine().dispose(handle);
    throw error;
  }
}

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
