/** Forecast of the time and size of a pass over images, from its first few. */

/** Forecast of filling a cache. */
export interface PassForecast {
  /** Records to be made. */
  records: number;
  /** Size of records and index on disk. */
  bytes: number;
  /** Time from the first image to the last. */
  seconds: number;
}

/** Minimum number of images to time, and minimum time. */
const leastImages = 4;
const leastSeconds = 2;

/** Counts the images of a pass, and makes one forecast of the whole. */
export class Forecast {
  done = 0;
  /** The forecast; null until it is made. */
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

  /** Whether enough images are timed, and no forecast was made yet. */
  get isDue(): boolean {
    if (this.made) return false;
    const timed = this.done - this.#warmup;
    const enough = timed >= leastImages && this.now() - this.#warmAt >= leastSeconds * 1000;
    return enough || this.done === this.total;
  }

  /** Makes the forecast. @param bytes size of the whole pass */
  make(bytes: number): PassForecast {
    const timed = this.done - this.#warmup;
    const each = timed > 0 ? (this.now() - this.#warmAt) / 1000 / timed : this.seconds;
    const seconds = this.seconds + each * (this.total - this.done);
    this.made = { records: this.total, bytes, seconds };
    return this.made;
  }
}
