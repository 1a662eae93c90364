/** Decodes the images of a call, within the limits of what may be decoded at a time. */
import { decodedRoom } from '../data/budget.js';
import { decodedBytesOf, isEncoded, pixelsOf, type ImageInput } from '../data/decode.js';
import { isOwn } from '../data/own-pixels.js';
import { engine } from '../native/engine.js';
import type { CopiedImage, InputOptions, PreparedImage, RawImage } from '../native/bindings/engine.js';
import { imageAdmission } from './admission.js';

/** Pixels as the engine takes them: copied at the call, or by {@link handOver} before. */
export type GivenPixels = RawImage | CopiedImage;

/**
 * Decodes images when there is room for their pixels, and calls `use` with them.
 *
 * @param devices on how many devices the call's model runs: each is to have as many calls waiting.
 * @throws DinoSegError IMAGE, FILE_NOT_FOUND, IO, INVALID_ARGUMENT; the signal's reason; what `use` throws.
 */
export async function withDecoded<T>(
  images: readonly ImageInput[],
  signal: AbortSignal | undefined,
  devices: number,
  use: (pixels: readonly RawImage[]) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  // Pixels that are there already go to the queue in the same turn: calls keep their order.
  const entered = imageAdmission.enter(signal, devices);
  const place = entered instanceof Promise ? await entered : entered;
  const useThem = async () => {
    const decoded = pixelsOf(images);
    const pixels = decoded instanceof Promise ? await decoded : decoded;
    signal?.throwIfAborted();
    place.hold(pixels.reduce((sum, { data }) => sum + data.byteLength, 0));
    return await use(pixels);
  };
  try {
    // Calls come in before it is known how large their images are: those that are decoded wait once more.
    if (!Array.isArray(images) || !images.some(isEncoded)) return await useThem();
    return await decodedRoom.during((await decodedBytesOf(images)) / devices, useThem, signal);
  } finally {
    place.leave();
  }
}

/** {@link withDecoded}, with the pixels in the engine's memory by then where nobody else can write to them. */
export function withPixels<T>(
  images: readonly ImageInput[],
  signal: AbortSignal | undefined,
  devices: number,
  use: (pixels: GivenPixels[]) => Promise<T>,
): Promise<T> {
  return withDecoded(images, signal, devices, (pixels) => handOver(pixels, copied, use));
}

/**
 * Calls `use` with images as the engine takes them: this package's own as `take` has made them, and those that somebody may still
 * write to as they are, to be copied in this turn.
 */
export async function handOver<G extends CopiedImage | PreparedImage, T>(
  pixels: readonly RawImage[],
  take: (image: RawImage) => Promise<G>,
  use: (images: (RawImage | G)[]) => Promise<T>,
): Promise<T> {
  if (!pixels.some(isOwn)) return use([...pixels]);
  const taken: G[] = [];
  const give = async (image: RawImage) => {
    const given = await take(image);
    taken.push(given);
    return given;
  };
  try {
    // All of them end before any is disposed of.
    const ended = await Promise.allSettled(pixels.map((image) => (isOwn(image) ? give(image) : image)));
    const given = ended.map((end) => {
      if (end.status === 'rejected') throw end.reason;
      return end.value;
    });
    return await use(given);
  } finally {
    for (const image of taken) engine().dispose('input' in image ? image.input : image.data);
  }
}

/** A copy that is not made on the JavaScript thread. */
export async function copied(image: RawImage): Promise<CopiedImage> {
  const { width, height, name } = image;
  return { data: await engine().copyPixels(image), width, height, name };
}

/**
 * A network's input, made on its device while that computes something else. Images with an alpha channel are copied instead: where
 * they are transparent is in their pixels alone.
 */
export function prepared(options: InputOptions): (image: RawImage) => Promise<CopiedImage | PreparedImage> {
  return async (image) => {
    if (image.channels === 4) return copied(image);
    const { width, height, name } = image;
    return { input: await engine().networkInput(image, options), width, height, name };
  };
}
