/** A handle of the engine that one object owns, until it is disposed of. */
import { DinoSegError } from '../errors.js';
import { engine } from '../native/engine.js';
import type { DetectorHandle, HeadsHandle, ModelHandle, TensorHandle } from '../native/bindings/engine.js';
import type { RunningCalls } from './running-calls.js';

export class OwnedHandle<T extends TensorHandle | ModelHandle | DetectorHandle | HeadsHandle> {
  #handle: T | undefined;
  readonly #what: () => string;

  /** `what` begins the error message after disposal, such as `A class head`. */
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

  /** Hands the handle over to the caller. @throws DinoSegError DISPOSED */
  give(): T {
    const handle = this.get();
    this.#handle = undefined;
    return handle;
  }

  /** Frees the memory now, or when running calls end. Returns false if it was already disposed of. */
  dispose(): boolean {
    if (this.#handle === undefined) return false;
    engine().dispose(this.give());
    return true;
  }

  /** Accepts no further calls, waits for running ones, then frees the memory. */
  async disposeAfter(calls: RunningCalls): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await calls.settled();
    if (handle !== undefined) engine().dispose(handle);
  }
}
