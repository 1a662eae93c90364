/** Copies of a head's values for the replicas of a network, each on its device and in its lane. */
import { engine } from '../native/engine.js';
import type { HeadsHandle, ReplicaPlace } from '../native/bindings/engine.js';

/** What was copied, and how often the head had changed by then. */
interface HeadCopy {
  changes: number;
  handle: Promise<HeadsHandle>;
}

/** The copies of one head: one for each place, made when it is needed first, and again after the head has changed. */
export class HeadCopies {
  readonly #copies = new Map<string, HeadCopy>();
  #changes = 0;

  /** Call it together with the call that changes the head: copies that are asked for afterwards have the new values. */
  changed(): void {
    this.#changes++;
  }

  /** @throws DinoSegError DEVICE, OUT_OF_MEMORY. */
  at(head: HeadsHandle, { device, replica }: ReplicaPlace): Promise<HeadsHandle> {
    const key = `${device}/${replica}`;
    const found = this.#copies.get(key);
    if (found?.changes === this.#changes) return found.handle;
    // In the head's own lane: after the calls that changed it. What runs on an older copy keeps it.
    const copy = { changes: this.#changes, handle: engine().copyHeads(head, { device, replica }) };
    this.#copies.set(key, copy);
    copy.handle.catch(() => {
      if (this.#copies.get(key) === copy) this.#copies.delete(key);
    });
    return copy.handle;
  }

  /** Frees them, now or when what runs on them ends. */
  dispose(): void {
    for (const { handle } of this.#copies.values())
      handle.then(
        (copy) => engine().dispose(copy),
        () => undefined,
      );
    this.#copies.clear();
  }
}
