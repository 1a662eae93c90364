/** Joins the parts of a cache that several processes or machines made. */
import { constants } from 'node:fs';
import { copyFile, link, rm, stat } from 'node:fs/promises';
import { checkArgument, checkOptions, paths, signalOption, text } from '../arguments.js';
import { DinoSegError } from '../errors.js';
import { syncFile, systemCode, withOpenFile, writeError } from '../files.js';
import { engine } from '../native/engine.js';
import { inOrder, missingShards } from '../shard.js';
import { CacheFolder, type CachePart } from './cache-folder.js';
import { takeLock } from './fill-pass.js';
import { rewriteIndex, type RecordForm } from './index-file.js';
import { keyDifferences } from './key.js';

/** Result of {@link mergeCaches}. */
export interface MergedCache {
  /** Folder of the cache. */
  path: string;
  /** Number of records in it. */
  records: number;
  /** Size of the records that were moved there. */
  bytes: number;
}

/** A folder that holds a part, with records. */
interface Part {
  path: string;
  folder: CacheFolder;
  shard: CachePart;
  form: Required<RecordForm>;
}

/**
 * Moves the records of all parts of a cache, as `makeCache` with `shard` made them, into one folder, and removes the parts. Records
 * are not read: `train` compares them with their checksums. On one file system nothing is copied.
 *
 * @param parts folders of the parts, all of them.
 * @param path folder of the cache; one with records of the same settings keeps them.
 * @throws DinoSegError CACHE if parts are missing, unfinished, damaged, given twice or of different caches, if the folder holds
 *   another cache, or another process writes to one of them; DISK_FULL, IO (the parts stay as they are); the signal's reason.
 */
export async function mergeCaches(
  parts: readonly string[],
  path: string,
  options: { signal?: AbortSignal } = {},
): Promise<MergedCache> {
  checkArgument(parts, paths, 'mergeCaches(parts)');
  checkArgument(path, text, 'mergeCaches(path)');
  checkOptions(options, signalOption, 'mergeCaches()');
  const found: Part[] = [];
  for (const each of parts) found.push(await openPart(each));
  const first = firstOf(found);
  const { form } = first;
  const target = await CacheFolder.open(path, first.folder.key);
  if (target.form) checkForm(first, { folder: target, form: target.form });
  // An earlier merge may have ended while it removed the parts.
  const isMerged = found.every(({ folder }) => holds(target, folder));
  const missing = isMerged ? '' : missingShards(found, first.shard.count);
  if (missing !== '') throw new DinoSegError('CACHE', `Missing parts: ${missing}.`);
  const locks = [];
  try {
    for (const { folder } of found) locks.push(await takeLock(folder));
    locks.push(await takeLock(target, form.layout));
    await target.tidy(form, target.index.entries);
    const merged = await moveRecords(isMerged ? [] : found, target, options.signal);
    for (const { folder } of found) await CacheFolder.remove(folder.path);
    return merged;
  } finally {
    for (const lock of locks) if (lock) engine().dispose(lock);
  }
}

async function openPart(path: string): Promise<Part> {
  const folder = await CacheFolder.find(path);
  const { part, form, damage, index } = folder;
  const refuse = (what: string) => new DinoSegError('CACHE', `${path} ${what}`);
  if (!part) throw refuse('is a whole cache, not a part of one: `cache make --shard` makes parts.');
  const again = 'Run its `cache make` again (it continues where it stopped), then merge.';
  if (damage[0]) throw refuse(`is damaged or unfinished: ${damage[0].reason}. ${again}`);
  if (!form || index.entries.size < part.records)
    throw refuse(`has ${index.entries.size} of its ${part.records} records. ${again}`);
  return { path, folder, shard: part, form };
}

/** @throws DinoSegError CACHE where they are not parts of one cache, each once */
function firstOf(parts: readonly Part[]): Part {
  const [first] = parts;
  if (!first) throw new DinoSegError('INVALID_ARGUMENT', 'No part was given to merge.');
  for (const part of parts) checkForm(first, part);
  return inOrder(parts, 'part', 'CACHE')[0]!;
}

/** Whether a cache has all records of another one. */
function holds(cache: CacheFolder, other: CacheFolder): boolean {
  const { entries } = cache.index;
  return [...other.index.entries].every(([id, { checksum }]) => entries.get(id)?.checksum === checksum);
}

/** Whether the records of two folders can lie in one. */
function checkForm(one: Part, other: Pick<Part, 'folder' | 'form'> & { shard?: CachePart }): void {
  const described = ({ folder, form, shard = one.shard }: typeof other) => ({
    ...folder.key,
    layout: form.layout,
    passSize: form.passSize,
    parts: shard.count,
  });
  const differences = keyDifferences(described(one), described(other));
  if (differences.length > 0)
    throw new DinoSegError(
      'CACHE',
      `${one.folder.path} and ${other.folder.path} belong to different caches:\n  ${differences.join('\n  ')}`,
    );
}

async function moveRecords(
  parts: readonly Part[],
  target: CacheFolder,
  signal: AbortSignal | undefined,
): Promise<MergedCache> {
  const entries = new Map(target.index.entries);
  const placed: string[] = [];
  let next = Math.max(-1, ...target.ends.keys()) + 1;
  let bytes = 0;
  try {
    for (const { folder } of parts) {
      const numbers = new Map<number, number>();
      for (const number of folder.index.lastOffsets.keys()) {
        signal?.throwIfAborted();
        const to = target.recordFile(next);
        placed.push(to);
        await linkOrCopy(folder.recordFile(number), to);
        bytes += (await stat(to)).size;
        numbers.set(number, next++);
      }
      for (const [id, entry] of folder.index.entries)
        entries.set(id, { ...entry, file: numbers.get(entry.file)! });
    }
    await rewriteIndex(target.indexPath, target.id, target.form!, entries.values());
  } catch (error) {
    for (const path of placed) await rm(path, { force: true });
    throw error;
  }
  return { path: target.path, records: entries.size, bytes };
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (cause) {
    // Another file system, or one without links.
    if (!['EXDEV', 'EPERM', 'ENOTSUP', 'EMLINK'].includes(systemCode(cause))) throw writeError(to, cause);
    await copySynced(from, to);
  }
}

async function copySynced(from: string, to: string): Promise<void> {
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE);
    await withOpenFile(to, syncFile);
  } catch (cause) {
    throw writeError(to, cause);
  }
}
