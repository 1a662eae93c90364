/** The cache of libtorches: what is whole in it, work in progress beside it, and how the one becomes the other. */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { atomicWriteFile, makeFolder, readText, syncFile, withOpenFile, writeError } from '../../../files.js';
import { parsedAs, wholeNumber, type Schema } from '../../../schema.js';

/** What was installed: written last, so that a folder with it was whole once. */
export interface Manifest {
  version: string;
  build: string;
  /** SHA-256 of the archive it came from, where there was one and it was computed. */
  sha256?: string;
  /** Path below the folder → size in bytes. */
  files: Record<string, number>;
}

const manifestSchema = v.object({
  version: v.string(),
  build: v.string(),
  sha256: v.exactOptional(v.string()),
  files: v.record(v.string(), wholeNumber),
}) satisfies Schema<Manifest>;

const manifestName = 'install.json';

export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  await atomicWriteFile(join(folder, manifestName), `${JSON.stringify(manifest)}\n`);
}

/** The manifest of a folder of which every file is there at its size; undefined for any other. */
export async function wholeInstall(folder: string): Promise<Manifest | undefined> {
  try {
    const manifest = parsedAs(manifestSchema, await readText(join(folder, manifestName)));
    if (!manifest) return undefined;
    for (const [name, sizeBytes] of Object.entries(manifest.files))
      if ((await stat(join(folder, name))).size !== sizeBytes) return undefined;
    return manifest;
  } catch {
    // Absent, unreadable or half of it gone: all of these are not whole, and are replaced.
    return undefined;
  }
}

/** Whole installs of the cache by folder. */
export async function wholeInstalls(cache: string): Promise<Map<string, Manifest>> {
  const found = new Map<string, Manifest>();
  for (const name of existsSync(cache) ? await readdir(cache) : []) {
    const manifest = name.startsWith('.') ? undefined : await wholeInstall(join(cache, name));
    if (manifest) found.set(join(cache, name), manifest);
  }
  return found;
}

const scratchPattern = /^\.incoming-([\da-f]{8})-(\d+)-/;
const host = () => createHash('sha256').update(hostname()).digest('hex').slice(0, 8);
const abandonedMilliseconds = 24 * 3600 * 1000;

/** A folder for work in progress, on the cache's disk; its name says whose it is. */
export async function makeScratch(cache: string): Promise<string> {
  const folder = join(cache, `.incoming-${host()}-${process.pid}-${randomBytes(4).toString('hex')}`);
  try {
    await makeFolder(cache);
    await mkdir(folder);
  } catch (cause) {
    throw writeError(folder, cause);
  }
  return folder;
}

export async function removeScratch(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** Removes what processes left that are no more; those of another host (a shared home) after a day. */
export async function sweepScratch(cache: string): Promise<void> {
  for (const name of existsSync(cache) ? await readdir(cache) : []) {
    const [, owner, pid] = scratchPattern.exec(name) ?? [];
    if (pid === undefined) continue;
    const path = join(cache, name);
    if ((owner === host() && !isAlive(Number(pid))) || (await isAbandoned(path))) await removeScratch(path);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function isAbandoned(path: string): Promise<boolean> {
  const time = await stat(path).catch(() => undefined);
  return time !== undefined && Date.now() - time.mtimeMs > abandonedMilliseconds;
}

/**
 * Renames a finished folder to its place. What stands there is kept where it is whole and `replace` is false (another
 * process was first), else it gives way.
 *
 * @returns whether this folder is now in its place.
 */
export async function place(
  scratch: string,
  folder: string,
  target: string,
  replace: boolean,
): Promise<boolean> {
  for (let attempt = 0; ; attempt++) {
    if (!replace && (await wholeInstall(target))) return false;
    const old = join(scratch, `old-${attempt}`);
    const hadOld = await moveIfThere(target, old);
    try {
      await rename(folder, target);
      await syncFolder(join(target, '..'));
      return true;
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      // Another process put its own there between the two renames.
      if ((code === 'ENOTEMPTY' || code === 'EEXIST') && attempt < 10) continue;
      if (hadOld) await moveIfThere(old, target);
      throw writeError(target, cause);
    }
  }
}

async function moveIfThere(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw writeError(from, cause);
  }
}

async function syncFolder(path: string): Promise<void> {
  await withOpenFile(path, syncFile);
}
