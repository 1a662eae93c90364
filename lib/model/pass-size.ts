/** How many images go through the network in one pass. */
import { DinoSegError } from '../errors.js';
import { engine } from '../native/engine.js';
import { counted } from '../text.js';
import type { DType } from '../native/bindings/engine.js';
import type { ImageSize } from './image-size.js';

/** Sizes that are chosen automatically, the largest first; a pass of more than 8 is not faster per image. */
const chosenSizes = [8, 4, 2];
/**
 * Maximum of a streamed network. While an image goes through the 7B's backbone on an H200 (23 ms), 1.2 GB are copied to it over
 * PCIe 5: behind 12 images all 13.4 GB of the blocks. Others compute for longer while as much is copied.
 */
export const mostStreamedImages = 12;
/** Share of the free memory that a pass may use: recorded passes, scores and other processes need some, too. */
const share = 0.5;
/**
 * Memory that an image adds to a pass of a bfloat16 network. The unit is a float32 map of a quarter of the image's
 * size with the channels of backbone and decoder together. Measured with the 7B at 512×512: 0.57 GB
 * (docs/speed.md), which is 1.4 units; the rest allows for what the allocator keeps and recorded passes hold.
 */
const mapsOfImage = 2.2;

/** Properties of a network that determine how much memory an image takes. */
export interface NetworkWidths {
  /** Of the backbone's tokens. */
  width: number;
  /** Of the decoder's queries. */
  hidden: number;
  /** Of the backbone's weights. */
  dtype: DType;
}

/** Bytes of a map of a quarter of the image's size with the channels of backbone and decoder, in float32; twice for a float32 network. */
export function bytesOfMaps({ width, hidden, dtype }: NetworkWidths, size: ImageSize): number {
  const mapBytes = ((size.width * size.height) / 16) * (width + hidden) * 4;
  return mapBytes * (dtype === 'float32' ? 2 : 1);
}

/** Estimated bytes that an image of the network's input size adds to a pass. */
export function imageBytes(widths: NetworkWidths, size: ImageSize): number {
  return bytesOfMaps(widths, size) * mapsOfImage;
}

/** The largest of 8, 4, 2 and 1 whose images fit into half of the free memory. */
export function choosePassSize(freeBytes: number, bytesOfImage: number): number {
  return chosenSizes.find((size) => size * bytesOfImage <= share * freeBytes) ?? 1;
}

/** How a network whose weights are streamed runs. */
export interface WeightPlan {
  /** Blocks that stay on the device. */
  residentBlocks: number;
  /** Images per pass of the planned size. */
  passSize: number;
  /** Pixels of an image of that size. */
  pixels: number;
}

/** What the size of a network's passes depends on. */
export interface PassModel extends NetworkWidths {
  devices: readonly string[];
  /** How it runs where its weights are streamed. */
  weightPlan?: WeightPlan | undefined;
  /** What a user is told of that. */
  streaming?: string | undefined;
}

/**
 * Images per pass where none are given: 1 on the CPU, as planned for a streamed network, else what fits.
 *
 * @param room bytes of a device for passes of a network that is on it as a whole.
 */
export function defaultPassSize(model: PassModel, size: ImageSize, room: (device: string) => number): number {
  const { weightPlan, devices } = model;
  if (devices.includes('cpu')) return 1;
  if (weightPlan) return plannedPassSize(weightPlan, size);
  const bytes = imageBytes(model, size);
  return Math.min(...devices.map((device) => choosePassSize(room(device), bytes)));
}

/** Of a streamed network, also for images of another size than it was planned for. */
function plannedPassSize({ passSize, pixels }: WeightPlan, size: ImageSize): number {
  const fit = Math.floor((passSize * pixels) / (size.width * size.height));
  return Math.max(1, Math.min(mostStreamedImages, fit));
}

/** Options for the size of passes. */
export interface PassOptions {
  /** Images per pass, from 1. Undefined or null: 1 on the CPU, else chosen by the free memory. */
  passSize?: number | null | undefined;
  /** Called with a line of text when passes get smaller. */
  onLog?: ((line: string) => void) | undefined;
}

/**
 * Refuses a pass size that is not a whole number from 1.
 *
 * @throws DinoSegError INVALID_ARGUMENT
 */
export function checkPassSize(passSize: number | null | undefined): void {
  if (passSize === undefined || passSize === null) return;
  if (!Number.isSafeInteger(passSize) || passSize < 1)
    throw new DinoSegError('INVALID_ARGUMENT', `passSize should be a whole number from 1, not ${passSize}.`);
}

/** Says how a network runs whose weights are streamed. */
export function logStreaming({ streaming }: PassModel, images: number, onLog: PassOptions['onLog']): void {
  if (streaming !== undefined) onLog?.(`${streaming}; ${counted(images, 'image')} a pass`);
}

/** Runs the passes of a job and chooses their size. A size that was chosen automatically is halved when memory runs out. */
export class BatchRunner {
  /** Why the size is fixed, for the error when memory runs out; null while it may be halved. */
  #kept: string | null;

  constructor(
    /** Maximum number of images per pass. */
    public size: number,
    private readonly options: { mayHalve: boolean; onLog?: PassOptions['onLog'] },
  ) {
    this.#kept = options.mayHalve ? null : '';
  }

  /**
   * Passes of the given size, or of one that fits the memory that is free now on each of the network's devices.
   *
   * @param size width and height of the network's input.
   * @throws DinoSegError INVALID_ARGUMENT
   */
  static of(model: PassModel, size: ImageSize, { passSize, onLog }: PassOptions): BatchRunner {
    checkPassSize(passSize);
    const room = (device: string) => engine().memoryRoom(device).freeBytes;
    const chosen = passSize ?? defaultPassSize(model, size, room);
    logStreaming(model, chosen, onLog);
    if (typeof passSize === 'number') return new BatchRunner(passSize, { mayHalve: false });
    return new BatchRunner(chosen, { mayHalve: true, onLog });
  }

  /** Whether the size changes when memory runs out. */
  get mayHalve(): boolean {
    return this.#kept === null && this.size > 1;
  }

  /** Fixes the size from now on, because stored results depend on it. `why` is added to OUT_OF_MEMORY. */
  keep(why: string): void {
    this.#kept = why;
  }

  /**
   * Runs a pass of at most the current size; if memory runs out and the size may change, again with half of it. Passes may run at the
   * same time.
   *
   * @throws DinoSegError OUT_OF_MEMORY, and what `pass` throws.
   */
  async run<T>(pass: (most: number) => Promise<T>): Promise<T> {
    for (;;) {
      const before = this.size;
      try {
        return await pass(before);
      } catch (error) {
        if (!(error instanceof DinoSegError) || error.code !== 'OUT_OF_MEMORY') throw error;
        if (before === 1 || this.#kept === '') throw error;
        if (this.#kept)
          throw new DinoSegError(error.code, `${error.message}. ${this.#kept}`, { cause: error });
      }
      // Another pass may have halved it meanwhile.
      if (this.size < before) continue;
      this.size = Math.floor(before / 2);
      this.options.onLog?.(
        `Memory ran out with ${before} images per pass; continuing with ${this.size} (--pass-size sets it).`,
      );
    }
  }
}
