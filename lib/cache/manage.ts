/** Caches as a whole: finding, measuring, checking and removing them. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkArgument, checkOptions, text } from '../arguments.js';
import { readError } from '../files.js';
import { jobOptions, type JobOptions } from '../native/job.js';
import { engine } from '../native/engine.js';
import { CacheFolder, type Damage } from './cache-folder.js';
import { takeLock } from './fill-pass.js';
import type { CacheKey } from './key.js';

/** Summary of a cache, as in `cache list`. */
export interface CacheSummary {
  /** Folder of the cache. */
  path: string;
  /** Settings that the records depend on. */
  key: CacheKey;
  /** Images per forward pass. */
  passSize: number;
  /** Number of records in the index. */
  records: number;
  /** Size of all files. */
  sizeBytes: number;
}

/** Result of {@link checkCache}. */
export interface CacheCheck {
  /** Number of intact records. */
  records: number;
  /** Damaged parts. */
  damage: Damage[];
}

/** Lists the caches in a folder: the folder itself, or its sub-folders. @throws DinoSegError FILE_NOT_FOUND, IO */
export async function listCaches(folder: string): Promise<CacheSummary[]> {
  checkArgument(folder, text, 'listCaches(folder)');
  const own = await summaryOf(folder);
  if (own) return [own];
  let names: string[];
  try {
    names = (await readdir(folder, { withFileTypes: true }))
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch (cause) {
    throw readError(folder, cause);
  }
  const found = await Promise.all(names.sort().map((name) => summaryOf(join(folder, name))));
  return found.filter((summary) => summary !== undefined);
}

async function summaryOf(path: string): Promise<CacheSummary | undefined> {
  const folder = await CacheFolder.find(path).catch(() => undefined);
  if (!folder) return undefined;
  const names = await readdir(path);
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(path, name))).size));
  const sizeBytes = sizes.reduce((sum, size) => sum + size, 0);
  const passSize = folder.form?.passSize ?? 1;
  return { path, key: folder.key, passSize, records: folder.index.entries.size, sizeBytes };
}

/** Reads every record of a cache and reports damage. @throws DinoSegError CACHE, IO */
export async function checkCache(path: string, options: JobOptions = {}): Promise<CacheCheck> {
  checkArgument(path, text, 'checkCache(path)');
  checkOptions(options, jobOptions, 'checkCache()');
  const { whole, damage } = await (await CacheFolder.find(path)).verify(options);
  return { records: whole.size, damage };
}

/** Result of {@link removeCache}. */
export interface RemovedCache {
  /** Folder of the cache. */
  path: string;
  /** Number of records in its index; null if cache.json was damaged. */
  records: number | null;
  /** Number of files that were removed. */
  files: number;
  /** Their size. */
  bytes: number;
  /** Names of files that are not the cache's and were left; the folder is gone if there are none. */
  left: string[];
}

/**
 * Removes a cache, and its folder if nothing else is in it.
 *
 * @throws DinoSegError CACHE if there is none or another process writes to it, IO
 */
export async function removeCache(path: string): Promise<RemovedCache> {
  checkArgument(path, text, 'removeCache(path)');
  const folder = await CacheFolder.find(path).catch(() => undefined);
  const lock = folder && (await takeLock(folder));
  try {
    const records = folder?.index.entries.size ?? null;
    return { path, records, ...(await CacheFolder.remove(path)) };
  } finally {
    if (lock) engine().dispose(lock);
  }
}
