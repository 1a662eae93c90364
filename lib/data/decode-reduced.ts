/** Decoding of images that are larger than what is to be done with them needs. */
import { sharp } from '../codec.js';
import { checkedMaxPixels } from './budget.js';
import { resizeImage, type DecodeOptions } from './decode.js';
import {
  bytesOf,
  decodeOpened,
  failOn,
  imageError,
  isPlain,
  mostSeconds,
  openImage,
  whileDecoding,
  type OpenedImage,
  type RgbImage,
} from './image-decoder.js';

/** An image that may have been decoded at a smaller size than it has. */
export interface ReducedImage extends RgbImage {
  /** Width and height of the image itself. */
  readonly full: {
    /** Number of columns. */
    readonly width: number;
    /** Number of rows. */
    readonly height: number;
  };
}

/**
 * Decodes a file as `decodeImage` does, reduced to at most `pixels` with its aspect ratio where it has more. The image itself is
 * never in memory as a whole where its format allows that: JPEG is reduced as it is decoded, others row by row. One with
 * transparent pixels keeps its size: their colours must not get into others.
 *
 * @throws DinoSegError as `decodeImage`
 */
export async function decodeReduced(
  path: string,
  pixels: number,
  options: DecodeOptions = {},
): Promise<ReducedImage> {
  const maxPixels = checkedMaxPixels(options.maxPixels);
  const { signal } = options;
  const opened = await openImage(path, maxPixels);
  const mayReduce = !opened.hasAlpha && isLarge(opened, pixels);
  const bytes = mayReduce ? opened.openBytes + 3 * pixels : opened.decodingBytes;
  const reduced = await whileDecoding(
    opened,
    async (file) => {
      // Decided by the file: what needs more than the codec is decoded as a whole, below.
      if (mayReduce) return isPlain(opened, file) ? reduceOpened(opened, file, pixels, maxPixels) : undefined;
      return reducedOf(await decodeOpened(opened, file, maxPixels), pixels);
    },
    { bytes, signal },
  );
  if (reduced) return reduced;
  const decode = async (file: Buffer) => reducedOf(await decodeOpened(opened, file, maxPixels), pixels);
  return whileDecoding(opened, decode, { signal });
}

/** An image that was decoded as a whole. */
async function reducedOf(image: RgbImage, pixels: number): Promise<ReducedImage> {
  const full = { width: image.width, height: image.height };
  if (image.transparent || !isLarge(full, pixels)) return { ...image, full };
  return { ...image, ...(await resizeImage(image, reducedSize(full, pixels))), full };
}

/** Reduces an image as it is decoded. */
async function reduceOpened(
  { source, width: fullWidth, height: fullHeight }: OpenedImage,
  file: Buffer,
  pixels: number,
  maxPixels: number,
): Promise<ReducedImage> {
  const full = { width: fullWidth, height: fullHeight };
  const { width, height } = reducedSize(full, pixels);
  try {
    const { data, info } = await sharp(file, { failOn, limitInputPixels: maxPixels, sequentialRead: true })
      .timeout({ seconds: mostSeconds(full) })
      .autoOrient()
      .resize(width, height, { fit: 'fill' })
      .removeAlpha()
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`it decoded to ${info.channels} channels instead of 3`);
    return { data: bytesOf(data), width: info.width, height: info.height, full };
  } catch (cause) {
    throw imageError(source, cause);
  }
}

function isLarge({ width, height }: ReducedImage['full'], pixels: number): boolean {
  return width * height > pixels;
}

/** About as many pixels, with the same aspect ratio. */
function reducedSize({ width, height }: ReducedImage['full'], pixels: number): ReducedImage['full'] {
  const scale = Math.sqrt(pixels / (width * height));
  const side = (length: number) => Math.max(1, Math.floor(length * scale));
  return { width: side(width), height: side(height) };
}
