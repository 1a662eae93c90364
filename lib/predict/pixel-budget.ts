/** How many pixels may be in memory at a time, whatever the sizes of the images. */

/**
 * Room for pixels, given in the order in which it is asked for. What needs more than all of it gets it alone: the order is that of
 * the images, so that an earlier one never waits for a later one.
 */
export class PixelBudget {
  #used = 0;
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(private readonly most: number) {}

  /** Waits for room. One call at a time. Ends at once after {@link close}. */
  async take(pixels: number): Promise<void> {
    while (!this.#closed && this.#used > 0 && this.#used + pixels > this.most)
      await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#used += pixels;
  }

  give(pixels: number): void {
    this.#used -= pixels;
    this.#wake?.();
  }

  /** The work ends: nobody waits any more. */
  close(): void {
    this.#closed = true;
    this.#wake?.();
  }
}
