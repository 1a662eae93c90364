import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, fdatasync, fsync } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { constants } from 'node:os';
import { pipeline } from 'node:stream/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { DinoSegError, type ErrorCode } from './errors.js';
import { isTooDeep, repeatedKey, repeatedText, tooDeepText } from './json.js';
import { shownPath, systemPath } from './system-path.js';
import { formatBytes } from './text.js';

const fullCodes = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const absentCodes = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'EISDIR']);

/** What Node.js calls an error of the system that it has no name for, such as ESTALE and EDQUOT. */
const unnamed = /Unknown system error -(\d+)/g;

function nameOfError(number: number): string {
  const named = Object.entries(constants.errno).find(([, value]) => value === number);
  return named ? named[0] : `error ${number}`;
}

/** The system's name of what went wrong with a call, e.g. `ENOENT`. */
export function systemCode(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return typeof code === 'string'
    ? code.replace(unnamed, (_, number: string) => nameOfError(Number(number)))
    : '';
}

function reason(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause.message
    .replace(/(Unknown system error -\d+): \1/, '$1')
    .replace(unnamed, (_, number: string) => nameOfError(Number(number)));
}

/** What to do about a disk that fails, by the system's code; the engine says the same (cpp/core/file_write.h). */
const diskAdvice: Readonly<Record<string, string>> = {
  EROFS:
    'The disk is mounted read-only. Choose another folder, or mount the disk for writing, and run the command again.',
  EIO: 'The disk, or the connection to it, failed. Check the disk, then run the command again.',
  ESTALE:
    'The file server no longer knows this file or folder. Mount the folder again, then run the command again.',
  EACCES: 'Choose a folder that you may write to, or ask for the permission.',
  EPERM: 'Choose a folder that you may write to, or ask for the permission.',
};

function withAdvice(text: string, cause: unknown): string {
  const advice = diskAdvice[systemCode(cause)];
  return advice === undefined ? text : `${text}. ${advice}`;
}

/** What a failed write means: DISK_FULL for a full disk, quota or size limit, else IO. */
export function writeError(path: string, cause: unknown): DinoSegError {
  if (cause instanceof DinoSegError) return cause;
  if (fullCodes.has(systemCode(cause)))
    return new DinoSegError(
      'DISK_FULL',
      `${path} could not be written: the disk is full, or a quota or file size limit was reached ` +
        `(${systemCode(cause)}). No partial file was left. Free some space and run the command again.`,
      { cause },
    );
  return new DinoSegError('IO', withAdvice(`${path} could not be written: ${reason(cause)}`, cause), {
    cause,
  });
}

/** What a failed read means: FILE_NOT_FOUND where the file is absent or closed to us, else IO. */
export function readError(path: string, cause: unknown): DinoSegError {
  if (cause instanceof DinoSegError) return cause;
  const code = systemCode(cause);
  if (code === 'ENOENT')
    return new DinoSegError('FILE_NOT_FOUND', `${path} does not exist. Check the path.`, { cause });
  if (code === 'EISDIR')
    return new DinoSegError('FILE_NOT_FOUND', `${path} is a folder, but a file was expected.`, { cause });
  return new DinoSegError(
    absentCodes.has(code) ? 'FILE_NOT_FOUND' : 'IO',
    absentCodes.has(code)
      ? `${path} could not be read: ${reason(cause)}`
      : withAdvice(`${path} could not be read: ${reason(cause)}`, cause),
    { cause },
  );
}

/** Bytes of a text file that a person writes: settings, classes, maps, polygons. */
export const mostTextBytes = 64 * 2 ** 20;
/** Bytes of a text file with a line or object for each image, which is read whole: a string may have no more. */
export const mostListBytes = 2 ** 29 - 64;

/**
 * Refuses what is no regular file before it is opened: a pipe would wait for its writer, a device such as /dev/zero has no end.
 *
 * @param most bytes of the file.
 * @param code of the error where it is larger.
 * @returns its size in bytes.
 * @throws FILE_NOT_FOUND, IO, and `code`
 */
export async function requireRegular(path: string, most = Infinity, code: ErrorCode = 'IO'): Promise<number> {
  const found = await stat(systemPath(path)).catch((cause: unknown) => {
    throw readError(path, cause);
  });
  // Folders are left to the read, whose error says so.
  if (!found.isFile() && !found.isDirectory())
    throw new DinoSegError(
      'FILE_NOT_FOUND',
      `${path} is a pipe, socket or device, but a regular file was expected. Write its contents to a file first.`,
    );
  if (found.isFile() && found.size > most)
    throw new DinoSegError(
      code,
      `${path} has ${formatBytes(found.size)}; a file of this kind has at most ${formatBytes(most)}. Check the path.`,
    );
  return found.size;
}

