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

/** What a network sees images at where neither the caller nor a head says otherwise. */
export const defaultImageSize = 512;

/** What of a head says at which size it sees images. */
interface SizedHead {
  readonly metadata: { readonly imageSize?: number };
}

/**
 * The size at which heads see images: the one that is given, else the one that they were trained at, else 512. Every call
 * that takes a head has this default. Heads that do not say what they were trained at take the others' size.
 *
 * @throws DinoSegError INVALID_ARGUMENT where none is given and the heads were trained at several.
 */
export function imageSizeOf<S extends number | ImageSize = number>(
  given: S | undefined,
  heads: readonly SizedHead[],
): S | number {
  if (given !== undefined) return given;
  const sizes = new Set(heads.flatMap(({ metadata }) => metadata.imageSize ?? []));
  if (sizes.size > 1)
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `The heads were trained at different image sizes (${[...sizes].join(', ')} pixels): say with imageSize which one ` +
        'all of them are to see, or call once for each size.',
    );
  const [trainedAt = defaultImageSize] = sizes;
  return trainedAt;
}

/** What a detector's images are multiples of: patches of the backbone; and the least side that its maps and windows need. */
const detectorSizes = { step: 16, least: 80 };

/**
 * The size at which a detector sees an image. A number is the short side: the image's shape is kept but for multiples of
 * 16, and the long side is at most twice the number. A size is taken as it is.
 *
 * @throws DinoSegError SHAPE for sides that are no multiples of 16 from 80; INVALID_ARGUMENT for a number below 80.
 */
export function detectorInputSize(image: ImageSize, size: number | ImageSize): ImageSize {
  const { step, least } = detectorSizes;
  if (typeof size === 'number') {
    if (!(size >= least && Number.isFinite(size)))
      throw new DinoSegError('INVALID_ARGUMENT', `imageSize should be at least ${least}, not ${size}.`);
    const [short, long] = [Math.min(image.width, image.height), Math.max(image.width, image.height)];
    const scale = Math.min(size / short, (2 * size) / long);
    const fit = (pixels: number) => Math.max(least, Math.round((pixels * scale) / step) * step);
    return { width: fit(image.width), height: fit(image.height) };
  }
  const { width, height } = size;
  for (const side of [width, height])
    if (!Number.isInteger(side) || side < least || side % step !== 0)
      throw new DinoSegError(
        'SHAPE',
        `A detector takes images whose width and height are multiples of ${step} from ${least}; these are ` +
          `${width}×${height} (width × height).`,
      );
  return { width, height };
}
