// Output of the setup: one line with its time for each completed step; on a terminal, also a line for the current step.

const second = 1000;

/** `0.4 s`, `12 s`, `2 min 5 s`. */
export function duration(milliseconds) {
  if (milliseconds < 9.95 * second) return `${(milliseconds / second).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / second);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

export class StepPrinter {
  #total;
  #stream;
  #now;
  #number = 0;
  #name = '';
  #doing = '';
  #startedAt = 0;
  #timer;

  /**
   * @param total number of steps, including those that are not needed.
   * @param stream output stream. A terminal (`isTTY`) shows the current step in a line that is redrawn, unless TERM=dumb.
   * @param now a clock in milliseconds.
   */
  constructor(total, { stream = process.stderr, now = () => performance.now() } = {}) {
    this.#total = total;
    this.#stream = stream;
    this.#now = now;
  }

  /** Starts a step. */
  start(number, name, doing) {
    this.#number = number;
    this.#name = name;
    this.#startedAt = this.#now();
    this.update(doing);
    if (this.#isLive) this.#timer = setInterval(() => this.#draw(), second).unref();
  }

  /** Shows what the step does now, such as `compiling 3 of 14`. */
  update(doing) {
    if (doing === this.#doing) return;
    this.#doing = doing;
    this.#draw();
  }

  /** Ends the step and prints its line with the outcome. */
  end(outcome) {
    clearInterval(this.#timer);
    this.#stream.write(`${this.#isLive ? '\r\x1b[K' : ''}${this.#line(outcome)}\n`);
    this.#doing = '';
  }

  get #isLive() {
    return this.#stream.isTTY === true && process.env.TERM !== 'dumb';
  }

  #line(text) {
    return `[${this.#number}/${this.#total}] ${this.#name}: ${text} · ${duration(this.#now() - this.#startedAt)}`;
  }

  #draw() {
    if (!this.#isLive) return;
    // A line that fills the last column may wrap, and a wrapped line cannot be redrawn. The time stays visible.
    const room = (this.#stream.columns || 80) - 1;
    const over = this.#line(this.#doing).length - room;
    const doing = over > 0 ? `${this.#doing.slice(0, -over - 1)}…` : this.#doing;
    this.#stream.write(`\r${this.#line(doing).slice(0, room)}\x1b[K`);
  }
}
