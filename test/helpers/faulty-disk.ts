/** A disk that fails at chosen calls: faulty-disk.c, compiled once in a process and preloaded into commands. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProgram, type Started } from './command-line.js';

const folder = join(import.meta.dirname, 'faulty-disk');

let library: string | Error | undefined;

function compiled(): string | Error {
  const aside = mkdtempSync(join(tmpdir(), 'dinov3-seg-faulty-disk-'));
  process.on('exit', () => rmSync(aside, { recursive: true, force: true }));
  const path = join(aside, 'faulty-disk.so');
  const flags = ['-shared', '-fPIC', '-O1', '-Wall', '-Werror', '-pthread'];
  try {
    execFileSync('cc', [...flags, '-o', path, join(folder, 'faulty-disk.c'), '-ldl'], { stdio: 'pipe' });
    return path;
  } catch (error) {
    // A machine without a compiler skips the tests; a fault of the library does not.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return error as Error;
    throw error;
  }
}

/** The `skip` option: false where the library can be made, else the reason. */
export const skipWithoutCompiler = (): false | string =>
  (library ??= compiled()) instanceof Error ? 'needs a C compiler (cc) to make faulty-disk.so' : false;

/** What the first lines of faulty-disk.c describe. */
export interface Fault {
  fault?: string;
  log?: string;
}

/** Starts a script with its arguments on such a disk. */
export function startOnFaultyDisk(script: string, args: string[], { fault, log }: Fault = {}): Started {
  library ??= compiled();
  if (library instanceof Error) throw library;
  return startProgram(process.execPath, [script, ...args], {
    // After what is preloaded already: a sanitizer must come first.
    LD_PRELOAD: [process.env['LD_PRELOAD'], library].filter(Boolean).join(':'),
    ...(fault !== undefined && { FAULTY_DISK: fault }),
    ...(log !== undefined && { FAULTY_DISK_LOG: log }),
  });
}

/** Path of a script beside the library. */
export const faultyDiskScript = (name: string): string => join(folder, name);
