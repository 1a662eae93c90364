/** How much may be in memory at a time, whatever the sizes of the images. */
import { DinoSegError } from '../errors.js';

interface Waiting {
  amount: number;
  admit: () => void;
}

/**
 * Room for pixels or bytes, given in the order in which it is asked for. What needs more than all of it gets it alone: a large image
 * waits for those before it, and those after it wait for the large one, so that none waits for ever.
 */
export class Budget {
  #used = 0;
  #closed = false;
  readonly #waiting = new Set<Waiting>();

  constructor(private readonly most: number) {}

  /** Waits for room. Ends at once after {@link close}. @throws the signal's reason: then nothing was taken */
  async take(amount: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#closed || (this.#waiting.size === 0 && this.#hasRoom(amount))) {
      this.#used += amount;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const abort = () => {
        this.#waiting.delete(waiting);
        reject(signal?.reason as Error);
        // It may have stood before one for which there is room.
        this.#admit();
      };
      const waiting: Waiting = {
        amount,
        admit: () => {
          signal?.removeEventListener('abort', abort);
          resolve();
        },
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiting.add(waiting);
    });
  }

  give(amount: number): void {
    this.#used -= amount;
    this.#admit();
  }

  /** Calls `use` when there is room. @throws the signal's reason while it waits; what `use` throws */
  async during<T>(amount: number, use: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.take(amount, signal);
    try {
      return await use();
    } finally {
      this.give(amount);
    }
  }

  /** The work ends: nobody waits any more. */
  close(): void {
    this.#closed = true;
    this.#admit();
  }

  /** Whether anything is taken. */
  get isInUse(): boolean {
    return this.#used > 0;
  }

  #hasRoom(amount: number): boolean {
    return this.#used === 0 || this.#used + amount <= this.most;
  }

  #admit(): void {
    for (const waiting of this.#waiting) {
      if (!this.#closed && !this.#hasRoom(waiting.amount)) return;
      this.#waiting.delete(waiting);
      this.#used += waiting.amount;
      waiting.admit();
    }
  }
}

/** The codec's own limit of the pixels of an image. */
export const mostPixels = 0x3fff ** 2;

/** @throws DinoSegError INVALID_ARGUMENT */
export function checkedMaxPixels(maxPixels = mostPixels): number {
  if (Number.isInteger(maxPixels) && maxPixels >= 1) return maxPixels;
  throw new DinoSegError('INVALID_ARGUMENT', `maxPixels should be a whole number from 1, not ${maxPixels}.`);
}

/**
 * Memory of all images and labels that this process (each of its threads) decodes at a time, in bytes. Four photographs of
 * 33 megapixels fit.
 */
export const decodingRoom = new Budget(2 ** 30);

/** Memory of the decoded images that calls hold at a time, beside those that were given as pixels, in bytes for each device. */
export const decodedRoom = new Budget(256 * 2 ** 20);
