import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readError } from '../files.js';

/**
 * Paths of files from the folder on, with `/`, sorted by their bytes, without what begins with a dot. Links to folders are
 * followed, but not in a circle.
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
    for (const entry of await readdir(path, { withFileTypes: true })) {
      if (entry.name.startsWith('.')) continue;
      const below = join(path, entry.name);
      // What a dangling link stands for shows when it is read.
      const target = entry.isSymbolicLink() ? await stat(below).catch(() => entry) : entry;
      if (!target.isDirectory()) {
        if (wanted(entry.name)) names.push(prefix + entry.name);
      } else if (left > 1) await walk(below, `${prefix}${entry.name}/`, left - 1);
    }
    open.delete(key);
  }
  try {
    await walk(folder, '', depth);
  } catch (cause) {
    throw readError(folder, cause);
  }
  return sortedByBytes(names);
}

function sortedByBytes(names: readonly string[]): string[] {
  return names
    .map((name) => [name, Buffer.from(name)] as const)
    .sort(([, a], [, b]) => Buffer.compare(a, b))
    .map(([name]) => name);
}
