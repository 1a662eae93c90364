/** Caches as a whole: finding, measuring, checking and removing them. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkArgument, checkOptions, text } from '../arguments.js';
import { readError } from '../files.js';
import { jobOptions, type JobOptions } from '../native/job.js';
import { CacheFolder, type Damage } from './cache-folder.js';
import type { CacheKey } from './key.js';

/** A cache of network outputs, as `cache list` shows it. */
export interface CacheSummary {
  /** Its folder. */
  path: string;
  /** What it was made with. */
  key: CacheKey;
  /** Images that went through the network together for its records. */
  passSize: number;
  /** Records that its index names. */
  records: number;
  /** Of all its files. */
  sizeBytes: number;
}

/** What reading a cache's records told. */
export interface CacheCheck {
  /** That are whole. */
  records: number;
  /** What is not. */
  damage: Damage[];
}

/** The caches in a folder: itself, or its sub-folders. @throws DinoSegError FILE_NOT_FOUND, IO */
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

/** Reads every record of a cache: how many are whole, and what is damaged. @throws DinoSegError CACHE, IO */
export async function checkCache(path: string, options: JobOptions = {}): Promise<CacheCheck> {
  checkArgument(path, text, 'checkCache(path)');
  checkOptions(options, jobOptions, 'checkCache()');
  const { whole, damage } = await (await CacheFolder.find(path)).verify(options);
  return { records: whole.size, damage };
}

/** Removes a cache. @throws DinoSegError CACHE where there is none, IO */
export async function removeCache(path: string): Promise<void> {
  checkArgument(path, text, 'removeCache(path)');
  await CacheFolder.remove(path);
}
