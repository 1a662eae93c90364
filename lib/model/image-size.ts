/** Sizes that the network takes. */
import { DinoSegError } from '../errors.js';

/** Height and width must be multiples of this: the coarsest of the four maps is at 1/32. */
export const sizeStep = 32;

function neighbours(size: number): string {
  const below = Math.floor(size / sizeStep) * sizeStep;
  return below < sizeStep ? `${sizeStep}` : `${below} or ${below + sizeStep}`;
}

/**
 * Refuses sizes that are not multiples of 32 and names the nearest that work.
 *
 * @throws DinoSegError SHAPE
 */
export function checkImageSize(width: number, height: number): void {
  const wrong = [['width', width] as const, ['height', height] as const].filter(
    ([, size]) => !Number.isInteger(size) || size < sizeStep || size % sizeStep !== 0,
  );
  if (wrong.length === 0) return;
  const hints = wrong.map(([name, size]) => `${name} ${neighbours(size)} instead of ${size}`);
  throw new DinoSegError(
    'SHAPE',
    `The network takes images whose width and height are multiples of ${sizeStep}; these are ${width}×${height} ` +
      `(width × height). The nearest that work: ${hints.join(', ')}.`,
  );
}

/** Pixels of an image or a grid. */
export interface ImageSize {
  /** Columns. */
  width: number;
  /** Rows. */
  height: number;
}

/** `512` or `{width, height}` as width and height. */
export function asSize(size: number | ImageSize): ImageSize {
  return typeof size === 'number' ? { width: size, height: size } : size;
}
