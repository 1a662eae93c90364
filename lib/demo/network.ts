/** The small network that ships with the package (models/street-small). */
import { fileURLToPath } from 'node:url';
import { convert } from '../model/convert.js';

const file = (name: string) => fileURLToPath(new URL(`../../models/street-small/${name}`, import.meta.url));

/** Its checkpoints, with the keys of the released ones. */
export const streetSmall = { backbone: file('backbone.safetensors'), head: file('head.safetensors') };

/** Width and height that it was trained at, pixels. */
export const streetSmallSize = 256;

/** Writes it as a network in float32. @throws DinoSegError as {@link convert} */
export async function writeStreetSmall(out: string, signal?: AbortSignal): Promise<void> {
  await convert({ ...streetSmall, out, dtype: 'float32', ...(signal && { signal }) });
}
