/** From a file, or its bytes, to pixels: what kind of picture it is, and what it lacks. */
import { stat } from 'node:fs/promises';
import { readsHeic, sharp, type Metadata, type Sharp } from '../codec.js';
import { DinoSegError } from '../errors.js';
import { readBytes } from '../files.js';
import { bmp, heic, imageKindOf, jpeg, type ImageKind } from '../images/image-kinds.js';
import { shownPath, systemPath } from '../system-path.js';
import { decodeBmp } from './bmp.js';
import { jpegLack, withEndMarker } from './jpeg-structure.js';

/** An 8-bit RGB image of H×W pixels. */
export interface RgbImage {
  /** H×W×3: red, green and blue (0…255) of each pixel, row by row. */
  readonly data: Uint8Array;
  /** Width in pixels. */
  readonly width: number;
  /** Height in pixels. */
  readonly height: number;
  /** H×W: 1 for pixels whose alpha is below 128, else 0. Absent if there are none. */
  readonly transparent?: Uint8Array;
  /** What is odd about the file, although it was decoded: sentences. Absent if nothing is. */
  readonly notes?: readonly string[];
}

/**
 * Truncated files and files with a decoding error are refused, but not those with a mere warning of the codec:
 * cameras write JPEGs with odd metadata or bytes between segments.
 */
export const failOn = 'error';

/** The codec's own limit. */
export const mostPixels = 0x3fff ** 2;

export function imageError(source: string, cause: unknown): DinoSegError {
  if (cause instanceof DinoSegError) return cause;
  const message = (cause instanceof Error ? cause.message : String(cause)).trim().replaceAll('\n', '; ');
  const why = /^(unknown error)?$/i.test(message) ? 'the codec gives no reason' : shortened(message);
  return new DinoSegError(
    'IMAGE',
    `${source} cannot be decoded: ${why}. Expected a complete PNG, JPEG, WebP, TIFF or BMP image.`,
    { cause },
  );
}

/** A damaged container makes the codec list every place where it looked. */
function shortened(message: string): string {
  return message.length > 300 ? `${message.slice(0, 150)} … ${message.slice(-150)}` : message;
}

