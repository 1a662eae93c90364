/** The time in which devices wait for decoded images. */

/** Adds up, while images are waited for, the share of the devices that have no work. */
export class IdleTime {
  /** Mean over the devices. */
  seconds = 0;
  #working = 0;
  #waiting = 0;
  #since = 0;

  constructor(
    private readonly devices: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Images are waited for until the result is disposed of. */
  waiting(): Disposable {
    return this.#during((change) => (this.#waiting += change));
  }

  /** A device works until the result is disposed of. */
  working(): Disposable {
    return this.#during((change) => (this.#working += change));
  }

  #during(count: (change: 1 | -1) => void): Disposable {
    this.#add();
    count(1);
    const end = () => {
      this.#add();
      count(-1);
    };
    return { [Symbol.dispose]: end };
  }

  #add(): void {
    const now = this.now();
    const idle = Math.max(0, this.devices - this.#working) / this.devices;
    if (this.#waiting > 0) this.seconds += (idle * (now - this.#since)) / 1000;
    this.#since = now;
  }
}
