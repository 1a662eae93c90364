/** What a pass over images will take, told by its first few. */

/** Size and time of a whole pass. */
export interface PassForecast {
  /** Records to be made. */
  records: number;
  /** Of records and index on the disk. */
  bytes: number;
  /** From the first image to the last. */
  seconds: number;
}

/** Images that tell, and the time they should take at least. */
const leastImages = 4;
const leastSeconds = 2;

/** Counts the images of a pass, and tells once what it will take. */
export class Forecast {
  done = 0;
  /** What was told; null before. */
  made: PassForecast | null = null;
  readonly #startedAt: number;
  /** Images of the first pass, which warms libtorch up and is not taken for the others. */
  #warmup = 0;
  #warmAt = 0;

  constructor(
    readonly total: number,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#startedAt = now();
  }

  /** Images of a pass are done. */
  add(images = 1): void {
    this.done += images;
    if (this.#warmup > 0) return;
    this.#warmup = images;
    this.#warmAt = this.now();
  }

  /** Seconds since the start. */
  get seconds(): number {
    return (this.now() - this.#startedAt) / 1000;
  }

  /** Whether enough is known, and nothing was told yet. */
  get isDue(): boolean {
    if (this.made) return false;
    const timed = this.done - this.#warmup;
    const enough = timed >= leastImages && this.now() - this.#warmAt >= leastSeconds * 1000;
    return enough || this.done === this.total;
  }

  /** Tells what the pass will take. */
  make(bytes: number): PassForecast {
    const timed = this.done - this.#warmup;
    const each = timed > 0 ? (this.now() - this.#warmAt) / 1000 / timed : this.seconds;
    const seconds = this.seconds + each * (this.total - this.done);
    this.made = { records: this.total, bytes, seconds };
    return this.made;
  }
}
