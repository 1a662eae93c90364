/** The calls under way of one model or head. */
export class RunningCalls {
  readonly #promises = new Set<Promise<unknown>>();

  /** Counts the call until it settles; gives it back. */
  add<T>(call: Promise<T>): Promise<T> {
    this.#promises.add(call);
    const remove = () => void this.#promises.delete(call);
    call.then(remove, remove);
    return call;
  }

  /** Resolves when none is left. */
  async settled(): Promise<void> {
    while (this.#promises.size > 0) await Promise.allSettled(this.#promises);
  }
}
