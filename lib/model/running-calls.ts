/** The running calls of one model or head. */
export class RunningCalls {
  readonly #promises = new Set<Promise<unknown>>();

  /** Counts the call until it settles, and returns it. */
  add<T>(call: Promise<T>): Promise<T> {
    this.#promises.add(call);
    const remove = () => void this.#promises.delete(call);
    call.then(remove, remove);
    return call;
  }

  /** Resolves when no call is running. */
  async settled(): Promise<void> {
    while (this.#promises.size > 0) await Promise.allSettled(this.#promises);
  }
}
