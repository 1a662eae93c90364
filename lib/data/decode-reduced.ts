/** Decoding of images that are larger than what is to be done with them needs. */
import { sharp } from '../codec.js';
import { bmp } from '../images/image-kinds.js';
import { AlphaReduction } from './alpha-reduction.js';
import type { StoredPixels } from './bmp.js';
import { checkedMaxPixels } from './budget.js';
import { resizeImage, type DecodeOptions } from './decode.js';
import {
  bitmapPixels,
  bytesOf,
  codecPixels,
  decodeOpened,
  failOn,
  imageError,
  isPlain,
  mostSeconds,
  openImage,
  splitAlpha,
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
  /** Number of transparent pixels of the image itself. Absent where it was not reduced, or has none. */
  readonly transparentPixels?: number;
}

interface ReduceOptions extends DecodeOptions {
  /** Maximum memory of the rows that are decoded at a time of an image with an alpha channel, in bytes. Default: {@link defaultStripBytes}. */
  readonly stripBytes?: number;
}

/** A photograph of 67 megapixels is one strip, so that it is decoded once. */
const defaultStripBytes = 2 ** 28;

/**
 * Decodes a file as `decodeImage` does, reduced to at most `pixels` with its aspect ratio where it has more. The image itself is
 * never in memory as a whole where its format allows that: JPEG is reduced as it is decoded, others row by row, and those with an alpha
 * channel strip by strip ({@link AlphaReduction}: colours of transparent pixels do not get into others).
 *
 * @throws DinoSegError as `decodeImage`
 */
export async function decodeReduced(
  path: string,
  pixels: number,
  options: ReduceOptions = {},
): Promise<ReducedImage> {
  const maxPixels = checkedMaxPixels(options.maxPixels);
  const { signal, stripBytes = defaultStripBytes } = options;
  const opened = await openImage(path, maxPixels);
  const how = { opened, maxPixels, size: reducedSize(opened, pixels), signal, stripBytes };
  const decode = async (file: Buffer) => reducedOf(await decodeOpened(opened, file, maxPixels), pixels);
  if (!isLarge(opened, pixels)) return whileDecoding(opened, decode, { signal });
  if (opened.hasAlpha)
    return whileDecoding(opened, (file) => reduceWithAlpha(file, how), { bytes: alphaBytes(how), signal });
  const reduced = await whileDecoding(
    opened,
    // Decided by the file: what needs more than the codec is decoded as a whole, below.
    async (file) => (isPlain(opened, file) ? reduceOpened(file, how) : undefined),
    { bytes: opened.openBytes + 3 * pixels, signal },
  );
  return reduced ?? whileDecoding(opened, decode, { signal });
}

/** An image that was decoded as a whole. If it is larger than what is wanted, it has no alpha channel. */
async function reducedOf(image: RgbImage, pixels: number): Promise<ReducedImage> {
  const full = { width: image.width, height: image.height };
  if (!isLarge(full, pixels)) return { ...image, full };
  return { ...image, ...(await resizeImage(image, reducedSize(full, pixels))), full };
}

interface HowToReduce {
  opened: OpenedImage;
  maxPixels: number;
  /** Of the result. */
  size: ReducedImage['full'];
  signal: AbortSignal | undefined;
  stripBytes: number;
}

/** Memory that {@link reduceWithAlpha} takes, in bytes. */
function alphaBytes({ opened, size, stripBytes }: HowToReduce): number {
  const { kind, decodingBytes, openBytes, width, height } = opened;
  // With colours without alpha.
  const decoding = kind === bmp ? decodingBytes : openBytes + 2 * Math.min(stripBytes, 4 * width * height);
  return decoding + AlphaReduction.bytesOf(opened, size);
}

async function reduceWithAlpha(file: Buffer, how: HowToReduce): Promise<ReducedImage> {
  const { opened, maxPixels, size, signal, stripBytes } = how;
  const { kind, source, width, height } = opened;
  const full = { width, height };
  const reduction = new AlphaReduction(full, size);
  // No other strip is kept while the next is decoded.
  let whole: StoredPixels | undefined;
  const strips =
    kind === bmp
      ? [bitmapPixels(file, source, maxPixels)]
      : stripsOf(opened, file, { maxPixels, stripBytes });
  for await (const strip of strips) {
    signal?.throwIfAborted();
    reduction.add(strip);
    if (strip.height === height) whole = strip;
  }
  const { transparentPixels } = reduction;
  if (transparentPixels > 0) return { ...(await reduction.result()), transparentPixels, full };
  // An alpha channel that hides nothing changes nothing.
  return whole ? { ...(await resizeImage(splitAlpha(whole), size)), full } : reduceOpened(file, how);
}

/**
 * The rows of an image in strips of at most `stripBytes` bytes, or of one row. Each is decoded by itself, from the start of the file:
 * the codec gives no row before it has all that were asked for.
 *
 * @throws DinoSegError IMAGE
 */
export async function* stripsOf(
  opened: OpenedImage,
  file: Buffer,
  { maxPixels, stripBytes }: { maxPixels: number; stripBytes: number },
): AsyncGenerator<StoredPixels, void, void> {
  const { source, width, height } = opened;
  const stripRows = Math.max(1, Math.floor(stripBytes / (4 * width)));
  for (let top = 0; top < height; top += stripRows) {
    const rows = { top, width, height: Math.min(stripRows, height - top) };
    yield codecPixels(file, source, { maxPixels, seconds: mostSeconds(opened), rows });
  }
}

/** Reduces an image as it is decoded. */
async function reduceOpened(file: Buffer, { opened, maxPixels, size }: HowToReduce): Promise<ReducedImage> {
  const { source } = opened;
  const full = { width: opened.width, height: opened.height };
  try {
    const { data, info } = await sharp(file, { failOn, limitInputPixels: maxPixels, sequentialRead: true })
      .timeout({ seconds: mostSeconds(full) })
      .autoOrient()
      .resize(size.width, size.height, { fit: 'fill' })
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
