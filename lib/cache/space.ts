/** How much of the disk a pass takes. */
import { statfs } from 'node:fs/promises';
import { DinoSegError } from '../errors.js';
import { engine } from '../native/engine.js';
import { formatBytes } from '../text.js';
import type { CacheFolder } from './cache-folder.js';
import { featuresLayout, partDtypes } from './record-form.js';

/** @throws DinoSegError DISK_FULL where the disk of a cache has no room for so many more bytes */
export async function checkSpace({ path }: CacheFolder, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(path);
  if (bytes <= bavail * bsize) return;
  throw new DinoSegError(
    'DISK_FULL',
    `The cache in ${path} needs another ${formatBytes(bytes)}; only ${formatBytes(bavail * bsize)} is free. ` +
      'Free some space, choose another folder with --cache, or store less (--cache-dtype uint8, fewer --views, --flip 0).',
  );
}

/**
 * The size of a pass over features, before the first image: it follows from the backbone's width. Undefined for queries and
 * masks, whose sizes follow from the first image.
 */
export function featuresForecast(
  { path, key, form }: CacheFolder,
  width: number,
  records: number,
): { bytes: number; line: string } | undefined {
  if (key.contents === 'decoded') return undefined;
  const sizeWith = (dtypes: ReturnType<typeof partDtypes>) => {
    const layout = featuresLayout(key, width, dtypes);
    return { bytes: engine().recordBytes(layout), features: layout[0]! };
  };
  const { bytes, features } = sizeWith(partDtypes(form, key.dtype));
  const smaller = sizeWith(partDtypes(null, 'uint8'));
  const advice =
    features.dtype === 'uint8' ? '' : `; with --cache-dtype uint8 ${formatBytes(records * smaller.bytes)}`;
  const line =
    `cache ${path}: ${records} records of ${formatBytes(bytes)} (features ${features.shape.join('×')} ` +
    `${features.dtype}), ${formatBytes(records * bytes)}${advice}`;
  return { bytes: records * bytes, line };
}
