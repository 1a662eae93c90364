/** Decodes the images of a call, within the limits of what may be decoded at a time. */
import { pixelsOf, type ImageInput } from '../data/decode.js';
import type { RawImage } from '../native/bindings/engine.js';
import { imageAdmission } from './admission.js';

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
  use: (pixels: RawImage[]) => Promise<T>,
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
    return await use(pixels);
  } finally {
    place.leave();
  }
}
