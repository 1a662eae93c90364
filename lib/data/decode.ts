import {
  bytes,
  checkArgument,
  checkOptions,
  kind,
  number,
  oneOf,
  signal as signalKind,
  type OptionKinds,
} from '../arguments.js';
import { sharp, type Sharp } from '../codec.js';
import { DinoSegError } from '../errors.js';
import type { RawImage } from '../native/bindings/engine.js';
import { checkedMaxPixels, mostPixels } from './budget.js';
import {
  bytesOf,
  decodeAny,
  decodeInstance,
  decodeOpened,
  failOn,
  imageError,
  isSharp,
  openImage,
  whileDecoding,
  type OpenedImage,
  type RgbImage,
} from './image-decoder.js';
import { shownPath } from '../system-path.js';
import { markOwn } from './own-pixels.js';
import { plainPng } from './png-label.js';

export type { RgbImage } from './image-decoder.js';

/**
 * An image in any form: a path, an encoded image (PNG, JPEG, WebP, …), a sharp instance (its pipeline runs on a
 * clone, with EXIF rotation applied first), or pixels.
 */
export type ImageInput = string | Uint8Array | Sharp | RawImage | RgbImage;

/** The values stored in a label image. */
export interface LabelImage {
  /** Values H×W, row by row; Uint16Array for files with 16 bits per pixel. */
  readonly data: Uint8Array | Uint16Array;
  /** Width in pixels. */
  readonly width: number;
  /** Height in pixels. */
  readonly height: number;
}

/** Options of {@link decodeImage}. */
export interface DecodeOptions {
  /**
   * Maximum number of pixels; larger images are refused before decoding, because a file of a few kilobytes may
   * contain hundreds of millions of pixels. Default 268,402,689 (0x3FFF²).
   */
  readonly maxPixels?: number | undefined;
  /** Stops waiting at once. The codec's work cannot be stopped: it goes on, and its result is dropped. */
  readonly signal?: AbortSignal | undefined;
}

const decodeOptions: OptionKinds<DecodeOptions> = { maxPixels: number, signal: signalKind };

/**
 * Decodes an image to 8-bit sRGB with EXIF rotation applied.
 *
 * 16 bits per sample become 8 by dropping the low byte (v >> 8). Grey becomes three equal channels. The stored colours of
 * transparent pixels stay unchanged and are not blended; {@link RgbImage.transparent} tells where they are. CMYK images and images
 * with an ICC profile are converted to sRGB. Of an animation, the first frame is decoded. The file's contents decide what it is, not
 * its name. A JPEG that lacks only its end marker or one restart marker is decoded with a note.
 *
 * Images that are decoded at a time take at most 1 GiB together, in the whole process; a larger one is decoded alone.
 *
 * @param input a path, the bytes of a file, or a sharp instance (whose own pixel limit applies)
 * @throws DinoSegError IMAGE for a file that is not an image, damaged, truncated, larger than `maxPixels`, of another format than
 *   PNG, JPEG, WebP, TIFF, GIF, AVIF and BMP (SVG, PDF, HEIC without its codec, …), or a pipe or device; FILE_NOT_FOUND, IO;
 *   INVALID_ARGUMENT; the signal's reason
 */
export async function decodeImage(
  input: string | Uint8Array | Sharp,
  options: DecodeOptions = {},
): Promise<RgbImage> {
  checkArgument(input, encodedImage, 'decodeImage(input)');
  checkOptions(options, decodeOptions, 'decodeImage()');
  const { signal } = options;
  const maxPixels = checkedMaxPixels(options.maxPixels);
  if (isSharp(input)) return decodeInstance(input, signal);
  const opened = await openImage(input, maxPixels);
  return whileDecoding(opened, (file) => decodeOpened(opened, file, maxPixels), { signal });
}

/** Draws an SVG of the image's size over it. Text must be paths (report/text-path.ts), which need no fonts. */
export async function composeSvg({ data, width, height }: RgbImage, svg: string): Promise<RgbImage> {
  const drawn = await sharp(data, { raw: { width, height, channels: 3 } })
    .composite([{ input: Buffer.from(svg) }])
    .removeAlpha()
    .raw()
    .toBuffer();
  return { data: bytesOf(drawn), width, height };
}

const encodedImage = kind<string | Uint8Array | Sharp>(
  "a path, a file's bytes or a sharp instance",
  (value) => typeof value === 'string' || value instanceof Uint8Array || isSharp(value),
);
const encodedLabel = kind<string | Buffer>(
  "a path or a Buffer of a file's bytes",
  (value) => typeof value === 'string' || Buffer.isBuffer(value),
);

function isRawImage(value: unknown): value is RawImage {
  if (typeof value !== 'object' || value === null) return false;
  const { data, width, height } = value as Partial<Record<string, unknown>>;
  return data instanceof Uint8Array && typeof width === 'number' && typeof height === 'number';
}

/**
 * Returns the pixels of images given in any form. Images given as pixels are used unchanged; if all are, the result
 * is synchronous.
 *
 * @throws DinoSegError INVALID_ARGUMENT for another value or no image, SHAPE if pixels and size do not match,
 *   IMAGE, FILE_NOT_FOUND, IO.
 */
