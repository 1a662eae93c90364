/** Progress on a terminal, or now and then a line where there is none. */

/** The part of a stream that {@link ProgressBar} needs; process.stderr is one. */
export interface ProgressStream {
  /** Takes text at once. */
  write(text: string): unknown;
  /** Whether a line can be drawn over. */
  isTTY?: boolean;
  /** Characters of a line. Default 80. */
  columns?: number;
}

/** How far something is. */
export interface ProgressUpdate {
  /** What is being done, e.g. `epoch 3/20`. */
  label: string;
  /** Images, or whatever is counted. */
  done: number;
  /** All of them. */
  total: number;
  /** Shown where it is a number. */
  loss?: number | null;
}

const redrawMilliseconds = 100;
const lineMilliseconds = 30_000;

/**
 * A bar with share, loss, images a second and time left. A new label starts the clock anew; work that was done before
 * (a resumed epoch) does not count as speed.
 */
export class ProgressBar {
  #label = '';
  #startedAt = 0;
  #startedDone = 0;
  #drawnAt = -Infinity;
  #drawn = false;

  /**
   * A bar that is not drawn yet.
   *
   * @param stream where it is drawn. Default: standard error.
   * @param now a clock in milliseconds. Default: `performance.now`.
   */
  constructor(
    private readonly stream: ProgressStream = process.stderr,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Draws at most ten times a second; without a terminal, writes a line every 30 s. */
  update(update: ProgressUpdate): void {
    const now = this.now();
    if (update.label !== this.#label) this.#begin(update, now);
    const interval = this.stream.isTTY ? redrawMilliseconds : lineMilliseconds;
    if (now - this.#drawnAt < interval && update.done < update.total) return;
    this.#drawnAt = now;
    this.#draw(update, now);
  }

  #begin(update: ProgressUpdate, now: number): void {
    this.#label = update.label;
    this.#startedAt = now;
    // The first update comes when the first of this sitting is done.
    this.#startedDone = update.done;
    this.#drawnAt = this.stream.isTTY ? -Infinity : now;
  }

  #draw(update: ProgressUpdate, now: number): void {
    const { label, done, total, loss } = update;
    const seconds = (now - this.#startedAt) / 1000;
    const rate = seconds > 0 ? (done - this.#startedDone) / seconds : 0;
    const parts = [`${label}: ${done}/${total}`];
    if (typeof loss === 'number') parts.push(`loss ${loss.toFixed(4)}`);
    if (rate > 0) parts.push(`${formatRate(rate)} images/s`, `${formatSeconds((total - done) / rate)} left`);
    if (!this.stream.isTTY) {
      this.stream.write(`${parts.join(', ')}\n`);
      return;
    }
    const text = parts.join('  ');
    const width = Math.max(0, Math.min(30, (this.stream.columns ?? 80) - text.length - 4));
    const filled = Math.round((width * done) / Math.max(1, total));
    const bar = width >= 5 ? `${'█'.repeat(filled)}${'░'.repeat(width - filled)}  ` : '';
    this.stream.write(`\r${bar}${text}\x1b[K`);
    this.#drawn = true;
  }

  /** Removes the bar, so that other lines can be written; the next update draws it again. */
  clear(): void {
    if (this.#drawn) this.stream.write('\r\x1b[K');
    this.#drawn = false;
  }
}

function formatRate(rate: number): string {
  return rate >= 10 ? rate.toFixed(0) : rate >= 1 ? rate.toFixed(1) : rate.toPrecision(2);
}

/** `42 s`, `3:07`, `2:15:00`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const two = (n: number) => String(n).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
