/** A handle of the engine that one object owns, until it is disposed of. */
import { DinoSegError } from '../errors.js';
import { engine } from '../native/engine.js';
import type { DetectorHandle, HeadsHandle, ModelHandle, TensorHandle } from '../native/bindings/engine.js';
import type { RunningCalls } from './running-calls.js';

export class OwnedHandle<T extends TensorHandle | ModelHandle | DetectorHandle | HeadsHandle> {
  #handle: T | undefined;
  readonly #what: () => string;

  /** `what` begins the sentence that tells of a use after disposal: `A class head`. */
  constructor(handle: T, what: () => string) {
    this.#handle = handle;
    this.#what = what;
  }

  /** @throws DinoSegError DISPOSED */
  get(): T {
    if (this.#handle === undefined)
      throw new DinoSegError('DISPOSED', `${this.#what()} was used after dispose().`);
    return this.#handle;
  }

  /** The handle, which is the caller's from now on. @throws DinoSegError DISPOSED */
  give(): T {
    const handle = this.get();
    this.#handle = undefined;
    return handle;
  }

  /** Frees the memory: now, or when the calls under way end. False where that was done before. */
  dispose(): boolean {
    if (this.#handle === undefined) return false;
    engine().dispose(this.give());
    return true;
  }

  /** Takes no further calls, waits for those under way, frees the memory. */
  async disposeAfter(calls: RunningCalls): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await calls.settled();
    if (handle !== undefined) engine().dispose(handle);
  }
}
