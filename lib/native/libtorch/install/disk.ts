/** Free space on a disk. */
import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DinoSegError } from '../../../errors.js';

/** Bytes that an ordinary user can still write where `path` is or will be. */
export async function freeBytesAt(path: string): Promise<number> {
  let existing = path;
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  const { bavail, bsize } = await statfs(existing);
  return bavail * bsize;
}

const mebibyte = 1024 ** 2;
const slackBytes = 16 * mebibyte;

/** @throws DinoSegError DISK_FULL where fewer bytes are free than are needed, with some left */
export async function requireSpace(path: string, neededBytes: number): Promise<void> {
  const freeBytes = await freeBytesAt(path);
  if (freeBytes >= neededBytes + slackBytes) return;
  const mib = (bytes: number) => `${Math.ceil(bytes / mebibyte).toLocaleString('en')} MiB`;
  throw new DinoSegError(
    'DISK_FULL',
    `libtorch needs ${mib(neededBytes + slackBytes)} in ${dirname(path)}, which has ${mib(freeBytes)} free. ` +
      'Free some space, or set XDG_CACHE_HOME to a folder on another disk.',
  );
}
