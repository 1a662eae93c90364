/** How many images go through the network together, in one pass. */
import { DinoSegError } from '../errors.js';
import { engine } from '../native/engine.js';
import type { DType } from '../native/bindings/engine.js';
import type { ImageSize } from './image-size.js';

/** Sizes that are chosen by themselves, the largest first; beyond 8 an image takes no less time. */
const chosenSizes = [8, 4, 2];
/** Of the free memory that a pass may take: recorded passes, scores and other processes want some, too. */
const share = 0.5;
/**
 * What an image adds to a pass of a bfloat16 network, in float32 maps of a quarter of its size whose channels are the
 * backbone's and the decoder's width. Allocated by the 7B at 512×512: 0.57 GB (docs/checks.md), 1.4 of them; the rest is for
 * what the allocator keeps and recorded passes hold.
 */
const mapsOfImage = 2.2;

/** What of a network says how much memory an image takes. */
export interface NetworkWidths {
  /** Of the backbone's tokens. */
  width: number;
  /** Of the decoder's queries. */
  hidden: number;
  /** Of the backbone's weights. */
  dtype: DType;
}

/** Bytes that an image of the network's input size adds to a pass, estimated. */
export function imageBytes({ width, hidden, dtype }: NetworkWidths, size: ImageSize): number {
  const mapBytes = ((size.width * size.height) / 16) * (width + hidden) * 4;
  return mapBytes * mapsOfImage * (dtype === 'float32' ? 2 : 1);
}

/** The largest of 8, 4, 2 and 1 whose images fit half of what is free. */
export function choosePassSize(freeBytes: number, bytesOfImage: number): number {
  return chosenSizes.find((size) => size * bytesOfImage <= share * freeBytes) ?? 1;
}

/** Bytes of a CUDA device that are free, or that libtorch keeps without using them. */
function freeBytesOf(device: string): number {
  const found = engine()
    .devices()
    .find(({ name }) => name === device);
  const { reservedBytes, allocatedBytes } = engine().memoryStats(device);
  return (found?.freeBytes ?? 0) + reservedBytes - allocatedBytes;
}

/** How passes are sized. */
export interface PassOptions {
  /** Images in a pass, from 1; undefined or null: 1 on the CPU, else by the memory that is free. */
  passSize?: number | null | undefined;
  /** Hears, for people, when passes get smaller. */
  onLog?: ((line: string) => void) | undefined;
}

/**
 * Refuses sizes of a pass that are no whole number from 1.
 *
 * @throws DinoSegError INVALID_ARGUMENT
 */
export function checkPassSize(passSize: number | null | undefined): void {
  if (passSize === undefined || passSize === null) return;
  if (!Number.isSafeInteger(passSize) || passSize < 1)
    throw new DinoSegError('INVALID_ARGUMENT', `passSize should be a whole number from 1, not ${passSize}.`);
}

/** Runs the passes of a job and chooses their size: one that was chosen by itself is halved where memory runs out. */
export class BatchRunner {
  /** Why the size stays, for the error where memory runs out; null while it may be halved. */
  #kept: string | null;

  constructor(
    /** Images that a pass takes at most. */
    public size: number,
    private readonly options: { mayHalve: boolean; onLog?: PassOptions['onLog'] },
  ) {
    this.#kept = options.mayHalve ? null : '';
  }

  /**
   * Passes of the size that was given, or of one that fits the memory that is free now.
   *
   * @param size width and height of the network's input.
   * @throws DinoSegError INVALID_ARGUMENT
   */
  static of(
    model: NetworkWidths & { device: string },
    size: ImageSize,
    { passSize, onLog }: PassOptions,
  ): BatchRunner {
    checkPassSize(passSize);
    if (typeof passSize === 'number') return new BatchRunner(passSize, { mayHalve: false });
    const chosen =
      model.device === 'cpu' ? 1 : choosePassSize(freeBytesOf(model.device), imageBytes(model, size));
    return new BatchRunner(chosen, { mayHalve: true, onLog });
  }

  /** From here on the size stays: results are kept that depend on it. `why` is added to OUT_OF_MEMORY. */
  keep(why: string): void {
    this.#kept = why;
  }

  /**
   * A pass of at most so many images; once more with half of them where memory runs out and the size may change.
   *
   * @throws DinoSegError OUT_OF_MEMORY, and what `pass` throws.
   */
  async run<T>(pass: (most: number) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await pass(this.size);
      } catch (error) {
        if (!(error instanceof DinoSegError) || error.code !== 'OUT_OF_MEMORY') throw error;
        if (this.size === 1 || this.#kept === '') throw error;
        if (this.#kept)
          throw new DinoSegError(error.code, `${error.message}. ${this.#kept}`, { cause: error });
      }
      const before = this.size;
      this.size = Math.floor(before / 2);
      this.options.onLog?.(
        `Memory ran out with ${before} images in a pass; it goes on with ${this.size} (--pass-size sets it).`,
      );
    }
  }
}
