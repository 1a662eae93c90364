/** Finds libtorch: the places to search, in order, and why each was refused. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { checkArgument, text } from '../../arguments.js';
import { DinoSegError } from '../../errors.js';

/** Supported series of libtorch. */
export const supportedSeries = ['2.11', '2.12', '2.13', '2.14'];

/** The version that `libtorch install` downloads. */
export const defaultVersion = '2.13.0';

/** Version of a libtorch, as its files state it. */
export interface VersionInfo {
  /** Full version, such as `2.13.0`. */
  version: string;
  /** Major and minor version, such as `2.13`: an engine is built for one series. */
  series: string;
  /** `cpu`, `cu130`, …; undefined if the files do not state it. */
  build?: string;
}

/** A usable libtorch. */
export interface Libtorch extends VersionInfo {
  /** Folder that contains `lib/` and, for source builds, `include/`. */
  root: string;
  /** Whether it contains CUDA libraries. */
  cuda: boolean;
  /** How the folder was found: an option, an environment variable, the cache, … */
  source: string;
}

export interface Candidate {
  source: string;
  path: string;
  /** Why it was refused. */
  reason: string;
}

/** Without HOME, a user whom /etc/passwd lacks (in containers) has none: then `/`, which Docker sets for these. */
function home(): string {
  try {
    return homedir();
  } catch {
    return '/';
  }
}

/** The package's own folder of downloaded libtorches. */
export function cacheFolder(): string {
  const base = process.env['XDG_CACHE_HOME'] || join(home(), '.cache');
  return join(base, 'dinov3-seg', 'libtorch');
}

/** Examines a folder without loading anything. Returns a string that says why it cannot be used. */
export function examine(root: string, source: string): Libtorch | string {
  if (!existsSync(root)) return 'no such folder';
  for (const name of ['libtorch.so', 'libtorch_cpu.so', 'libc10.so'])
    if (!existsSync(join(root, 'lib', name))) return `lib/${name} is missing`;
  const found = describeVersion((name) => {
    const path = join(root, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  });
  if (found === undefined) return 'its version is unknown (no build-version, version.py or headers)';
  if (!supportedSeries.includes(found.series))
    return `version ${found.version} is not supported; expected ${supportedSeries.map((s) => s + '.x').join(', ')}`;
  return { root, ...found, cuda: existsSync(join(root, 'lib', 'libtorch_cuda.so')), source };
}

/** Reads the version from a libtorch's files; `read` returns `''` for a file that does not exist. */
export function describeVersion(read: (name: string) => string): VersionInfo | undefined {
  const [, plain, plainBuild] = /^(\d+\.\d+\.\d+)\S*?(?:\+(\w+))?\s*$/m.exec(read('build-version')) ?? [];
  const python = read('version.py');
  const [, named, namedBuild] = /^__version__ = '(\d+\.\d+\.\d+)[^'+]*(?:\+(\w+))?/m.exec(python) ?? [];
  const cuda = /^cuda\b[^=]*= '(\d+)\.(\d+)/m.exec(python);
  const version = plain ?? named ?? headerVersion(read('include/torch/headeronly/version.h'));
  if (version === undefined) return undefined;
  // A wheel may be of a build of its own (`+cu130`) or, from the main index, say it in another line only.
  const build = plainBuild ?? namedBuild ?? (cuda ? `cu${cuda[1]}${cuda[2]}` : undefined);
  const series = version.split('.').slice(0, 2).join('.');
  return { version, series, ...(build !== undefined && { build }) };
}

function headerVersion(header: string): string | undefined {
  const numbers = ['MAJOR', 'MINOR', 'PATCH'].map(
    (part) => new RegExp(`define TORCH_VERSION_${part} (\\d+)`).exec(header)?.[1],
  );
  return numbers.every((n) => n !== undefined) ? numbers.join('.') : undefined;
}

