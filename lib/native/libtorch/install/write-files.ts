/** Unpacking: files are checked while they are written, and synced at the end. */
import { createHash } from 'node:crypto';
import { writeFile as writeWhole } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DinoSegError } from '../../../errors.js';
import { makeFolder, syncFile, withOpenFile, writeError } from '../../../files.js';
import type { SourceFile } from './contents.js';
import { crc32 } from './crc32.js';

export interface WriteOptions {
  /** What people call the source. */
  origin: string;
  signal?: AbortSignal | undefined;
  onBytes?: (doneBytes: number, totalBytes: number) => void;
}

export function totalSize(files: ReadonlyMap<string, SourceFile>): number {
  return [...files.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

/**
 * Writes files below an empty folder, each checked against the size, SHA-256 or CRC-32 that its source states, and syncs
 * them and their folders.
 *
 * @throws DinoSegError CHECKSUM or ARCHIVE for contents other than stated; DISK_FULL, IO; the signal's reason
 */
export async function writeFiles(
  folder: string,
  files: ReadonlyMap<string, SourceFile>,
  options: WriteOptions,
): Promise<void> {
  const totalBytes = totalSize(files);
  let doneBytes = 0;
  const count = (bytes: number) => options.onBytes?.((doneBytes += bytes), totalBytes);
  const folders = new Set([folder]);
  for (const [name, file] of files) {
    const path = join(folder, name);
    options.signal?.throwIfAborted();
    try {
      for (let parent = dirname(path); !folders.has(parent); parent = dirname(parent)) folders.add(parent);
      await makeFolder(dirname(path));
      await writeFile(path, name, file, { ...options, count });
    } catch (cause) {
      options.signal?.throwIfAborted();
      throw asTyped(cause, path, name, options.origin);
    }
  }
  await syncAll([...[...files.keys()].map((name) => join(folder, name)), ...folders], options.signal);
}

async function writeFile(
  path: string,
  name: string,
  file: SourceFile,
  { origin, signal, count }: WriteOptions & { count: (bytes: number) => void },
): Promise<void> {
  // A wheel's SHA-256 says more than the zip's CRC-32, which is checked for other archives.
  const sha256 = file.sha256 === undefined ? undefined : createHash('sha256');
  let crc = 0;
  let sizeBytes = 0;
  const source = await file.open();
  // It may fail before it is read, while the file is being created: unheard, that would end the process.
  let early: { error: unknown } | undefined;
  source.once('error', (error) => (early = { error }));
  async function* checked() {
    if (early) {
      source.destroy();
      throw early.error;
    }
    for await (const part of source as AsyncIterable<Buffer>) {
      if (sha256) sha256.update(part);
      else if (file.crc32 !== undefined) crc = crc32(part, crc);
      sizeBytes += part.length;
      count(part.length);
      yield part;
    }
  }
  // Not pipeline(): streams out of archives do not say when they are destroyed, for which it would wait for ever.
  await writeWhole(path, checked(), { flag: 'wx', ...(signal && { signal }) });
  if (sizeBytes !== file.sizeBytes)
    throw new DinoSegError(
      'ARCHIVE',
      `${name} in ${origin} has ${sizeBytes} bytes instead of ${file.sizeBytes}.`,
    );
  const wrong = sha256 ? sha256.digest('base64url') !== file.sha256 : (file.crc32 ?? crc) !== crc;
  if (wrong)
    throw new DinoSegError(
      'CHECKSUM',
      `${name} in ${origin} does not match ${sha256 ? 'its RECORD' : "the zip's CRC-32"}: the file is damaged. ` +
        'Nothing was installed. Download it again.',
    );
}

/** Errors of system calls come from writing; the others from what is inside the archive. */
function asTyped(cause: unknown, path: string, name: string, origin: string): DinoSegError {
  if (cause instanceof DinoSegError) return cause;
  const error = cause as NodeJS.ErrnoException;
  if (error.syscall !== undefined) return writeError(path, cause);
  return new DinoSegError(
    'ARCHIVE',
    `${name} in ${origin} cannot be unpacked: ${error.message}. The file is damaged; nothing was installed.`,
    { cause },
  );
}

/** One sync after another costs a disk's turn each; several at a time share it. */
async function syncAll(paths: string[], signal: AbortSignal | undefined): Promise<void> {
  const queue = paths.values();
  const work = async () => {
    for (const path of queue) {
      signal?.throwIfAborted();
      try {
        await withOpenFile(path, syncFile);
      } catch (cause) {
        throw writeError(path, cause);
      }
    }
  };
  await Promise.all(Array.from({ length: 4 }, work));
}
