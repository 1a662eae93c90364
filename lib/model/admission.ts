/** Limits how many calls may hold decoded pixels at a time. */

/** A call's admission. The call must leave it in every case. */
export interface Place {
  /** Sets how many bytes the call holds from now on. */
  hold(bytes: number): void;
  leave(): void;
}

interface Waiting {
  /** How many times the limits hold for it. */
  times: number;
  admit: () => void;
}

/**
 * Admits calls in order of arrival, while fewer than `calls` are inside and they hold fewer than `bytes`. The last
 * call admitted may exceed `bytes`, so that images of any size are admitted.
 */
export class Admission {
  readonly #limits: { calls: number; bytes: number };
  readonly #waiting = new Set<Waiting>();
  #calls = 0;
  #bytes = 0;

  constructor(limits: { calls: number; bytes: number }) {
    this.#limits = limits;
  }

  /**
   * Admits a call: synchronously if there is room and nobody waits, so that no turn of the event loop is lost. For it the
   * limits hold `times` times, such as once a device.
   */
  enter(signal?: AbortSignal, times = 1): Place | Promise<Place> {
    if (this.#waiting.size === 0 && this.#hasRoom(times)) return this.#place();
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#waiting.delete(waiting);
        reject(signal?.reason as Error);
      };
      const waiting: Waiting = {
        times,
        admit: () => {
          signal?.removeEventListener('abort', abort);
          resolve(this.#place());
        },
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiting.add(waiting);
    });
  }

  #hasRoom(times: number): boolean {
    const { calls, bytes } = this.#limits;
    return this.#calls === 0 || (this.#calls < calls * times && this.#bytes < bytes * times);
  }

  #place(): Place {
    this.#calls++;
    let held = 0;
    let left = false;
    return {
      hold: (bytes) => {
        this.#bytes += bytes - held;
        held = bytes;
      },
      leave: () => {
        if (left) return;
        left = true;
        this.#calls--;
        this.#bytes -= held;
        for (const waiting of this.#waiting) {
          if (!this.#hasRoom(waiting.times)) break;
          this.#waiting.delete(waiting);
          waiting.admit();
        }
      },
    };
  }
}

/** Admission of the calls that take images, per thread. */
export const imageAdmission = new Admission({ calls: 16, bytes: 256 * 2 ** 20 });