/**
 * The bytes of a regular file.
 *
 * @param most bytes of the file. Default: no limit.
 * @param code of the error where it is larger.
 * @throws FILE_NOT_FOUND, IO, and `code`
 */
export async function readBytes(path: string, most = Infinity, code: ErrorCode = 'IO'): Promise<Buffer> {
  await requireRegular(path, most, code);
  try {
    return await readFile(systemPath(path));
  } catch (cause) {
    throw readError(path, cause);
  }
}

/** Whether a path is of a pipe, socket or device: opening a pipe waits for its writer, and a device may have no end. */
export async function isSpecial(path: string): Promise<boolean> {
  const found = await stat(systemPath(path)).catch(() => undefined);
  return found !== undefined && !found.isFile() && !found.isDirectory();
}

/** @throws DinoSegError `code` for a pipe, socket or device */
export async function refuseSpecial(path: string, code: ErrorCode, expected: string): Promise<void> {
  if (await isSpecial(path))
    throw new DinoSegError(code, `${shownPath(path)} is a pipe, socket or device. Expected ${expected}.`);
}

/** The first bytes of a file. @throws FILE_NOT_FOUND, IO */
export async function startOf(path: string, bytes: number): Promise<Uint8Array> {
  const start = new Uint8Array(bytes);
  try {
    const { bytesRead } = await withOpenFile(path, (file) => file.read(start, 0, bytes, 0));
    return start.subarray(0, bytesRead);
  } catch (cause) {
    throw readError(path, cause);
  }
}

/**
 * The text of a regular file in UTF-8, read whole.
 *
 * @param most bytes of the file. Default 64 MiB.
 * @param code of the error where it is larger.
 * @throws FILE_NOT_FOUND, IO, and `code`
 */
export async function readText(path: string, most = mostTextBytes, code: ErrorCode = 'IO'): Promise<string> {
  return (await readBytes(path, most, code)).toString('utf8');
}

/** The lines of a file that have an end, as bytes without it. @throws FILE_NOT_FOUND, IO */
export async function* byteLines(path: string): AsyncGenerator<Buffer, void, void> {
  await requireRegular(path);
  let parts: Buffer[] = [];
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 })) {
    let rest = chunk as Buffer;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      yield Buffer.concat([...parts, rest.subarray(0, end)]);
      parts = [];
      rest = rest.subarray(end + 1);
    }
    if (rest.length > 0) parts.push(rest);
  }
}

/** SHA-256 of a file's bytes, in lower-case hexadecimal. @throws FILE_NOT_FOUND, IO; the signal's reason */
export async function fileDigest(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(systemPath(path), { highWaterMark: 1 << 20 }), hash, { signal: signal! });
  } catch (cause) {
    signal?.throwIfAborted();
    throw readError(path, cause);
  }
  return hash.digest('hex');
}

/**
 * What a JSON file holds. A key that an object has twice is refused.
 *
 * @param code of the error where it is something else.
 * @param describe that error's message, by what the parser said.
 * @param most bytes of the file. Default 64 MiB.
 * @throws FILE_NOT_FOUND, IO, and `code`
 */
export async function readJson(
  path: string,
  code: ErrorCode,
  describe = (reason: string) => `${path} is not JSON: ${reason}`,
  most = mostTextBytes,
): Promise<unknown> {
  const text = await readText(path, most, code);
  const parsed = parseJson(text, code, describe);
  const repeated = repeatedKey(text);
  if (repeated) throw new DinoSegError(code, repeatedText(path, repeated));
  return parsed;
}

/** {@link readJson} of text that was read before, without a look at keys. @throws `code` */
export function parseJson(text: string, code: ErrorCode, describe: (reason: string) => string): unknown {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new DinoSegError(code, describe(reason(cause)), { cause });
  }
  if (isTooDeep(parsed)) throw new DinoSegError(code, describe(tooDeepText));
  return parsed;
}

// Yarn's Plug'n'Play puts a FileHandle of its own in place of Node.js's, without sync(), datasync() and
// Symbol.asyncDispose; its file descriptors are real ones.
const [syncDescriptor, syncDataOfDescriptor] = [promisify(fsync), promisify(fdatasync)];

/** fsync */
export const syncFile = (file: FileHandle): Promise<void> => syncDescriptor(file.fd);

/** fdatasync */
export const syncFileData = (file: FileHandle): Promise<void> => syncDataOfDescriptor(file.fd);

