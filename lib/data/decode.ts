import sharp, { type Sharp } from 'sharp';
import { bytes, checkArgument, checkOptions, kind, number, oneOf, type OptionKinds } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { readBytes } from '../files.js';
import type { RawImage } from '../native/bindings/engine.js';
import { markOwn } from './own-pixels.js';
import { plainPng } from './png-label.js';

/** An 8-bit RGB image of H×W pixels. */
export interface RgbImage {
  /** H×W×3: red, green and blue (0…255) of each pixel, row by row. */
  readonly data: Uint8Array;
  /** Width in pixels. */
  readonly width: number;
  /** Height in pixels. */
  readonly height: number;
}

/**
 * An image in any form: a path, an encoded image (PNG, JPEG, WebP, …), a sharp instance (its pipeline runs on a
 * clone, with EXIF rotation applied first), or pixels.
 */
export type ImageInput = string | Uint8Array | Sharp | RawImage;

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
  readonly maxPixels?: number;
}

// Images are decoded several at a time on Node's own pool: more threads inside each would take the
// processor from libtorch, and nothing is decoded twice in a row that a cache could serve.
sharp.concurrency(1);
sharp.cache(false);

/**
 * Truncated files and files with a decoding error are refused, but not those with a mere warning of the codec:
 * cameras write JPEGs with odd metadata or bytes between segments.
 */
const failOn = 'error';

const decodeOptions: OptionKinds<DecodeOptions> = { maxPixels: number };

/** The codec's own limit. */
const mostPixels = 0x3fff ** 2;

function imageError(source: string, cause: unknown): DinoSegError {
  if (cause instanceof DinoSegError) return cause;
  const why = (cause instanceof Error ? cause.message : String(cause)).trim().replaceAll('\n', '; ');
  return new DinoSegError(
    'IMAGE',
    `${source} cannot be decoded: ${why}. Expected a complete PNG, JPEG, WebP or TIFF image.`,
    { cause },
  );
}

function bytesOf(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

async function load<T>(input: string | T): Promise<[bytes: Buffer | T, source: string]> {
  return typeof input === 'string' ? [await readBytes(input), input] : [input, 'The image'];
}

/**
 * Decodes an image to 8-bit sRGB with EXIF rotation applied.
 *
 * 16 bits per sample become 8 by dropping the low byte (v >> 8). Grey becomes three equal channels. Alpha is
 * dropped: the stored colours stay unchanged and are not blended. CMYK images and images with an ICC profile are
 * converted to sRGB. Of an animation, the first frame is decoded.
 *
 * @param input a path, the bytes of a file, or a sharp instance (whose own pixel limit applies)
 * @throws DinoSegError IMAGE for a file that is not an image, damaged, truncated, larger than `maxPixels`, or an
 *   SVG drawing; FILE_NOT_FOUND, IO; INVALID_ARGUMENT
 */
export async function decodeImage(
  input: string | Uint8Array | Sharp,
  options: DecodeOptions = {},
): Promise<RgbImage> {
  checkArgument(input, encodedImage, 'decodeImage(input)');
  checkOptions(options, decodeOptions, 'decodeImage()');
  const { maxPixels = mostPixels } = options;
  if (!Number.isInteger(maxPixels) || maxPixels < 1)
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `maxPixels should be a whole number from 1, not ${maxPixels}.`,
    );
  const [image, source] = await load(input);
  const refused = image instanceof Uint8Array && drawingIn(image);
  if (refused)
    throw new DinoSegError(
      'IMAGE',
      `${source} is ${refused}. Convert it to a PNG, JPEG, WebP or TIFF image first.`,
    );
  return decodeAny(image, source, maxPixels);
}

/** Detects files that the codec would draw, with fonts that the machine may lack, instead of decoding; undefined for others. */
function drawingIn(bytes: Uint8Array): string | undefined {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return 'compressed by gzip';
  // The codec's own rule for SVG.
  const plain = bytes.subarray(0, 24).every((byte) => byte >= 9 && byte < 0x80);
  const start = Buffer.from(bytes.subarray(0, 1000)).toString('latin1');
  return plain && /<svg/i.test(start) ? 'an SVG drawing' : undefined;
}

async function decodeAny(image: Uint8Array | Sharp, source: string, maxPixels: number): Promise<RgbImage> {
  try {
    const pipeline = isSharp(image) ? image.clone() : sharp(image, { failOn, limitInputPixels: maxPixels });
    const { data, info } = await pipeline
      .autoOrient()
      .removeAlpha()
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`it decoded to ${info.channels} channels instead of 3`);
    return { data: bytesOf(data), width: info.width, height: info.height };
  } catch (cause) {
    throw imageError(source, cause);
  }
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