/**
 * Finds libtorch. The search order is `explicit` (as in `init({libtorch})`), DINOV3_SEG_LIBTORCH, LIBTORCH,
 * LIBTORCH_USE_PYTORCH=1 (asks python3), the package's cache, an active virtualenv or conda environment, /opt/libtorch,
 * /usr/local. If one of the first four is given but cannot be used, that is an error and the search ends.
 *
 * @throws DinoSegError LIBTORCH_NOT_FOUND with every place and why it was refused; LIBTORCH_UNSUPPORTED if an explicit
 *   one cannot be used.
 */
export function findLibtorch(explicit?: string): Libtorch {
  if (explicit !== undefined) checkArgument(explicit, text, 'findLibtorch(explicit)');
  const named = explicitSource(explicit);
  if (named) {
    const found = examine(named.path, named.source);
    if (typeof found !== 'string') return found;
    throw new DinoSegError(
      'LIBTORCH_UNSUPPORTED',
      `${named.source} names ${named.path}, which cannot be used: ${found}. ` +
        'Give the folder that holds lib/libtorch.so, or unset it to search the usual places.',
    );
  }
  const refused: Candidate[] = [];
  for (const [source, path] of usualPlaces()) {
    const found = examine(path, source);
    if (typeof found !== 'string') return found;
    refused.push({ source, path, reason: found });
  }
  const list = refused.map((c) => `  ${c.source}: ${c.path}: ${c.reason}`).join('\n');
  throw new DinoSegError(
    'LIBTORCH_NOT_FOUND',
    `No usable libtorch was found. Looked at:\n${list}\n` +
      'Run `npx dinov3-seg libtorch install`, or set DINOV3_SEG_LIBTORCH to the folder of a libtorch or of ' +
      "Python's torch package.",
  );
}

function explicitSource(explicit?: string): { source: string; path: string } | undefined {
  if (explicit) return { source: 'init({libtorch})', path: explicit };
  for (const source of ['DINOV3_SEG_LIBTORCH', 'LIBTORCH']) {
    const path = process.env[source];
    if (path) return { source, path };
  }
  if (process.env['LIBTORCH_USE_PYTORCH'] === '1')
    return { source: 'LIBTORCH_USE_PYTORCH', path: askPython() };
  return undefined;
}

function askPython(): string {
  // find_spec does not import torch, which would take seconds.
  const program =
    'import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")';
  try {
    const path = execFileSync('python3', ['-c', program], { encoding: 'utf8', stdio: 'pipe' }).trim();
    if (path) return path;
  } catch (cause) {
    throw new DinoSegError('LIBTORCH_NOT_FOUND', 'LIBTORCH_USE_PYTORCH=1 is set, but python3 failed.', {
      cause,
    });
  }
  throw new DinoSegError(
    'LIBTORCH_NOT_FOUND',
    'LIBTORCH_USE_PYTORCH=1 is set, but python3 has no torch package.',
  );
}

function usualPlaces(): [source: string, path: string][] {
  const places: [string, string][] = [];
  const cache = cacheFolder();
  const cached = existsSync(cache)
    ? readdirSync(cache).filter((name) => /^\d+\.\d+\.\d+-\w+$/.test(name))
    : [];
  // Newest first; of one version the CUDA build first.
  cached.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  for (const name of cached) {
    // A CUDA build lies in a folder of its own beside NVIDIA's libraries, which its run paths name.
    const nested = join(cache, name, 'torch');
    places.push(['cache', existsSync(nested) ? nested : join(cache, name)]);
  }
  if (cached.length === 0) places.push(['cache', cache]);
  for (const variable of ['VIRTUAL_ENV', 'CONDA_PREFIX']) {
    const prefix = process.env[variable];
    const lib = prefix ? join(prefix, 'lib') : '';
    if (!existsSync(lib)) continue;
    for (const name of readdirSync(lib).filter((n) => n.startsWith('python3')))
      places.push([variable, join(lib, name, 'site-packages', 'torch')]);
  }
  places.push(
    ['usual place', '/opt/libtorch'],
    ['usual place', '/usr/local/libtorch'],
    ['usual place', '/usr/local'],
  );
  return places;
}
