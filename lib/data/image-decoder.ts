/** From a file, or its bytes, to pixels: what kind of picture it is, and what it lacks. */
import { readsHeic, sharp, type Metadata, type Sharp } from '../codec.js';
import { DinoSegError } from '../errors.js';
import { readBytes, refuseSpecial, startOf } from '../files.js';
import {
  bmp,
  heic,
  imageKindOf,
  jpeg,
  kindBytes,
  readableKinds,
  type ImageKind,
} from '../images/image-kinds.js';
import { shownPath } from '../system-path.js';
import { bmpSize, decodeBmp, type StoredPixels } from './bmp.js';
import { decodingRoom, mostPixels } from './budget.js';
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

export function imageError(source: string, cause: unknown): DinoSegError {
  if (cause instanceof DinoSegError) return cause;
  const message = (cause instanceof Error ? cause.message : String(cause)).trim().replaceAll('\n', '; ');
  const why = /^(unknown error)?$/i.test(message) ? 'the codec gives no reason' : shortened(message);
  return new DinoSegError(
    'IMAGE',
    `${source} cannot be decoded: ${why}. Expected a complete ${readableKinds} image.`,
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

/** An image whose first bytes and header were looked at. */
export interface OpenedImage {
  /** For messages. */
  readonly source: string;
  readonly kind: ImageKind;
  /** As it is shown. */
  readonly width: number;
  /** As it is shown. */
  readonly height: number;
  readonly hasAlpha: boolean;
  readonly exif: Uint8Array | undefined;
  /** Memory that its file and its pixels take, in bytes, while it is decoded as a whole. */
  readonly decodingBytes: number;
  /** Memory that its file takes, and what of it is decoded before a row is given, in bytes. */
  readonly openBytes: number;
  /** Its file. */
  readonly file: Buffer;
}

/**
 * Looks at the first bytes of an image, which decide whether it is decoded, and then at its header.
 *
 * @throws DinoSegError IMAGE for what is no image, of a kind that is not decoded, larger than `maxPixels`, or a pipe or device;
 *   FILE_NOT_FOUND, IO
 */
export async function openImage(input: string | Uint8Array, maxPixels = mostPixels): Promise<OpenedImage> {
  if (typeof input !== 'string') {
    const source = 'The image';
    return openedOf(bufferOf(input), readableKindOf(input, source), source, { maxPixels, ownBytes: 0 });
  }
  const source = shownPath(input);
  await refuseSpecial(input, 'IMAGE', 'a file with an image');
  // Before it is read whole: what is no image may be of any size.
  const kind = readableKindOf(await startOf(input, kindBytes), source);
  // The codec would map the file of a path: one that is cut short meanwhile would end the process.
  const file = await readBytes(input);
  return openedOf(file, kind, source, { maxPixels, ownBytes: file.length });
}

/** @param ownBytes of `file`, where nobody else holds them. */
async function openedOf(
  file: Buffer,
  kind: ImageKind,
  source: string,
  { maxPixels, ownBytes }: { maxPixels: number; ownBytes: number },
): Promise<OpenedImage> {
  try {
    if (kind === bmp) {
      const { width, height, channels } = bmpSize(file, maxPixels);
      const decodingBytes = ownBytes + bmpBytes * width * height;
      const common = { source, kind, width, height, hasAlpha: channels === 4, exif: undefined, file };
      return { ...common, decodingBytes, openBytes: decodingBytes };
    }
    const header = await sharp(file, { limitInputPixels: maxPixels }).metadata();
    if (header.format !== kind.codec)
      throw new Error(
        `its first bytes are those of ${kind.name}, but its codec takes it for ${header.format}`,
      );
    const { autoOrient, hasAlpha, exif } = header;
    const openBytes = ownBytes + codecBytes(header);
    const decodingBytes = openBytes + outputBytes(header);
    return { source, kind, ...autoOrient, hasAlpha, exif, decodingBytes, openBytes, file };
  } catch (cause) {
    throw imageError(source, cause);
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Indices, colours, and colours without alpha with where they are transparent. */
const bmpBytes = 1 + 4 + 4;

/** Memory that the codec takes before it gives the first row: none where it decodes row by row. */
function codecBytes({
  width,
  height,
  format,
  isProgressive,
  orientation,
  channels,
  depth,
}: Metadata): number {
  const isByRows = (format === 'png' || format === 'jpeg') && !isProgressive && (orientation ?? 1) === 1;
  // Coefficients of a progressive JPEG have 16 bits.
  const sampleBytes =
    depth === 'uchar' && format !== 'jpeg' ? 1 : depth === 'uchar' || depth === 'ushort' ? 2 : 4;
  return isByRows ? 0 : width * height * Math.max(3, channels) * sampleBytes;
}

/** Memory of the decoded pixels. With an alpha channel it is split off: {@link splitAlpha}. */
function outputBytes({ width, height, hasAlpha }: Metadata): number {
  return width * height * (hasAlpha ? 8 : 3);
}

/**
 * Calls `use` with the file of an image when there is room for what is made of it.
 *
 * @param bytes of memory. Default: of the whole image.
 * @throws what `use` throws; the signal's reason, at once: the codec's work, which cannot be stopped, goes on and its result is dropped.
 */
export function whileDecoding<T>(
  { decodingBytes, file }: OpenedImage,
  use: (file: Buffer) => Promise<T>,
  { bytes = decodingBytes, signal }: { bytes?: number; signal?: AbortSignal | undefined } = {},
): Promise<T> {
  return unlessAborted(
    decodingRoom.during(bytes, () => use(file), signal),
    signal,
  );
}

/** @throws what `work` throws; the signal's reason, at once */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/**
 * Decodes the file of an opened image, see `decodeImage`.
 *
 * @throws DinoSegError IMAGE
 */
export function decodeOpened(opened: OpenedImage, file: Buffer, maxPixels: number): Promise<RgbImage> {
  const { kind, source } = opened;
  const how = { maxPixels, seconds: mostSeconds(opened) };
  if (kind === bmp) return decodeBitmap(file, source, maxPixels);
  return kind === jpeg ? decodeJpeg(file, source, how) : decodeAny(file, source, how);
}

/**
 * Seconds after which decoding is given up. Files can be made that take far longer than their size suggests; a slow machine takes
 * a small part of this.
 */
export function mostSeconds({ width, height }: Pick<OpenedImage, 'width' | 'height'>): number {
  return Math.ceil(60 + (2 * width * height) / 1e6);
}

interface HowToDecode {
  maxPixels: number;
  /** See {@link mostSeconds}. Default: as the instance says. */
  seconds?: number;
  failOn?: 'error' | 'warning';
  /** Decodes these rows alone, of the image as it is shown. */
  rows?: { top: number; width: number; height: number };
}

/** What a sharp instance may have been made of: files that are decoded here, and pixels. */
const instanceFormats = ['jpeg', 'png', 'webp', 'tiff', 'gif', 'heif', 'raw'];

/**
 * Decodes a sharp instance, whose own pixel limit applies.
 *
 * @throws DinoSegError IMAGE, also for one that would draw (SVG, PDF) or decode what files may not hold; the signal's reason
 */
export async function decodeInstance(image: Sharp, signal?: AbortSignal): Promise<RgbImage> {
  const source = 'The image';
  // Both copies get the bytes of a stream that ends meanwhile.
  const [pipeline, copy] = [image.clone(), image.clone()];
  const header = await copy.metadata().catch((cause: unknown) => {
    throw imageError(source, cause);
  });
  if (!instanceFormats.includes(header.format))
    throw new DinoSegError(
      'IMAGE',
      `${source} is a sharp instance of the format ${header.format}, which is not decoded. Expected ${readableKinds}.`,
    );
  const bytes = codecBytes(header) + outputBytes(header);
  const decode = () => decodeAny(pipeline, source, { maxPixels: mostPixels });
  return unlessAborted(decodingRoom.during(bytes, decode, signal), signal);
}

/** @throws DinoSegError IMAGE for a kind that is not decoded, and for what is no image */
function readableKindOf(file: Uint8Array, source: string): ImageKind {
  const kind = imageKindOf(file);
  if (kind === undefined) throw imageError(source, new Error(unknownKind(file)));
  if (!kind.readable && !(kind === heic && readsHeic))
    throw new DinoSegError('IMAGE', `${source} is ${kind.name}, which is not decoded. ${kind.advice}`);
  return kind;
}

function unknownKind(file: Uint8Array): string {
  if (file.length === 0) return 'it is empty';
  const first = Buffer.from(file.subarray(0, 8))
    .toString('hex')
    .replace(/..(?!$)/g, '$& ');
  return `its first bytes (${first}) are those of no image format that is known here`;
}

/** Whether the codec decodes a file as it is: BMP and JPEGs that lack a marker need more. */
export function isPlain({ kind }: OpenedImage, file: Uint8Array): boolean {
  return kind !== bmp && !(kind === jpeg && jpegLack(file));
}

async function decodeBitmap(file: Uint8Array, source: string, maxPixels: number): Promise<RgbImage> {
  return splitAlpha(bitmapPixels(file, source, maxPixels));
}

/** @throws DinoSegError IMAGE */
export function bitmapPixels(file: Uint8Array, source: string, maxPixels: number): StoredPixels {
  try {
    return decodeBmp(file, maxPixels);
  } catch (cause) {
    throw imageError(source, cause);
  }
}

/** Follows the end of a JPEG that lacks its end marker: no part of the picture may depend on it. */
const afterEnd = Buffer.from('35c61ae2970b4df8'.repeat(16), 'hex');

async function decodeJpeg(file: Uint8Array, source: string, how: HowToDecode): Promise<RgbImage> {
  const lack = jpegLack(file);
  if (lack?.kind === 'end') {
    const ends = [withEndMarker(file), withEndMarker(file, afterEnd)];
    const [image, other] = await Promise.all(ends.map((bytes) => decodeAny(bytes, source, how)));
    if (Buffer.compare(image!.data, other!.data) === 0)
      return { ...image!, notes: ['The end marker of the JPEG is missing; the picture is complete.'] };
  }
  if (lack?.kind !== 'restarts') return decodeAny(file, source, how);
  const { missing, expected } = lack;
  // The codec resumes at the next one.
  if (missing > 1) return decodeAny(file, source, { ...how, failOn: 'warning' });
  const image = await decodeAny(file, source, how);
  const note = `One of the JPEG's ${expected} restart markers is missing: a strip of the picture may be grey.`;
  return { ...image, notes: [note] };
}

export async function decodeAny(
  image: Uint8Array | Sharp,
  source: string,
  how: HowToDecode,
): Promise<RgbImage> {
  return splitAlpha(await codecPixels(image, source, how));
}

/** Pixels with an alpha channel if the file has one. @throws DinoSegError IMAGE */
export async function codecPixels(
  image: Uint8Array | Sharp,
  source: string,
  how: HowToDecode,
): Promise<StoredPixels> {
  try {
    const options = { failOn: how.failOn ?? failOn, limitInputPixels: how.maxPixels } as const;
    const pipeline = isSharp(image) ? image : sharp(image, options);
    if (how.seconds !== undefined) pipeline.timeout({ seconds: how.seconds });
    pipeline.autoOrient();
    if (how.rows) pipeline.extract({ left: 0, ...how.rows });
    const { data, info } = await pipeline
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    if (channels !== 3 && channels !== 4)
      throw new Error(`it decoded to ${channels} channels instead of 3 or 4`);
    return { data: bytesOf(data), width, height, channels };
  } catch (cause) {
    throw imageError(source, cause);
  }
}

/** Below it, a pixel is transparent. */
export const opaqueAlpha = 128;

/** The colours of pixels with or without an alpha channel, and where they are transparent. */
export function splitAlpha({ data: pixels, width, height, channels }: StoredPixels): RgbImage {
  if (channels === 3) return { data: pixels, width, height };
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
