/** Reduced samples for viewing. */
import { engine } from '../native/engine.js';
import type { Sample } from './dataset.js';
import { resizeImage, type RgbImage } from './decode.js';

/** Up to `most` of `count` positions, spread evenly. */
export function spread(count: number, most: number): number[] {
  const taken = Math.min(count, most);
  return Array.from({ length: taken }, (_, i) => Math.floor((i * count) / taken));
}

/** A sample of another size. */
export interface Preview {
  image: RgbImage;
  /** Class indices H×W of the image, row by row; 255 is no class. */
  label: Uint8Array;
}

/** The size of an image fitted into a box, never enlarged. */
export function sizeWithin(
  { width, height }: { width: number; height: number },
  box: { width: number; height: number },
): { width: number; height: number } {
  const scale = Math.min(1, box.width / width, box.height / height);
  const side = (pixels: number) => Math.max(1, Math.round(scale * pixels));
  return { width: side(width), height: side(height) };
}

/** An image in a box, and its label of the same size (nearest pixels). */
export async function previewOf(
  { image, label }: Pick<Sample, 'image' | 'label'>,
  box: { width: number; height: number },
): Promise<Preview> {
  const size = sizeWithin(image, box);
  const tensor = await engine().prepareLabels([label], { ...size, device: 'cpu' });
  const { data } = await engine().takeData(tensor);
  return { image: await resizeImage(image, size), label: data as Uint8Array };
}
