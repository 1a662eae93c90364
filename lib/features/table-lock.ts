/**
 * Only one process at a time writes a table. Each process leaves a file that identifies it and looks for the files
 * of others. Of two at once both may withdraw, but never both continue. Files of killed processes do not count.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { DinoSegError } from '../errors.js';
import { atomicWriteFile, writeError } from '../files.js';

interface Holder {
  host: string;
  pid: number;
  /** When the process began, in the system's ticks, since process numbers are reused. Empty if unknown. */
  began: string;
}

const claimPattern = /^claim-[0-9a-f]{16}$/;
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
    return cause instanceof Error && 'code' in cause && cause.code === 'EPERM';
  }
  return beganOf(pid) === began;
}

/** The exclusive right to write to a folder, until it is disposed of. */
export class TableLock implements AsyncDisposable {
  readonly #renewal: NodeJS.Timeout;

  private constructor(private readonly path: string) {
    // A failed renewal shows in the writes themselves.
    this.#renewal = setInterval(() => void this.#renew().catch(() => {}), renewMilliseconds).unref();
  }

  /** @throws DinoSegError TABLE while another process holds it; DISK_FULL, IO */
  static async take(folder: string, what: string): Promise<TableLock> {
    try {
      await mkdir(folder, { recursive: true });
    } catch (cause) {
      throw writeError(folder, cause);
    }
    const path = join(folder, `claim-${randomBytes(8).toString('hex')}`);
    const holder: Holder = { host: hostname(), pid: process.pid, began: beganOf(process.pid) };
    await atomicWriteFile(path, JSON.stringify(holder));
    const lock = new TableLock(path);
    try {
      await refuseOthers(folder, path, holder.host, what);
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
    await rm(this.path, { force: true });
    // A folder that holds nothing else was made for the claim.
    await rmdir(dirname(this.path)).catch(() => {});
  }
}

async function refuseOthers(folder: string, path: string, host: string, what: string): Promise<void> {
  // The folder's own clock, which another host has in common with this one.
  const now = (await stat(path)).mtimeMs;
  for (const name of await readdir(folder)) {
    const other = join(folder, name);
    if (!claimPattern.test(name) || other === path) continue;
    const found = await readHolder(other);
    if (!found) continue;
    const local = found.host === host;
    const live = local ? isRunning(found) : now - found.renewed < goneMilliseconds;
    if (live)
      throw new DinoSegError(
        'TABLE',
        `${what} is being written by process ${found.pid} on ${found.host}. Wait for it or stop it` +
          (local ? '.' : `. If it no longer runs, wait two minutes, or remove ${other}.`),
      );
    await rm(other, { force: true });
  }
}

/** Undefined if it has gone meanwhile. */
async function readHolder(path: string): Promise<(Holder & { renewed: number }) | undefined> {
  try {
    const { mtimeMs: renewed } = await stat(path);
    return { ...(JSON.parse(await readFile(path, 'utf8')) as Holder), renewed };
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new DinoSegError(
      'TABLE',
      `${path}, which names the process that writes the table, cannot be read. If there is no such process, remove it.`,
      { cause },
    );
  }
}
