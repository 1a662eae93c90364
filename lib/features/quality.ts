/** Which images of a table may be no photographs of a street, by their pixels alone. */
import type { RgbImage } from '../data/decode.js';
import type { ReducedImage } from '../data/decode-reduced.js';

/** Why an image is marked. */
export const qualityFlags = ['tiny', 'uniform', 'transparent', 'duplicate'] as const;
/** One of {@link qualityFlags}. */
export type QualityFlag = (typeof qualityFlags)[number];

/** Limits of the flags (docs/extraction.md). */
export const qualityLimits = {
  /** `tiny`: the shorter side in pixels is below. */
  side: 64,
  /** `uniform`: percent of the opaque pixels of nearly one colour, at least. */
  uniform: 90,
  /** `transparent`: percent of the pixels, at least. */
  transparent: 50,
} as const;

/** What was measured of an image. */
export interface ImageQuality {
  /** Percent of its pixels that are transparent. */
  readonly transparent: number;
  /** Percent of its opaque pixels that have nearly its commonest colour. */
  readonly uniform: number;
  /** What is odd about the file. */
  readonly notes?: readonly string[];
}

/** Measures a decoded image. Transparent pixels are those of the image itself. */
export function qualityOf(image: RgbImage & Partial<ReducedImage>): ImageQuality {
  const { transparent, transparentPixels, full = image, notes } = image;
  let hidden = transparentPixels ?? 0;
  if (transparent && transparentPixels === undefined)
    for (let i = 0; i < transparent.length; i++) hidden += transparent[i]!;
  return {
    transparent: (100 * hidden) / (full.width * full.height),
    uniform: uniformPercent(image),
    ...(notes && { notes }),
  };
}

/** The flags of an image, except `duplicate`. */
export function flagsOf(
  { transparent, uniform }: ImageQuality,
  size: { width: number; height: number },
): QualityFlag[] {
  const flags: QualityFlag[] = [];
  if (Math.min(size.width, size.height) < qualityLimits.side) flags.push('tiny');
  if (uniform >= qualityLimits.uniform) flags.push('uniform');
  if (transparent >= qualityLimits.transparent) flags.push('transparent');
  return flags;
}

/** Number of pixels that are looked at, in even steps. */
const sampled = 1 << 16;
/** Difference from the commonest colour in each channel. */
const tolerance = 8;

/** Percent of the opaque pixels that are near the commonest colour: the mean of the fullest of 32³ boxes of colours. */
function uniformPercent({ data, width, height, transparent }: RgbImage): number {
  const step = Math.max(1, Math.floor(Math.sqrt((width * height) / sampled)));
  const places: number[] = [];
  for (let y = step >> 1; y < height; y += step)
    for (let x = step >> 1; x < width; x += step) {
      const place = y * width + x;
      if (!transparent?.[place]) places.push(3 * place);
    }
  if (places.length === 0) return 0;
  const boxOf = (i: number) => ((data[i]! >> 3) << 10) | ((data[i + 1]! >> 3) << 5) | (data[i + 2]! >> 3);
  const counts = new Uint32Array(1 << 15);
  let fullest = 0;
  for (const i of places) {
    const box = boxOf(i);
    if (++counts[box]! > counts[fullest]!) fullest = box;
  }
  const mean = [0, 0, 0];
  for (const i of places)
    if (boxOf(i) === fullest) for (let c = 0; c < 3; c++) mean[c]! += data[i + c]! / counts[fullest]!;
  const [red, green, blue] = mean as [number, number, number];
  let near = 0;
  for (const i of places)
    if (
      Math.abs(data[i]! - red) <= tolerance &&
      Math.abs(data[i + 1]! - green) <= tolerance &&
      Math.abs(data[i + 2]! - blue) <= tolerance
    )
      near++;
  return (100 * near) / places.length;
}
