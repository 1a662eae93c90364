/** Which decoded images nobody outside this package can write to. */
import type { RawImage } from '../native/bindings/engine.js';

const own = new WeakSet<RawImage>();

/** Marks an image that this package has decoded and shows to nobody before its results are there; returns it. */
export function markOwn<T extends RawImage>(image: T): T {
  own.add(image);
  return image;
}

/** Whether an image was marked: the engine may read its pixels after the call, too. */
export function isOwn(image: RawImage): boolean {
  return own.has(image);
}
