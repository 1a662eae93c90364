/** Decodes the images of a call, within the limits of what may be decoded at a time. */
import { pixelsOf, type ImageInput } from '../data/decode.js';
import { isOwn } from '../data/own-pixels.js';
import { engine } from '../native/engine.js';
import type { CopiedImage, RawImage } from '../native/bindings/engine.js';
import { imageAdmission } from './admission.js';

/** Pixels as the engine takes them: copied at the call, or by {@link copied} before. */
export type GivenPixels = RawImage | CopiedImage;

/**
 * Decodes images when there is room for their pixels, and calls `use` with them.
 *
 * @param devices on how many devices the call's model runs: each is to have as many calls waiting.
 * @throws DinoSegError IMAGE, FILE_NOT_FOUND, IO, INVALID_ARGUMENT; the signal's reason; what `use` throws.
 */
export async function withPixels<T>(
  images: readonly ImageInput[],
  signal: AbortSignal | undefined,
  devices: number,
  use: (pixels: GivenPixels[]) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  // Pixels that are there already go to the queue in the same turn: calls keep their order.
  const entered = imageAdmission.enter(signal, devices);
  const place = entered instanceof Promise ? await entered : entered;
  try {
    const decoded = pixelsOf(images);
    const pixels = decoded instanceof Promise ? await decoded : decoded;
    signal?.throwIfAborted();
    place.hold(pixels.reduce((sum, { data }) => sum + data.byteLength, 0));
    if (!pixels.some(isOwn)) return await use(pixels);
    const given = await Promise.all(pixels.map((image) => (isOwn(image) ? copied(image) : image)));
    try {
      return await use(given);
    } finally {
      for (const { data } of given) if (!(data instanceof Uint8Array)) engine().dispose(data);
    }
  } finally {
    place.leave();
  }
}

/** A copy that is not made on the JavaScript thread. */
async function copied(image: RawImage): Promise<CopiedImage> {
  const { width, height, name } = image;
  return { data: await engine().copyPixels(image), width, height, name };
}
