/** One pass of an extraction: decoded images, then their features. */
import { stat } from 'node:fs/promises';
import type { RgbImage } from '../data/decode.js';
import { decodeLoaded, readImage } from '../data/image-decoder.js';
import { markOwn } from '../data/own-pixels.js';
import { DinoSegError } from '../errors.js';
import { systemPath } from '../system-path.js';
import type { FeatureExtractor, ImageFeatures } from './extractor.js';
import type { JournalFailure, JournalPass, JournalRow } from './journal.js';
import type { Overlays } from './overlays.js';
import { qualityOf, type ImageQuality } from './quality.js';

/** An image of a pass, or why there is none. */
export type LoadedImage = {
  place: number;
  /** {@link stampOf} before it was read. */
  stamp: string | null;
} & ({ image: RgbImage; quality: ImageQuality } | { image: DinoSegError });

/** Identifies the version of a file; null if it does not exist. */
export async function stampOf(path: string): Promise<string | null> {
  const found = await stat(systemPath(path)).catch(() => undefined);
  return found ? `${found.size} ${found.mtimeMs}` : null;
}

/** Decodes an image. @throws errors that are not the image's fault */
export async function loadImage(path: string, place: number): Promise<LoadedImage> {
  const stamp = await stampOf(path);
  try {
    const [file, source] = await readImage<Buffer>(path);
    const image = markOwn(await decodeLoaded(file, source));
    return { place, image, quality: await qualityOf(image, file), stamp };
  } catch (error) {
    if (!(error instanceof DinoSegError)) throw error;
    return { place, image: error, stamp };
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
    for (const one of readable)
      try {
        await run([one]);
      } catch (own) {
        if (!isOfImage(own)) throw own;
        failures.push(failureOf(one.place, own));
      }
  }
  failures.sort((a, b) => a.place - b.place);
  return { pass, rows, failures, stamps: loaded.map(({ stamp }) => stamp) };
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
