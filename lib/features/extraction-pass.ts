/** One pass of an extraction: decoded images, then their features. */
import { subtle } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { RgbImage } from '../data/decode.js';
import { decodeLoaded, readImage } from '../data/image-decoder.js';
import { markOwn } from '../data/own-pixels.js';
import { DinoSegError } from '../errors.js';
import { fileDigest } from '../files.js';
import { shownPath, systemPath } from '../system-path.js';
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
  /** SHA-256 of what was read; null if nothing was. */
  digest: string | null;
} & ({ image: RgbImage; quality: ImageQuality } | { image: DinoSegError });

/** Identifies the version of a file; null if it does not exist. */
export async function stampOf(path: string): Promise<string | null> {
  const found = await stat(systemPath(path)).catch(() => undefined);
  return found ? `${found.size} ${found.mtimeMs}` : null;
}

/** SHA-256 of a file; null if it cannot be read. */
export async function digestOf(path: string): Promise<string | null> {
  return fileDigest(path).catch(() => null);
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

/** Decodes an image. @throws errors that are not the image's fault */
export async function loadImage(path: string, place: number): Promise<LoadedImage> {
  const stamp = await stampOf(path);
  let digest: string | null = null;
  try {
    const [file, source] = await readImage<Buffer>(path);
    // On Node's own pool, beside the decoding of other images.
    digest = Buffer.from(await subtle.digest('SHA-256', file as Buffer<ArrayBuffer>)).toString('hex');
    const decoded = await decodeLoaded(file, source);
    const image = markOwn({ ...decoded, name: shownPath(path) });
    return { place, path, stamp, digest, image, quality: qualityOf(image) };
  } catch (error) {
    if (!(error instanceof DinoSegError)) throw error;
    return { place, path, stamp, digest, image: error };
  }
}

/** Errors of a single image: the others of its pass continue. */
function isOfImage(error: unknown): error is DinoSegError {
  return error instanceof DinoSegError && (error.code === 'IMAGE' || error.code === 'SHAPE');
}

interface Readable {
  place: number;
  image: RgbImage;
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
  const { width, height } = image;
  return { place, values, width, height, ...(detections ? { detections } : {}), quality };
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
