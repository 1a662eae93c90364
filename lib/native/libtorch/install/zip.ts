/** Zip archives and wheels: the list of files, checked before anything is unpacked. */
import { open as openFile } from 'node:fs/promises';
import yauzl from 'yauzl';
import { DinoSegError } from '../../../errors.js';
import { readError } from '../../../files.js';
import { readText, type Contents, type SourceFile } from './contents.js';

const fileTypeMask = 0o170000;
const symbolicLink = 0o120000;

/** The error for an archive that cannot be trusted or read. */
export function archiveError(origin: string, problem: string, cause?: unknown): DinoSegError {
  return new DinoSegError('ARCHIVE', `${origin} ${problem} Nothing was installed.`, { cause });
}

/**
 * Opens a zip or wheel. Names that are absolute or hold `..` or a backslash, symbolic links, encrypted files and names that
 * occur twice are refused, wanted or not: an archive that has them was not made by the usual tools.
 *
 * @throws DinoSegError ARCHIVE for what is no zip, cut off or refused; FILE_NOT_FOUND, IO
 */
export async function openZip(path: string, origin: string): Promise<Contents> {
  await checkStart(path, origin);
  let zip: yauzl.ZipFile;
  try {
    zip = await yauzl.openPromise(path, { autoClose: false, strictFileNames: true });
  } catch (cause) {
    throw archiveError(
      origin,
      `is cut off or damaged: ${(cause as Error).message.replace(/\.$/, '')}.`,
      cause,
    );
  }
  try {
    const files = await listFiles(zip, origin);
    const contents = { origin, files, recorded: false, close: () => zip.close() };
    contents.recorded = await applyRecord(contents);
    return contents;
  } catch (error) {
    zip.close();
    throw error instanceof DinoSegError
      ? error
      : archiveError(origin, `is damaged: ${(error as Error).message}.`, error);
  }
}

async function checkStart(path: string, origin: string): Promise<void> {
  let start: Buffer;
  try {
    await using file = await openFile(path);
    start = (await file.read(Buffer.alloc(4), 0, 4, 0)).buffer;
  } catch (cause) {
    throw readError(path, cause);
  }
  if (start.readUInt32LE() !== 0x04034b50)
    throw archiveError(origin, 'is not a zip archive. Expected a torch wheel (.whl) or a libtorch zip.');
}

async function listFiles(zip: yauzl.ZipFile, origin: string): Promise<Map<string, SourceFile>> {
  const files = new Map<string, SourceFile>();
  for await (const entry of zip.eachEntry()) {
    const { fileName, uncompressedSize, crc32, externalFileAttributes } = entry;
    if (((externalFileAttributes >>> 16) & fileTypeMask) === symbolicLink)
      throw archiveError(origin, `contains a symbolic link, ${fileName}, which is not allowed.`);
    if (fileName.endsWith('/')) continue;
    if (files.has(fileName)) throw archiveError(origin, `holds ${fileName} twice.`);
    if (entry.isEncrypted()) throw archiveError(origin, `contains an encrypted file, ${fileName}.`);
    const open = () => zip.openReadStreamPromise(entry);
    files.set(fileName, { sizeBytes: uncompressedSize, crc32, open });
  }
  return files;
}

/** Takes over the hashes of a wheel's RECORD; false where there is none. */
async function applyRecord(contents: Contents): Promise<boolean> {
  const records = [...contents.files.keys()].filter((name) => /^[^/]+\.dist-info\/RECORD$/.test(name));
  if (records.length > 1) throw archiveError(contents.origin, 'contains more than one RECORD.');
  if (records[0] === undefined) return false;
  for (const line of (await readText(contents, records[0])).split('\n')) {
    // Names with a comma are in quotes; those of torch have none.
    const [, quoted, plain, sha256] = /^(?:"(.*)"|([^,]*)),sha256=([\w-]+),\d*\r?$/.exec(line) ?? [];
    const file = contents.files.get(quoted?.replaceAll('""', '"') ?? plain ?? '');
    if (file && sha256) file.sha256 = sha256;
  }
  return true;
}
