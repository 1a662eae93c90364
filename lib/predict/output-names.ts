/** What the folders of predictions are called. */
import { createHash } from 'node:crypto';
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path';
import { shownPath } from '../system-path.js';

/**
 * A name for each path, no two alike (case aside): the file's without extension; where several files share one,
 * with their folders below the common one before it; where that is not enough, with the extension. What is too long for the
 * name of a folder is cut, and a part of its hash is added.
 *
 * @param given names that paths have already: `of` a path its own, and `taken`, in lower case, by other files than these.
 */
export function outputNames(
  paths: readonly string[],
  given: { of: (path: string) => string | undefined; taken: ReadonlySet<string> } = noNames,
): string[] {
  const full = paths.map((path) => resolve(path));
  const stem = (path: string) => basename(path, extname(path));
  const root = commonFolder(full);
  const withFolders = (path: string) => relative(root, path).split(sep).join('_');
  const candidates = [
    stem,
    (path: string) => withFolders(join(dirname(path), stem(path))),
    withFolders,
    (path: string) => path.split(sep).filter(Boolean).join('_'),
  ];
  const names = full.map(given.of);
  const taken = new Set(given.taken);
  for (const name of names) if (name !== undefined) taken.add(name.toLowerCase());
  let open = [...full.keys()].filter((i) => names[i] === undefined);
  for (const candidate of candidates) {
    const counts = new Map<string, number>();
    const named = (path: string) => shortened(shownPath(candidate(path)));
    for (const i of open) {
      const key = named(full[i]!).toLowerCase();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    open = open.filter((i) => {
      const name = named(full[i]!);
      if (counts.get(name.toLowerCase()) !== 1 || taken.has(name.toLowerCase())) return true;
      taken.add(name.toLowerCase());
      names[i] = name;
      return false;
    });
  }
  // Folders such as a_b/c and a/b_c may still make one name.
  for (const i of open) names[i] = shortened(`${shownPath(stem(full[i]!))}_${hashOf(full[i]!)}`);
  return names as string[];
}

const noNames = { of: () => undefined, taken: new Set<string>() };

/** Bytes of a name: with what is put around it while a folder is written, file systems take 255. */
const longestName = 200;

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

function shortened(name: string): string {
  const bytes = Buffer.from(name);
  if (bytes.length <= longestName) return name;
  // A character that is cut in its middle is left out.
  const start = new TextDecoder().decode(bytes.subarray(0, longestName - 13)).replace(/\uFFFD+$/u, '');
  return `${start}-${hashOf(name)}`;
}

function commonFolder(paths: readonly string[]): string {
  let common = dirname(paths[0] ?? '.').split(sep);
  for (const path of paths) {
    const parts = dirname(path).split(sep);
    const length = common.findIndex((part, i) => part !== parts[i]);
    if (length >= 0) common = common.slice(0, length);
  }
  return common.join(sep) || sep;
}