export function pixelsOf(images: readonly ImageInput[]): RawImage[] | Promise<RawImage[]> {
  if (!Array.isArray(images) || images.length === 0)
    throw new DinoSegError('INVALID_ARGUMENT', 'Expected an array of at least one image.');
  return images.every(isRawImage) ? images.map(checkedPixels) : Promise.all(images.map(pixelsOfOne));
}

/**
 * Memory of the pixels of images once they are decoded, in bytes. 0 for those given as pixels, and for what will fail.
 */
export async function decodedBytesOf(images: readonly ImageInput[]): Promise<number> {
  const bytes = await Promise.all(images.map(decodedBytesOfOne));
  return bytes.reduce((sum, each) => sum + each, 0);
}

async function decodedBytesOfOne(image: ImageInput): Promise<number> {
  if (!isEncoded(image)) return 0;
  const header = isSharp(image) ? image.clone().metadata() : openImage(image);
  // Decoding says what is wrong with it.
  const { width = 0, height = 0, hasAlpha = false } = await header.catch(() => ({}) as Partial<OpenedImage>);
  return width * height * (hasAlpha ? 4 : 3);
}

/** Whether an image has to be decoded. */
export function isEncoded(image: ImageInput): image is string | Uint8Array | Sharp {
  return encodedImage.is(image);
}

async function pixelsOfOne(image: ImageInput): Promise<RawImage> {
  if (typeof image === 'string')
    return withAlpha(markOwn({ ...(await decodeImage(image)), name: shownPath(image) }));
  if (image instanceof Uint8Array || isSharp(image)) return withAlpha(markOwn(await decodeImage(image)));
  if (isRawImage(image)) return checkedPixels(image);
  throw new DinoSegError(
    'INVALID_ARGUMENT',
    'Expected an image as a path, a Buffer of an encoded image, a sharp instance, or {data, width, height, channels}.',
  );
}

/** Where an image is transparent as the alpha channel that the engine takes. */
function withAlpha(image: RawImage | RgbImage): RawImage {
  if (!('transparent' in image) || image.transparent === undefined) return image;
  const { data, width, height, transparent, name }: RgbImage & RawImage = image;
  const rgba = new Uint8Array(4 * width * height);
  for (let i = 0, from = 0, to = 0; to < rgba.length; i++, from += 3, to += 4) {
    rgba[to] = data[from]!;
    rgba[to + 1] = data[from + 1]!;
    rgba[to + 2] = data[from + 2]!;
    rgba[to + 3] = transparent[i] ? 0 : 255;
  }
  return markOwn({ data: rgba, width, height, channels: 4, ...(name !== undefined && { name }) });
}

function checkedPixels(image: RawImage | RgbImage): RawImage {
  const { data, width, height, channels = 3 }: RawImage = image;
  if (![1, 3, 4].includes(channels) || data.length !== width * height * channels)
    throw new DinoSegError(
      'SHAPE',
      `Expected height × width × channels bytes of pixels with 1, 3 or 4 channels, got ${data.length} bytes for ` +
        `${height}×${width}×${channels}.`,
    );
  return withAlpha(image);
}

/** One value a pixel from equal RGB channels; undefined where they differ. */
function greyOfRgb(rgb: Uint8Array): Uint8Array | undefined {
  const grey = new Uint8Array(rgb.length / 3);
  for (let i = 0; i < grey.length; i++) {
    const value = rgb[3 * i]!;
    if (value !== rgb[3 * i + 1] || value !== rgb[3 * i + 2]) return undefined;
    grey[i] = value;
  }
  return grey;
}

/**
 * Decodes the values stored in a label image: 8- or 16-bit grey (also 1, 2 and 4 bits), the indices of a palette
 * PNG, or RGB with three equal channels. Colour profile, EXIF rotation and gamma are not applied, and alpha is
 * ignored.
 *
 * @param input a path or the bytes of a file
 * @throws DinoSegError IMAGE for a file that is not an image, damaged, truncated, coloured, or has an ambiguous
 *   grey palette; FILE_NOT_FOUND, IO
 */
export async function decodeLabel(input: string | Buffer): Promise<LabelImage> {
  checkArgument(input, encodedLabel, 'decodeLabel(input)');
  const decoded = await decodeLabelOrColors(input);
  if ('values' in decoded) return decoded.values;
  const { data, width } = decoded.colors;
  const isColoured = (i: number) => data[i] !== data[i + 1] || data[i] !== data[i + 2];
  let i = 0;
  while (!isColoured(3 * i)) i++;
  const source = typeof input === 'string' ? input : 'The image';
  throw new DinoSegError(
    'IMAGE',
    `${source} is a colour picture, not a label image: the pixel at x ${i % width}, y ${Math.floor(i / width)} ` +
      `is (${data.slice(3 * i, 3 * i + 3).join(', ')}). Label images store one value per pixel (8- or 16-bit ` +
      'grey, or a palette); colour pictures of classes are for viewing only.',
  );
}

