/** Where images were taken, by the GPS data in their EXIF blocks. */
import readExif from 'exif-reader';
import { callback, checkArgument, checkOptions, signal, type OptionKinds } from '../arguments.js';
import { exifOf } from '../data/decode.js';
import { prefetch } from '../data/prefetch.js';
import { DinoSegError } from '../errors.js';
import { imageListKind, type ImageEntry, type ImageList } from '../images/images-of-paths.js';
import { locationOf } from './table-form.js';

/** Options of {@link withGps}. */
export interface GpsOptions {
  /** Cancels. */
  signal?: AbortSignal;
  /** Called with the number of images read and the total. */
  onProgress?: (done: number, total: number) => void;
}

const gpsOptions: OptionKinds<GpsOptions> = { signal, onProgress: callback() };

/** Headers read at a time. */
const concurrency = 16;

/**
 * Adds the columns `lat` and `lon` to a list of images: degrees (WGS 84) from their EXIF blocks, or nothing for an image without
 * them.
 *
 * @throws DinoSegError MANIFEST if the list has such columns already; the signal's reason.
 */
export async function withGps(images: ImageList, options: GpsOptions = {}): Promise<ImageList> {
  checkArgument(images, imageListKind, 'withGps(images)');
  checkOptions(options, gpsOptions, 'withGps()');
  const { carried, carriedKinds = carried.map(() => 'text' as const), entries } = images;
  const { location, why } = locationOf(images);
  if (location || why !== undefined)
    throw new DinoSegError(
      'MANIFEST',
      'The manifest has columns with latitude and longitude. Leave out --gps exif, or rename them.',
    );
  const located: ImageEntry[] = [];
  const read = async (entry: ImageEntry) => ({
    ...entry,
    carried: [...entry.carried, ...(await cellsOf(entry))],
  });
  for await (const entry of prefetch(entries, read, {
    ahead: 4 * concurrency,
    concurrency,
    signal: options.signal,
  })) {
    located.push(entry);
    options.onProgress?.(located.length, entries.length);
  }
  return {
    ...images,
    carried: [...carried, 'lat', 'lon'],
    carriedKinds: [...carriedKinds, 'number', 'number'],
    entries: located,
  };
}

/** Latitude and longitude as texts, both empty if one is unknown. */
async function cellsOf({ path }: ImageEntry): Promise<[string, string]> {
  const exif = await exifOf(path);
  const tags = exif && gpsTags(exif);
  const latitude = degrees(tags?.GPSLatitude, tags?.GPSLatitudeRef, 'S', 90);
  const longitude = degrees(tags?.GPSLongitude, tags?.GPSLongitudeRef, 'W', 180);
  const isKnown = latitude !== undefined && longitude !== undefined;
  return isKnown ? [String(latitude), String(longitude)] : ['', ''];
}

function gpsTags(exif: Uint8Array) {
  try {
    return readExif(Buffer.from(exif)).GPSInfo;
  } catch {
    // A damaged block says nothing of where the image was taken.
    return undefined;
  }
}

/** Of degrees, minutes and seconds, to 1e-7 degrees (a centimetre), which is more than cameras tell. */
function degrees(
  parts: readonly number[] | undefined,
  reference: string | undefined,
  negative: string,
  most: number,
): number | undefined {
  if (!Array.isArray(parts) || parts.length !== 3 || typeof reference !== 'string') return undefined;
  const [whole, minutes, seconds] = parts as [number, number, number];
  const value = Number((whole + minutes / 60 + seconds / 3600).toFixed(7));
  if (!Number.isFinite(value) || value < 0 || value > most) return undefined;
  return reference.trim().toUpperCase().startsWith(negative) ? 0 - value : value;
}
