/** A progress bar on a terminal; elsewhere, occasional lines. */
import { callback, checkArgument, number, objectWith, text } from '../arguments.js';
import { oneLine, shortened } from '../printable.js';
import { formatRate, formatSeconds } from '../text.js';

/** The part of a stream that {@link ProgressBar} needs; process.stderr is one. */
export interface ProgressStream {
  /** Writes text immediately. */
  write(text: string): unknown;
  /** Whether the stream is a terminal on which a line can be redrawn (not with TERM=dumb). */
  isTTY?: boolean;
  /** Characters per line, read at each update. Default 80. */
  columns?: number;
}

/** Progress of a task. */
export interface ProgressUpdate {
  /** Name of the task, e.g. `epoch 3/20`. */
  label: string;
  /** Completed units. */
  done: number;
  /** Total units. */
  total: number;
  /** Loss; shown if it is a number. */
  loss?: number | null;
  /** Name of the units. Default `images`. */
  unit?: string;
}

const progressKind = objectWith<ProgressUpdate>('an object {label, done, total}', {
  label: text,
  done: number,
  total: number,
});
const streamKind = objectWith<ProgressStream>('a stream with write()', { write: callback() });

const redrawMilliseconds = 100;
const lineMilliseconds = 30_000;

/**
 * A progress bar with units per second, remaining time and loss. A new label restarts the clock; units completed before (of a
 * resumed epoch) do not count for the speed.
 */
export class ProgressBar {
  #label = '';
  #startedAt = 0;
  #startedDone = 0;
  #drawnAt = -Infinity;
  #drawn = false;

  /**
   * Creates a bar without drawing it.
   *
   * @param stream where to draw. Default: standard error.
   * @param now a clock in milliseconds. Default: `performance.now`.
   */
  constructor(
    private readonly stream: ProgressStream = process.stderr,
    private readonly now: () => number = () => performance.now(),
  ) {
    checkArgument(stream, streamKind, 'new ProgressBar(stream)');
    checkArgument(now, callback(), 'new ProgressBar(now)');
  }

  get #live(): boolean {
    return this.stream.isTTY === true && process.env['TERM'] !== 'dumb';
  }

  /** Draws at most ten times a second; without a terminal, writes a line every 30 s. */
  update(update: ProgressUpdate): void {
    checkArgument(update, progressKind, 'update(update)');
    const now = this.now();
    if (update.label !== this.#label) this.#begin(update, now);
    const interval = this.#live ? redrawMilliseconds : lineMilliseconds;
    if (now - this.#drawnAt < interval && update.done < update.total) return;
    this.#drawnAt = now;
    this.#draw(update, now);
  }

  #begin(update: ProgressUpdate, now: number): void {
    this.#label = update.label;
    this.#startedAt = now;
    // The first update comes after the first unit of this process.
    this.#startedDone = update.done;
    this.#drawnAt = this.#live ? -Infinity : now;
  }

  #draw(update: ProgressUpdate, now: number): void {
    const { label, done, total, loss, unit = 'images' } = update;
    const seconds = (now - this.#startedAt) / 1000;
    const rate = seconds > 0 ? (done - this.#startedDone) / seconds : 0;
    const count = `${oneLine(label)}: ${done}/${total}`;
    const speed =
      rate > 0 ? [`${formatSeconds((total - done) / rate)} left`, `${formatRate(rate)} ${unit}/s`] : [];
    const extras = [...speed, ...(typeof loss === 'number' ? [`loss ${loss.toFixed(4)}`] : [])];
    if (!this.#live) {
      this.stream.write(`${[count, ...extras].join(', ')}\n`);
      return;
    }
    // A line that fills the last column may wrap, and a wrapped line is not drawn over.
    const room = (this.stream.columns || 80) - 1;
    while (extras.length > 0 && [count, ...extras].join('  ').length > room) extras.pop();
    const text = shortened([count, ...extras].join('  '), room);
    const width = Math.min(30, room - text.length - 2);
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