/**
 * {@link decodeLabel} for files that may store a colour for each pixel instead: then the colours, without changes of a
 * colour profile.
 */
export async function decodeLabelOrColors(
  input: string | Buffer,
  maxPixels = mostPixels,
): Promise<{ values: LabelImage } | { colors: RgbImage }> {
  const opened = await openImage(input, maxPixels);
  return whileDecoding(opened, (file) => labelOf(opened, file));
}

async function labelOf(
  { source, kind }: OpenedImage,
  file: Buffer,
): Promise<{ values: LabelImage } | { colors: RgbImage }> {
  if (kind.codec === undefined)
    throw new DinoSegError('IMAGE', `${source} is ${kind.name}. Label images are PNG or TIFF files.`);
  const { bytes, stretch } = plainPng(file, source);
  try {
    const { space, depth } = await sharp(bytes, { failOn }).metadata();
    const wide = depth === 'ushort';
    const colour = space !== 'b-w' && space !== 'grey16';
    if (colour && wide)
      throw new DinoSegError(
        'IMAGE',
        `${source} has several channels of 16 bits. Label images store one value per pixel: ` +
          'store it as 8- or 16-bit grey.',
      );
    const { data, info } = await sharp(bytes, { failOn, ignoreIcc: true })
      .removeAlpha()
      .toColourspace(colour ? 'srgb' : wide ? 'grey16' : 'b-w')
      .raw({ depth: wide ? 'ushort' : 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const { width, height } = info;
    if (colour) {
      const rgb = bytesOf(data);
      const grey = greyOfRgb(rgb);
      return grey ? { values: { data: grey, width, height } } : { colors: { data: rgb, width, height } };
    }
    if (wide) {
      const values = new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2);
      return { values: { data: values, width, height } };
    }
    const values = bytesOf(data);
    if (stretch !== 1) for (let i = 0; i < values.length; i++) values[i] = values[i]! / stretch;
    return { values: { data: values, width, height } };
  } catch (cause) {
    throw imageError(source, cause);
  }
}

/**
 * Encodes 8-bit values as PNG, without conversion: 1 channel as 8-bit grey, 3 channels as RGB. Runs on Node's own
 * thread pool.
 *
 * @param data H×W×channels, row by row.
 * @param width in pixels.
 * @param height in pixels.
 * @throws DinoSegError SHAPE if `data` does not have that size.
 */
export async function encodePng(
  data: Uint8Array,
  width: number,
  height: number,
  channels: 1 | 3,
): Promise<Buffer> {
  checkArgument(data, bytes, 'encodePng(data)');
  checkArgument(channels, oneOf([1, 3]), 'encodePng(channels)');
  if (data.length !== width * height * channels)
    throw new DinoSegError(
      'SHAPE',
      `A PNG of ${height}×${width}×${channels} needs ${width * height * channels} values, not ${data.length}.`,
    );
  const image = sharp(data, { raw: { width, height, channels } });
  return await image
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .png()
    .toBuffer();
}

/** Resizes an image for viewing. */
export async function resizeImage(
  { data, width, height }: RgbImage,
  to: { width: number; height: number },
): Promise<RgbImage> {
  const resized = await sharp(data, { raw: { width, height, channels: 3 } })
    .resize(to.width, to.height, { fit: 'fill' })
    .raw()
    .toBuffer();
  return { data: bytesOf(resized), ...to };
}

/**
 * Encodes an image for viewing as lossy WebP, reduced if a side exceeds `most` pixels.
 *
 * @returns the file and its size in pixels.
 */
export async function encodePreview(
  { data, width, height }: RgbImage,
  most: number,
): Promise<{ bytes: Buffer; width: number; height: number }> {
  const { data: bytes, info } = await sharp(data, { raw: { width, height, channels: 3 } })
    .resize({ width: most, height: most, fit: 'inside', withoutEnlargement: true })
    .webp({ quality: 80 })
    .toBuffer({ resolveWithObject: true });
  return { bytes, width: info.width, height: info.height };
}

/** Draws an SVG at the size it gives itself; it must cover its whole area. @throws IMAGE for an invalid SVG */
export async function renderSvg(svg: string): Promise<RgbImage> {
  return await decodeAny(Buffer.from(svg), 'The drawing', { maxPixels: mostPixels });
}

/** What an image's header says: width and height as it is shown, and whether it has an alpha channel. @throws DinoSegError IMAGE, FILE_NOT_FOUND, IO */
export async function readImageSize(
  path: string,
): Promise<{ width: number; height: number; hasAlpha: boolean }> {
  const { width, height, hasAlpha } = await openImage(path);
  return { width, height, hasAlpha };
}

/** The EXIF block of an image file, of which no pixel is decoded; undefined if it has none or is not readable. */
export async function exifOf(path: string): Promise<Uint8Array | undefined> {
  // Decoding says what is wrong with a file that is not readable.
  const opened = await openImage(path).catch(() => undefined);
  return opened?.exif;
}