/** Recognised by its methods: a program may use another copy of sharp than this package. */
function isSharp(value: unknown): value is Sharp {
  if (typeof value !== 'object' || value === null) return false;
  return ['clone', 'toBuffer', 'metadata', 'autoOrient'].every(
    (name) => typeof (value as Record<string, unknown>)[name] === 'function',
  );
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

async function pixelsOfOne(image: ImageInput): Promise<RawImage> {
  if (typeof image === 'string') return markOwn({ ...(await decodeImage(image)), name: image });
  if (image instanceof Uint8Array || isSharp(image)) return markOwn(await decodeImage(image));
  if (isRawImage(image)) return checkedPixels(image);
  throw new DinoSegError(
    'INVALID_ARGUMENT',
    'Expected an image as a path, a Buffer of an encoded image, a sharp instance, or {data, width, height, channels}.',
  );
}

function checkedPixels(image: RawImage): RawImage {
  const { data, width, height, channels = 3 } = image;
  if (![1, 3, 4].includes(channels) || data.length !== width * height * channels)
    throw new DinoSegError(
      'SHAPE',
      `Expected height × width × channels bytes of pixels with 1, 3 or 4 channels, got ${data.length} bytes for ` +
        `${height}×${width}×${channels}.`,
    );
  return image;
}

/** One value a pixel from equal RGB channels; alpha has been dropped. */
function greyOfRgb(rgb: Uint8Array, width: number, source: string): Uint8Array {
  const grey = new Uint8Array(rgb.length / 3);
  for (let i = 0; i < grey.length; i++) {
    const value = rgb[3 * i]!;
    if (value !== rgb[3 * i + 1] || value !== rgb[3 * i + 2])
      throw new DinoSegError(
        'IMAGE',
        `${source} is a colour picture, not a label image: the pixel at x ${i % width}, y ${Math.floor(i / width)} ` +
          `is (${value}, ${rgb[3 * i + 1]}, ${rgb[3 * i + 2]}). Label images store one value per pixel (8- or 16-bit ` +
          'grey, or a palette); colour pictures of classes are for viewing only.',
      );
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
  const [file, source] = await load(input);
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
    if (colour) return { data: greyOfRgb(bytesOf(data), width, source), width, height };
    if (wide)
      return { data: new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2), width, height };
    const values = bytesOf(data);
    if (stretch !== 1) for (let i = 0; i < values.length; i++) values[i] = values[i]! / stretch;
    return { data: values, width, height };
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
  return await decodeAny(Buffer.from(svg), 'The drawing', mostPixels);
}

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

/** What an image's header says: width and height as it is shown, and whether it has an alpha channel. @throws DinoSegError IMAGE */
export async function readImageSize(
  path: string,
): Promise<{ width: number; height: number; hasAlpha: boolean }> {
  try {
    const { autoOrient, hasAlpha } = await sharp(path, { limitInputPixels: mostPixels }).metadata();
    return { ...autoOrient, hasAlpha };
  } catch (cause) {
    // Whether the file is there is told as when it is decoded.
    throw imageError(path, cause);
  }
}

/**
 * Decodes a file as {@link decodeImage} does, reduced to at most `pixels` with its aspect ratio where it has more. The image itself is
 * never in memory as a whole where its format allows that: JPEG is reduced as it is decoded, others row by row. One with an alpha
 * channel keeps its size: colours of transparent pixels must not get into others.
 *
 * @throws DinoSegError as {@link decodeImage}
 */
export async function decodeReduced(path: string, pixels: number): Promise<ReducedImage> {
  const full = await readImageSize(path).catch(() => undefined);
  if (!full || full.hasAlpha || full.width * full.height <= pixels) {
    const image = await decodeImage(path);
    return { ...image, full: { width: image.width, height: image.height } };
  }
  const scale = Math.sqrt(pixels / (full.width * full.height));
  const side = (length: number) => Math.max(1, Math.floor(length * scale));
  try {
    const { data, info } = await sharp(await readBytes(path), {
      failOn,
      limitInputPixels: mostPixels,
      sequentialRead: true,
    })
      .autoOrient()
      .resize(side(full.width), side(full.height), { fit: 'fill' })
      .removeAlpha()
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`it decoded to ${info.channels} channels instead of 3`);
    const { width, height } = full;
    return { data: bytesOf(data), width: info.width, height: info.height, full: { width, height } };
  } catch (cause) {
    throw imageError(path, cause);
  }
}
