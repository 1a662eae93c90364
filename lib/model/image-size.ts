/** Image sizes that networks accept. */
import { DinoSegError } from '../errors.js';

/** Height and width must be multiples of this: the coarsest of the four maps is at 1/32. */
export const sizeStep = 32;

function neighbours(size: number): string {
  const below = Math.floor(size / sizeStep) * sizeStep;
  return below < sizeStep ? `${sizeStep}` : `${below} or ${below + sizeStep}`;
}

/**
 * Refuses sizes that are not multiples of 32 and names the nearest valid ones.
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
    `The network accepts images whose width and height are multiples of ${sizeStep}, not ${width}×${height} ` +
      `(width × height). The nearest valid sizes: ${hints.join(', ')}.`,
  );
}

/** Size of an image or a grid in pixels. */
export interface ImageSize {
  /** Width: number of columns. */
  width: number;
  /** Height: number of rows. */
  height: number;
}

/** `512` or `{width, height}` as width and height. */
export function asSize(size: number | ImageSize): ImageSize {
  return typeof size === 'number' ? { width: size, height: size } : size;
}

/** Default input size of networks, if neither the caller nor a head states another. */
export const defaultImageSize = 512;

/** What of a head says at which size it sees images. */
interface SizedHead {
  readonly metadata: { readonly imageSize?: number };
}

/**
 * The image size for heads: the given one, else the one that they were trained at, else 512. This is the default of
 * every call that takes a head. Heads without a training size use that of the others.
 *
 * @throws DinoSegError INVALID_ARGUMENT if none is given and the heads were trained at different sizes.
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
      `The heads were trained at different image sizes (${[...sizes].join(', ')} pixels). Set imageSize for all of them, or ` +
        'call once for each size.',
    );
  const [trainedAt = defaultImageSize] = sizes;
  return trainedAt;
}

/** Step and minimum of the sides of a detector's images: patches of the backbone, and what its maps and windows need. */
const detectorSizes = { step: 16, least: 80 };

/**
 * The input size of a detector for an image. A number sets the short side: the aspect ratio is kept up to multiples
 * of 16, and the long side is at most twice the number. A width and a height are used unchanged.
 *
 * @throws DinoSegError SHAPE for sides that are not multiples of 16 from 80; INVALID_ARGUMENT for a number below
 *   80.
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
        `A detector accepts images whose width and height are multiples of ${step} from ${least}, not ` +
          `${width}×${height} (width × height).`,
      );
  return { width, height };
}