/** Opens a file or folder for reading, and closes it after use. */
export async function withOpenFile<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(systemPath(path), 'r');
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/**
 * Makes a folder and those above it. Node.js's own `recursive` says that a folder does not exist (ENOENT) where it could not be
 * made for another reason, such as a read-only disk, and never ends below /proc.
 */
async function makeFolders(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (cause) {
    const code = systemCode(cause);
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return;
    if (code !== 'ENOENT' || dirname(path) === path) throw cause;
    await makeFolders(dirname(path));
    // Once more, also where another process was faster.
    await mkdir(path).catch(async (again: unknown) => {
      if (systemCode(again) !== 'EEXIST' || !(await stat(path)).isDirectory()) throw again;
    });
  }
}

/** Makes a folder and those above it, where absent. @throws DISK_FULL, IO */
export async function makeFolder(path: string): Promise<void> {
  try {
    await makeFolders(resolve(path));
  } catch (cause) {
    throw writeError(path, cause);
  }
}

async function syncFolder(path: string): Promise<void> {
  // Windows cannot open a folder for fsync; renames are journalled there.
  if (process.platform === 'win32') return;
  await withOpenFile(path, syncFile);
}

async function removeLeftover(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch {
    // The error that brought us here is the one to report.
  }
}

type Fill = (file: FileHandle) => Promise<void>;

async function writeSynced(path: string, fill: Fill): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await fill(file);
    await syncFile(file);
  } finally {
    await file.close();
  }
}

/**
 * Writes a file so that its path holds either what was there before or all of `data`, also after a crash:
 * temporary file in the same folder, fsync, rename, fsync of the folder. The folder is made where absent.
 * @throws DISK_FULL, IO; the temporary file is removed
 */
export async function atomicWriteFile(path: string, data: string | Uint8Array): Promise<void> {
  await atomicWriteWith(path, (file) => file.writeFile(data));
}

/**
 * {@link atomicWriteFile} for what is written piece by piece.
 * @throws DISK_FULL, IO, and the DinoSegErrors of `fill`; the temporary file is removed
 */
export async function atomicWriteWith(path: string, fill: Fill): Promise<void> {
  const folder = dirname(resolve(path));
  const temporary = join(folder, `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await makeFolders(folder);
    await writeSynced(temporary, fill);
    await rename(temporary, path);
    await syncFolder(folder);
  } catch (cause) {
    await removeLeftover(temporary);
    throw writeError(path, cause);
  }
}

/** Writes files into the folder that {@link replaceFolder} is filling. `name` may hold sub-folders. */
export type WriteInto = (name: string, data: string | Uint8Array) => Promise<void>;

async function moveIntoPlace(temporary: string, target: string): Promise<void> {
  const old = `${temporary}.old`;
  let hadOld = true;
  try {
    await rename(target, old);
  } catch (cause) {
    if (systemCode(cause) !== 'ENOENT') throw cause;
    hadOld = false;
  }
  try {
    await rename(temporary, target);
  } catch (cause) {
    if (hadOld) await rename(old, target);
    throw cause;
  }
  if (hadOld) await rm(old, { recursive: true, force: true });
}

/**
 * Fills a temporary folder beside `target` and renames it to `target` when everything is written and synced.
 * What stood at `target` before is replaced then, and stays untouched if anything fails.
 * @throws DISK_FULL, IO, and what `fill` throws; the temporary folder is removed
 */
export async function replaceFolder(
  target: string,
  fill: (write: WriteInto) => Promise<void>,
): Promise<void> {
  const path = resolve(target);
  let temporary: string | undefined;
  try {
    await makeFolders(dirname(path));
    const folder = (temporary = join(
      dirname(path),
      `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`,
    ));
    await mkdir(folder);
    await fill(async (name, data) => {
      const file = join(folder, name);
      try {
        await makeFolders(dirname(file));
        await writeSynced(file, (handle) => handle.writeFile(data));
      } catch (cause) {
        throw writeError(join(path, name), cause);
      }
    });
    await syncFolder(folder);
    await moveIntoPlace(folder, path);
    await syncFolder(dirname(path));
  } catch (cause) {
    if (temporary !== undefined) await removeLeftover(temporary);
    throw systemCode(cause) === '' || cause instanceof DinoSegError ? cause : writeError(target, cause);
  }
}

/** Makes the folder that a file is to be written to, where absent. @throws DISK_FULL, IO */
export async function makeFolderOf(path: string): Promise<void> {
  try {
    await makeFolders(dirname(resolve(path)));
  } catch (cause) {
    throw writeError(path, cause);
  }
}
