/** What the folders of predictions are called. */
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path';

/**
 * A name for each path, no two alike (case aside): the file's without extension; where several files share one,
 * with their folders below the common one before it; where that is not enough, with the extension.
 */
export function outputNames(paths: readonly string[]): string[] {
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
  const names = new Array<string>(full.length);
  const taken = new Set<string>();
  let open = full.map((_, i) => i);
  for (const candidate of candidates) {
    const counts = new Map<string, number>();
    for (const i of open) {
      const key = candidate(full[i]!).toLowerCase();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    open = open.filter((i) => {
      const name = candidate(full[i]!);
      if (counts.get(name.toLowerCase()) !== 1 || taken.has(name.toLowerCase())) return true;
      taken.add(name.toLowerCase());
      names[i] = name;
      return false;
    });
  }
  // Folders such as a_b/c and a/b_c may still make one name.
  for (const i of open) names[i] = `${i}_${stem(full[i]!)}`;
  return names;
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
