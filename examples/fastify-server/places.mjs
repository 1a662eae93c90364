/** A number of places for work, and a queue of bounded length before them. */
export class Places {
  #free;
  #most;
  #waiting = new Set();
  #places;

  /** @param {number} places @param {number} mostWaiting */
  constructor(places, mostWaiting) {
    this.#free = this.#places = places;
    this.#most = mostWaiting;
  }

  get running() {
    return this.#places - this.#free;
  }

  get waiting() {
    return this.#waiting.size;
  }

  /** Whether the next one would be refused. */
  get isFull() {
    return this.#free === 0 && this.#waiting.size >= this.#most;
  }

  /**
   * Runs `work` in a place, in the order of the calls. One that is aborted while it waits leaves the queue.
   *
   * @throws the signal's reason, and what `work` throws. Ask {@link isFull} first.
   */
  async run(signal, work) {
    signal.throwIfAborted();
    if (this.#free > 0) this.#free--;
    else await this.#wait(signal);
    try {
      return await work();
    } finally {
      const next = this.#waiting.values().next().value;
      if (next) next();
      else this.#free++;
    }
  }

  /** Resolves when a place was handed over. */
  #wait(signal) {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(enter);
        reject(signal.reason);
      };
      const enter = () => {
        this.#waiting.delete(enter);
        signal.removeEventListener('abort', leave);
        resolve();
      };
      this.#waiting.add(enter);
      signal.addEventListener('abort', leave, { once: true });
    });
  }
}
