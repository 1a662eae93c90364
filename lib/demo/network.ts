/** The small networks that ship with the package (models/street-small): a segmentor, and a detector with its backbone. */
import { fileURLToPath } from 'node:url';
import { convert } from '../model/convert.js';

const file = (name: string) => fileURLToPath(new URL(`../../models/street-small/${name}`, import.meta.url));

/** The network's checkpoints, with the keys of the released ones. */
export const streetSmall = { backbone: file('backbone.safetensors'), head: file('head.safetensors') };

/** The checkpoint of the detector's head for the same backbone. */
export const streetSmallDetectorHead = file('detector-head.safetensors');

/** Width and height of its training images in pixels. */
export const streetSmallSize = 256;

/** Images per pass. A network this small needs several to keep all cores busy. */
export const streetSmallPassSize = 8;

/** Width and height of the detector's training images in pixels, and the min score with the smallest count error (detector.md). */
export const streetSmallCounting = { detectorSize: 768, threshold: 0.35 };

/** Writes the network in float32. @throws DinoSegError as {@link convert} */
export async function writeStreetSmall(out: string, signal?: AbortSignal): Promise<void> {
  await convert({ ...streetSmall, out, dtype: 'float32', ...(signal && { signal }) });
}

/** Writes the detector in float32. @throws DinoSegError as {@link convert} */
export async function writeStreetSmallDetector(out: string, signal?: AbortSignal): Promise<void> {
  const { backbone } = streetSmall;
  const parts = { task: 'detection', backbone, head: streetSmallDetectorHead } as const;
  await convert({ ...parts, out, dtype: 'float32', ...(signal && { signal }) });
}
