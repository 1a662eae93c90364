/** The small networks that ship with the package (models/street-small): a segmentor, and a detector with its backbone. */
import { fileURLToPath } from 'node:url';
import { convert } from '../model/convert.js';

const file = (name: string) => fileURLToPath(new URL(`../../models/street-small/${name}`, import.meta.url));

/** Its checkpoints, with the keys of the released ones. */
export const streetSmall = { backbone: file('backbone.safetensors'), head: file('head.safetensors') };

/** The checkpoint of the detector's head for the same backbone. */
export const streetSmallDetectorHead = file('detector-head.safetensors');

/** Width and height that it was trained at, pixels. */
export const streetSmallSize = 256;

/** Images of a pass: so small a network keeps all cores busy with several only. */
export const streetSmallPassSize = 8;

/** Width and height that the detector was trained at, pixels, and the least score at which its counts are best (detector.md). */
export const streetSmallCounting = { detectorSize: 768, threshold: 0.35 };

/** Writes it as a network in float32. @throws DinoSegError as {@link convert} */
export async function writeStreetSmall(out: string, signal?: AbortSignal): Promise<void> {
  await convert({ ...streetSmall, out, dtype: 'float32', ...(signal && { signal }) });
}

/** Writes the detector in float32. @throws DinoSegError as {@link convert} */
export async function writeStreetSmallDetector(out: string, signal?: AbortSignal): Promise<void> {
  const { backbone } = streetSmall;
  const parts = { task: 'detection', backbone, head: streetSmallDetectorHead } as const;
  await convert({ ...parts, out, dtype: 'float32', ...(signal && { signal }) });
}
