/** The one walk over folders: of images, label images and annotations. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readError } from '../files.js';

/**
 * Paths of files from the folder on, with `/`, sorted by {@link compareNames}, without what begins with a dot. Links to
 * folders are followed, but not in a circle.
 *
 * @param wanted asks by a file's name.
 * @param depth 1: the folder's own files.
 * @throws DinoSegError FILE_NOT_FOUND, IO
 */
export async function filesBelow(
  folder: string,
  wanted: (name: string) => boolean,
  depth = Infinity,
): Promise<string[]> {
  const names: string[] = [];
  const open = new Set<string>();
  async function walk(path: string, prefix: string, left: number): Promise<void> {
    const { dev, ino } = await stat(path, { bigint: true });
    const key = `${dev} ${ino}`;
    if (open.has(key)) return;
    open.add(key);
    const entries = await readdir(path, { withFileTypes: true });
    const visible = entries.filter(({ name }) => !name.startsWith('.'));
    const targets = await Promise.all(
      // What a dangling link stands for shows when it is read.
      visible.map((entry) =>
        entry.isSymbolicLink() ? stat(join(path, entry.name)).catch(() => entry) : entry,
      ),
    );
    for (const [i, { name }] of visible.entries()) {
      if (!targets[i]!.isDirectory()) {
        if (wanted(name)) names.push(prefix + name);
      } else if (left > 1) await walk(join(path, name), `${prefix}${name}/`, left - 1);
    }
    open.delete(key);
  }
  try {
    await walk(folder, '', depth);
  } catch (cause) {
    throw readError(folder, cause);
  }
  return names.sort(compareNames);
}

const surrogate = /[\ud800-\udfff]/;

/** The order of the bytes in UTF-8: the same on every machine. JavaScript's own differs for characters of two units. */
export function compareNames(a: string, b: string): number {
  if (surrogate.test(a) || surrogate.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : a > b ? 1 : 0;
}
