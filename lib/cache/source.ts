/** The files that a record was made from. */
import { stat } from 'node:fs/promises';
import type { Pair } from '../data/layout.js';
import { digestOfFile } from '../data/file-digest.js';
import type { IndexEntry } from './index-file.js';

/** Whether a record was made from the files as they are now. */
export async function isCurrent({ source }: IndexEntry, pair: Pair): Promise<boolean> {
  const files = [pair.image, pair.label];
  const stats = await Promise.all(files.map((file) => stat(file)));
  for (const [i, { size, mtimeMs }] of stats.entries()) {
    if (size !== source.sizes[i]) return false;
    if (mtimeMs === source.times[i]) continue;
    if ((await digestOfFile(files[i]!)) !== source.digests[i]) return false;
  }
  return true;
}

/** Sizes, times and digests of the files, to notice later changes. */
export async function sourceOf(pair: Pair): Promise<IndexEntry['source']> {
  const [image, label] = await Promise.all([stat(pair.image), stat(pair.label)]);
  const digests = await Promise.all([pair.image, pair.label].map(digestOfFile));
  return {
    sizes: [image.size, label.size],
    times: [image.mtimeMs, label.mtimeMs],
    digests: [digests[0]!, digests[1]!],
  };
}
