/** The control groups of this process on Linux: the limits of containers, of services and of batch systems. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Returns the text of a file; `''` if it cannot be read. */
export type ReadText = (path: string) => string;

export function readTextOrNone(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/**
 * Folders of the process's own control group and of the groups above it, innermost first, in version 1 (where the
 * controller is mounted) and version 2. The limit of each of them applies to the process.
 *
 * @param controller `cpu` or `memory`
 */
export function controlGroupFolders(controller: string, read: ReadText = readTextOrNone): string[] {
  const own = new Map<string, string>();
  for (const line of read('/proc/self/cgroup').split('\n')) {
    const [, controllers = '', path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path !== undefined) for (const name of controllers.split(',')) own.set(name, path);
  }
  return mounts(read).flatMap(({ type, options, root, point }) => {
    const path =
      type === 'cgroup2' ? own.get('') : options.includes(controller) ? own.get(controller) : undefined;
    return path === undefined ? [] : upwards(point, below(root, path));
  });
}

interface Mount {
  type: string;
  options: string[];
  /** The folder of the file system that is mounted. */
  root: string;
  point: string;
}

function mounts(read: ReadText): Mount[] {
  const pattern = /^\d+ \d+ \S+ (\S+) (\S+) .*? - (cgroup2?) \S+ (\S+)$/gm;
  return [...read('/proc/self/mountinfo').matchAll(pattern)].map(([, root, point, type, options]) => ({
    type: type!,
    options: options!.split(','),
    root: unescaped(root!),
    point: unescaped(point!),
  }));
}

/** The kernel writes blanks in paths as `\040`. */
function unescaped(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}

/** A container sees its own group's folder as the top where that alone is mounted, whatever the host calls it. */
function below(root: string, path: string): string {
  if (root === '/') return path;
  return path === root || path.startsWith(`${root}/`) ? path.slice(root.length) : '';
}

function upwards(point: string, path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '' && part !== '..');
  return Array.from({ length: parts.length + 1 }, (_, up) =>
    join(point, ...parts.slice(0, parts.length - up)),
  );
}
