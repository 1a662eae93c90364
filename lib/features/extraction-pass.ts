/** One pass of an extraction: decoded images, then their features. */
import { subtle } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { decodeImage, type RgbImage } from '../data/decode.js';
import type { ReducedImage } from '../data/decode-reduced.js';
import { markOwn } from '../data/own-pixels.js';
import { DinoSegError } from '../errors.js';
import { readBytes } from '../files.js';
import { shownPath, systemPath } from '../system-path.js';
import type { ImageEntry } from '../images/images-of-paths.js';
import type { Detection } from '../model/detections.js';
import type { ImageSize } from '../model/image-size.js';
import type { FeatureExtractor, ImageFeatures } from './extractor.js';
import type { JournalFailure, JournalPass, JournalRow } from './journal.js';
import type { Overlays } from './overlays.js';
import { qualityOf, type ImageQuality } from './quality.js';

/** An image of a pass, or why there is none. */
export type LoadedImage = {
  place: number;
  path: string;
  /** {@link stampOf} before it was read. */
  stamp: string | null;
  /** {@link digestOf} */
  digest: string | null;
} & ({ image: RgbImage | ReducedImage; quality: ImageQuality } | { image: DinoSegError });

/** Identifies the version of a file; null if there is none, or no regular one. */
export async function stampOf(path: string): Promise<string | null> {
  const found = await stat(systemPath(path)).catch(() => undefined);
  return found?.isFile() ? `${found.size} ${found.mtimeMs}` : null;
}

/** SHA-256 of a file, hexadecimal; null if it cannot be read. */
export async function digestOf(path: string): Promise<string | null> {
  const file = await readBytes(path).catch(() => undefined);
  // On Node's own pool, beside the decoding of other images.
  return file
    ? Buffer.from(await subtle.digest('SHA-256', file as Buffer<ArrayBuffer>)).toString('hex')
    : null;
}

/** Whether a file is the one of an earlier stamp: by size and time, or by its content. */
export async function isSameFile(
  path: string,
  now: string | null,
  stamp: string | null,
  digest: string | null,
): Promise<boolean> {
  if (now === stamp) return true;
  if (now === null || stamp === null || digest === null) return false;
  return sizeOfStamp(now) === sizeOfStamp(stamp) && (await digestOf(path)) === digest;
}

/** The size in a stamp. */
export function sizeOfStamp(stamp: string): string {
  return stamp.split(' ')[0]!;
}

/** Reads an image or view as the extractor wants it. */
export function pictureOf(
  extractor: FeatureExtractor,
  { path, view }: Pick<ImageEntry, 'path' | 'view'>,
): Promise<RgbImage | ReducedImage> {
  return extractor.readImage ? extractor.readImage(path, view) : decodeImage(path);
}

/** Reads an image. @throws errors that are not the image's fault */
export async function loadImage(
  extractor: FeatureExtractor,
  entry: ImageEntry,
  place: number,
): Promise<LoadedImage> {
  const { path } = entry;
  const stamp = await stampOf(path);
  const named = (image: RgbImage | ReducedImage) => markOwn({ ...image, name: shownPath(path) });
  const read = await pictureOf(extractor, entry).then(named, (error: unknown) => {
    if (error instanceof DinoSegError) return error;
    throw error;
  });
  // After decoding, the file is in the system's cache.
  const digest = stamp === null ? null : await digestOf(path);
  const loaded = { place, path, stamp, digest };
  return read instanceof DinoSegError
    ? { ...loaded, image: read }
    : { ...loaded, image: read, quality: qualityOf(read) };
}

/** Errors of a single image: the others of its pass continue. */
function isOfImage(error: unknown): error is DinoSegError {
  return error instanceof DinoSegError && (error.code === 'IMAGE' || error.code === 'SHAPE');
}

interface Readable {
  place: number;
  image: RgbImage | ReducedImage;
  quality: ImageQuality;
}

/**
 * Extracts the features of a pass's images. If an image is refused, each is extracted by itself.
 *
 * @throws DinoSegError INTERNAL if the extractor's result does not match its columns; what the extractor throws.
 */
export async function extractPass(
  extractor: FeatureExtractor,
  pass: number,
  loaded: readonly LoadedImage[],
  options: { overlays: Overlays; signal?: AbortSignal | undefined },
): Promise<JournalPass> {
  const failures: JournalFailure[] = [];
  const readable: Readable[] = [];
  for (const one of loaded)
    if ('quality' in one) readable.push(one);
    else failures.push(failureOf(one.place, one.image));
  const rows: JournalRow[] = [];
  let together = readable.length;
  const runAgain = extractor.runAgain;
  const signal = options.signal ? { signal: options.signal } : {};
  const run = async (images: readonly Readable[]): Promise<void> => {
    const found = await extractor.extract(
      images.map(({ image }) => image),
      signal,
    );
    checkCount(found, images.length);
    for (const [i, one] of images.entries()) {
      const features = found[i]!;
      checkValues(extractor, features);
      await options.overlays.write(one.place, one.image, features);
      rows.push(rowOf(one, features));
    }
  };
  try {
    if (readable.length > 0) await run(readable);
  } catch (error) {
    if (!isOfImage(error)) throw error;
    rows.length = 0;
    together = 1;
    for (const one of readable)
      try {
        await run([one]);
      } catch (own) {
        if (!isOfImage(own)) throw own;
        failures.push(failureOf(one.place, own));
      }
  }
  // Other passes that run at the time may be meant: then these are only repeated more often than they need to be.
  if (extractor.runAgain !== runAgain) together = 0;
  failures.sort((a, b) => a.place - b.place);
  return {
    ...{ pass, rows, failures, together },
    stamps: loaded.map(({ stamp }) => stamp),
    paths: loaded.map(({ path }) => resolve(path)),
    digests: loaded.map(({ digest }) => digest),
  };
}

function failureOf(place: number, { code, message }: DinoSegError): JournalFailure {
  return { place, code, message };
}

function rowOf({ place, image, quality }: Readable, { values, detections }: ImageFeatures): JournalRow {
  // Boxes of the image itself, at whichever size it was looked at.
  const { width, height } = 'full' in image ? image.full : image;
  const boxes = detections && resizedBoxes(detections, image, { width, height });
  return { place, values, width, height, ...(boxes && { detections: boxes }), quality };
}

/** Boxes in an image as boxes in the same image at another size. */
export function resizedBoxes(detections: readonly Detection[], from: ImageSize, to: ImageSize): Detection[] {
  const [across, down] = [to.width / from.width, to.height / from.height];
  if (across === 1 && down === 1) return [...detections];
  return detections.map(({ x, y, width, height, ...rest }) => ({
    ...{ x: x * across, y: y * down, width: width * across, height: height * down },
    ...rest,
  }));
}

function checkCount(found: readonly ImageFeatures[], images: number): void {
  if (found.length !== images)
    throw new DinoSegError('INTERNAL', `Expected features of ${images} images, not of ${found.length}.`);
}

function checkValues({ columns }: FeatureExtractor, { values }: ImageFeatures): void {
  if (values.length !== columns.length)
    throw new DinoSegError(
      'INTERNAL',
      `Expected ${columns.length} features of an image, not ${values.length}.`,
    );
  for (const [i, { name, kind }] of columns.entries()) {
    const value = values[i]!;
    if (kind === 'count' ? Number.isInteger(value) && value >= 0 && value < 2 ** 31 : Number.isFinite(value))
      continue;
    throw new DinoSegError('INTERNAL', `The feature ${name} should be a ${kind}; it is ${value}.`);
  }
}
