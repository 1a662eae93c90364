/** The one walk over folders: of images, label images and annotations. */
import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readError } from '../files.js';
import { pathOfBytes, systemPath } from '../system-path.js';

/** Something in a folder that is not a folder. */
export interface FoundFile {
  /** Path from the folder of the walk on, with `/`. */
  readonly name: string;
  /** Identifies the file: its path without links. Undefined for a link that leads nowhere. */
  readonly real: string | undefined;
  /** False for pipes, sockets and devices. */
  readonly isRegular: boolean;
}

/** How {@link walk} walks. */
export interface WalkOptions {
  /** 1: the folder's own files. Default: all. */
  depth?: number;
  /** Asks for a file by its path from the folder on. Default: all. */
  wanted?: (name: string) => boolean;
  /**
   * Whether a folder that several links lead to is walked once. Default: at each of its paths, but not in a circle, and what links in
   * linked folders lead to once for each link of the folder itself: folders of links to each other have more paths than can be listed.
   */
  once?: boolean;
}

interface Link {
  path: string;
  name: string;
  left: number;
  /** Real folders that were walked behind a link; undefined in front of all links. */
  behind: Set<string> | undefined;
}

/** Where a link leads; undefined for nowhere. */
type Target = { real: string; isFolder: boolean; isRegular: boolean } | undefined;

/** Number of links that are looked up at a time. */
const linksAtATime = 64;

/**
 * What lies below a folder, without what begins with a dot. Links are followed, after everything that is no link.
 *
 * @throws DinoSegError FILE_NOT_FOUND, IO
 */
export async function walk(
  folder: string,
  { depth = Infinity, once = false, wanted = () => true }: WalkOptions = {},
): Promise<FoundFile[]> {
  const found: FoundFile[] = [];
  // Real folders that are walked, or those of this branch.
  const seen = new Set<string>();
  const links: Link[] = [];

  async function enter(
    path: string,
    real: string,
    { prefix, left, behind }: { prefix: string; left: number; behind?: Set<string> | undefined },
  ): Promise<void> {
    if (seen.has(real) || behind?.has(real)) return;
    seen.add(real);
    behind?.add(real);
    const entries = await readdir(systemPath(path), { withFileTypes: true, encoding: 'buffer' });
    const below: Link[] = [];
    for (const entry of entries) {
      const own = pathOfBytes(entry.name);
      if (own.startsWith('.')) continue;
      const [inside, name] = [join(path, own), prefix + own];
      const mayBeFolder = left > 1 && (entry.isDirectory() || entry.isSymbolicLink());
      if (!mayBeFolder && !wanted(name)) continue;
      if (entry.isSymbolicLink()) below.push({ path: inside, name, left, behind });
      else if (!entry.isDirectory()) found.push({ name, real: join(real, own), isRegular: entry.isFile() });
      else if (left > 1) await enter(inside, join(real, own), { prefix: `${name}/`, left: left - 1, behind });
    }
    if (once) links.push(...below);
    else await followAll(below);
    if (!once) seen.delete(real);
  }

  async function followAll(some: Link[]): Promise<void> {
    some.sort((a, b) => compareNames(a.name, b.name));
    for (let first = 0; first < some.length; first += linksAtATime) {
      const group = some.slice(first, first + linksAtATime);
      const targets = await Promise.all(group.map(({ path }) => targetOf(path)));
      for (const [i, link] of group.entries()) await follow(link, targets[i]);
    }
  }

  async function follow({ path, name, left, behind }: Link, target: Target): Promise<void> {
    const { real, isFolder = false, isRegular = true } = target ?? {};
    if (isFolder) {
      const own = behind ?? new Set();
      if (left > 1) await enter(path, real!, { prefix: `${name}/`, left: left - 1, behind: own });
    } else if (wanted(name)) found.push({ name, real, isRegular });
  }

  try {
    await enter(folder, await realPath(folder), { prefix: '', left: depth });
    while (links.length > 0) await followAll(links.splice(0));
  } catch (cause) {
    throw readError(folder, cause);
  }
  return found;
}

async function targetOf(path: string): Promise<Target> {
  try {
    const [found, real] = await Promise.all([stat(systemPath(path)), realPath(path)]);
    return { real, isFolder: found.isDirectory(), isRegular: found.isFile() };
  } catch {
    // What a link stands for that leads nowhere shows when it is read.
    return undefined;
  }
}

/** The path of a file or folder without links. */
export async function realPath(path: string): Promise<string> {
  return pathOfBytes(await realpath(systemPath(path), { encoding: 'buffer' }));
}

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
  const byName = (path: string) => wanted(path.slice(path.lastIndexOf('/') + 1));
  const found = await walk(folder, { depth, wanted: byName });
  return found.map(({ name }) => name).sort(compareNames);
}

const surrogate = /[\ud800-\udfff]/;

/** The order of the bytes in UTF-8: the same on every machine. JavaScript's own differs for characters of two units. */
export function compareNames(a: string, b: string): number {
  if (surrogate.test(a) || surrogate.test(b))
    return Buffer.compare(Buffer.from(systemPath(a)), Buffer.from(systemPath(b)));
  return a < b ? -1 : a > b ? 1 : 0;
}

/** {@link filesBelow} of all files but pipes, sockets and devices. */
export async function regularFilesBelow(folder: string, depth = Infinity): Promise<string[]> {
  const found = (await walk(folder, { depth })).filter(({ isRegular }) => isRegular);
  return found.map(({ name }) => name).sort(compareNames);
}
