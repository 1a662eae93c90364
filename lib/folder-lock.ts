/**
 * Only one process at a time writes to a folder that commands continue: of a table, a run or a cache. Each process leaves a file
 * that identifies it and looks for the files of others. Of two at once both may withdraw, but never both continue. Files of
 * killed processes do not count.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readdir, readFile, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { DinoSegError, type ErrorCode } from './errors.js';
import { atomicWriteFile, makeFolder, readText, systemCode } from './files.js';
import { naturalNumber, parseAs, type Schema } from './schema.js';

interface Holder {
  host: string;
  pid: number;
  /** When the process began, in the system's ticks, since process numbers are reused. Empty if unknown. */
  began: string;
}

const holderSchema = v.object({
  host: v.string(),
  pid: naturalNumber,
  began: v.string(),
}) satisfies Schema<Holder>;
const mostHolderBytes = 4096;

const claimPattern = /^claim-[0-9a-f]{16}$/;

/** Whether a file's name is that of a lock. */
export const isLockFile = (name: string): boolean => claimPattern.test(name);

/** Files of locks of this process that could not be removed. */
const released = new Set<string>();

const renewMilliseconds = 15_000;
/** After this time without renewal, the process of another host counts as ended. */
const goneMilliseconds = 120_000;

function beganOf(pid: number): string {
  try {
    // The second field is a name in brackets that may hold anything; the time is the 22nd.
    return (
      readFileSync(`/proc/${pid}/stat`, 'latin1')
        .replace(/^.*\) /s, '')
        .split(' ')[19] ?? ''
    );
  } catch {
    return '';
  }
}

function isRunning({ pid, began }: Holder): boolean {
  try {
    process.kill(pid, 0);
  } catch (cause) {
    return systemCode(cause) === 'EPERM';
  }
  return beganOf(pid) === began;
}

/** The exclusive right to write to a folder, until it is disposed of. */
export class FolderLock implements AsyncDisposable {
  readonly #renewal: NodeJS.Timeout;

  private constructor(private readonly path: string) {
    // A failed renewal shows in the writes themselves.
    this.#renewal = setInterval(() => void this.#renew().catch(() => {}), renewMilliseconds).unref();
  }

  /**
   * @param what is written, for the message.
   * @param code of the error if another process holds the lock.
   * @throws DinoSegError `code`, with the process; DISK_FULL, IO
   */
  static async take(folder: string, what: string, code: ErrorCode): Promise<FolderLock> {
    await makeFolder(folder);
    const path = join(folder, `claim-${randomBytes(8).toString('hex')}`);
    const holder: Holder = { host: hostname(), pid: process.pid, began: beganOf(process.pid) };
    await atomicWriteFile(path, JSON.stringify(holder));
    const lock = new FolderLock(path);
    try {
      await refuseOthers(folder, path, holder.host, what, code);
      return lock;
    } catch (error) {
      await lock[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #renew(): Promise<void> {
    await writeFile(this.path, await readFile(this.path), { flag: 'r+' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#renewal);
    // What was written stands; who continues it after this process looks whether it still runs.
    await rm(this.path, { force: true }).catch(() => released.add(this.path));
    // A folder that holds nothing else was made for the claim.
    await rmdir(dirname(this.path)).catch(() => {});
  }
}

async function refuseOthers(
  folder: string,
  path: string,
  host: string,
  what: string,
  code: ErrorCode,
): Promise<void> {
  // The folder's own clock, which another host has in common with this one.
  const now = (await stat(path)).mtimeMs;
  for (const name of await readdir(folder)) {
    const other = join(folder, name);
    if (!isLockFile(name) || other === path) continue;
    const found = await readHolder(other, code);
    if (!found) continue;
    const local = found.host === host;
    const live = released.has(other)
      ? false
      : local
        ? isRunning(found)
        : now - found.renewed < goneMilliseconds;
    if (live)
      throw new DinoSegError(
        code,
        `${what} is being written by process ${found.pid} on ${found.host}. Wait for it or stop it` +
          (local ? '.' : `. If it no longer runs, wait two minutes, or remove ${other}.`),
      );
    await rm(other, { force: true });
    released.delete(other);
  }
}

/** Undefined if it has gone meanwhile. */
async function readHolder(
  path: string,
  code: ErrorCode,
): Promise<(Holder & { renewed: number }) | undefined> {
  try {
    const { mtimeMs: renewed } = await stat(path);
    const refuse = (what: string) => new DinoSegError(code, what);
    return { ...parseAs(holderSchema, await readText(path, mostHolderBytes), refuse), renewed };
  } catch (cause) {
    if (systemCode(cause instanceof DinoSegError ? cause.cause : cause) === 'ENOENT') return undefined;
    throw new DinoSegError(
      code,
      `${path}, which names the process that writes to the folder, cannot be read. If there is no such process, remove it.`,
      { cause },
    );
  }
}