export function bytesOf(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** The bytes of a file, or what was given instead of a path, and its name for messages. @throws DinoSegError IMAGE, FILE_NOT_FOUND, IO */
export async function readImage<T>(input: string | T): Promise<[bytes: Buffer | T, source: string]> {
  if (typeof input !== 'string') return [input, 'The image'];
  await refuseSpecial(input);
  return [await readBytes(input), shownPath(input)];
}

/** Opening a pipe waits for its writer, and a device may have no end. @throws DinoSegError IMAGE */
async function refuseSpecial(path: string): Promise<void> {
  const found = await stat(systemPath(path)).catch(() => undefined);
  if (found && !found.isFile() && !found.isDirectory())
    throw new DinoSegError(
      'IMAGE',
      `${shownPath(path)} is a pipe, socket or device. Expected a file with an image.`,
    );
}

/** What the header of a file says; no pixel is decoded. @throws DinoSegError IMAGE, FILE_NOT_FOUND, IO */
export async function readHeader(path: string): Promise<Metadata> {
  // The codec would map the file of a path: it would end the process if the file became shorter meanwhile.
  const [file, source] = await readImage<Buffer>(path);
  try {
    return await sharp(file, { limitInputPixels: mostPixels }).metadata();
  } catch (cause) {
    throw imageError(source, cause);
  }
}

/**
 * Decodes what {@link readImage} gave, see `decodeImage`.
 *
 * @throws DinoSegError IMAGE
 */
export async function decodeLoaded(
  image: Uint8Array | Sharp,
  source: string,
  maxPixels = mostPixels,
): Promise<RgbImage> {
  if (!(image instanceof Uint8Array)) return decodeAny(image, source, { maxPixels });
  const kind = readableKindOf(image, source);
  if (kind === bmp) return decodeBitmap(image, source, maxPixels);
  return kind === jpeg ? decodeJpeg(image, source, maxPixels) : decodeAny(image, source, { maxPixels });
}

/** @throws DinoSegError IMAGE for a kind that is not decoded */
function readableKindOf(file: Uint8Array, source: string): ImageKind | undefined {
  const kind = imageKindOf(file);
  if (kind?.readable === false && !(kind === heic && readsHeic))
    throw new DinoSegError('IMAGE', `${source} is ${kind.name}, which is not decoded. ${kind.advice}`);
  return kind;
}

/** Whether the codec decodes a file as it is: BMP and JPEGs that lack a marker need more. @throws DinoSegError IMAGE */
export function isPlain(file: Uint8Array, source: string): boolean {
  const kind = readableKindOf(file, source);
  return kind !== bmp && !(kind === jpeg && jpegLack(file));
}

function decodeBitmap(file: Uint8Array, source: string, maxPixels: number): RgbImage {
  try {
    const { data, width, height, channels } = decodeBmp(file, maxPixels);
    return splitAlpha(data, width, height, channels);
  } catch (cause) {
    throw imageError(source, cause);
  }
}

/** Follows the end of a JPEG that lacks its end marker: no part of the picture may depend on it. */
const afterEnd = Buffer.from('35c61ae2970b4df8'.repeat(16), 'hex');

async function decodeJpeg(file: Uint8Array, source: string, maxPixels: number): Promise<RgbImage> {
  const lack = jpegLack(file);
  if (lack?.kind === 'end') {
    const ends = [withEndMarker(file), withEndMarker(file, afterEnd)];
    const [image, other] = await Promise.all(ends.map((bytes) => decodeAny(bytes, source, { maxPixels })));
    if (Buffer.compare(image!.data, other!.data) === 0)
      return { ...image!, notes: ['The end marker of the JPEG is missing; the picture is complete.'] };
  }
  if (lack?.kind !== 'restarts') return decodeAny(file, source, { maxPixels });
  const { missing, expected } = lack;
  // The codec resumes at the next one.
  if (missing > 1) return decodeAny(file, source, { maxPixels, failOn: 'warning' });
  const image = await decodeAny(file, source, { maxPixels });
  const note = `One of the JPEG's ${expected} restart markers is missing: a strip of the picture may be grey.`;
  return { ...image, notes: [note] };
}

export async function decodeAny(
  image: Uint8Array | Sharp,
  source: string,
  how: { maxPixels: number; failOn?: 'error' | 'warning' },
): Promise<RgbImage> {
  try {
    const options = { failOn: how.failOn ?? failOn, limitInputPixels: how.maxPixels } as const;
    const pipeline = isSharp(image) ? image.clone() : sharp(image, options);
    const { data, info } = await pipeline
      .autoOrient()
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return splitAlpha(bytesOf(data), info.width, info.height, info.channels);
  } catch (cause) {
    throw imageError(source, cause);
  }
}

/** Below it, a pixel is transparent. */
const opaqueAlpha = 128;

/** The colours of pixels with or without an alpha channel, and where they are transparent. */
function splitAlpha(pixels: Uint8Array, width: number, height: number, channels: number): RgbImage {
  if (channels === 3) return { data: pixels, width, height };
  if (channels !== 4) throw new Error(`it decoded to ${channels} channels instead of 3 or 4`);
  const count = width * height;
  const data = new Uint8Array(3 * count);
  const transparent = new Uint8Array(count);
  let isOpaque = true;
  for (let i = 0, from = 0, to = 0; i < count; i++, from += 4, to += 3) {
    data[to] = pixels[from]!;
    data[to + 1] = pixels[from + 1]!;
    data[to + 2] = pixels[from + 2]!;
    if (pixels[from + 3]! >= opaqueAlpha) continue;
    transparent[i] = 1;
    isOpaque = false;
  }
  return isOpaque ? { data, width, height } : { data, width, height, transparent };
}

/** Recognised by its methods: a program may use another copy of sharp than this package. */
export function isSharp(value: unknown): value is Sharp {
  if (typeof value !== 'object' || value === null) return false;
  return ['clone', 'toBuffer', 'metadata', 'autoOrient'].every(
    (name) => typeof (value as Record<string, unknown>)[name] === 'function',
  );
}
