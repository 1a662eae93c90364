/** Wheels by python3's pip, which knows the indexes, proxies and certificates of the machine. */
import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DinoSegError } from '../../../errors.js';
import { makeFolder } from '../../../files.js';

export interface PipOptions {
  /** Where the wheels go; an empty or new folder. */
  folder: string;
  /** For pip's temporary files, on the same disk. */
  scratch: string;
  /** A folder of wheels that is looked at as well. */
  findLinks?: string | undefined;
  /** Whether what they depend on is fetched too. */
  dependencies: boolean;
  signal?: AbortSignal | undefined;
  onLine?: (line: string) => void;
}

/**
 * Downloads wheels.
 *
 * @returns their paths.
 * @throws DinoSegError DOWNLOAD where python3 or pip is missing, or pip finds no such wheel; the signal's reason
 */
export async function pipDownload(requirements: string[], options: PipOptions): Promise<string[]> {
  const { folder, scratch, findLinks, dependencies, signal, onLine } = options;
  await makeFolder(folder);
  const arguments_ = [
    ...['-m', 'pip', 'download', '--only-binary=:all:', '--progress-bar=off', '--no-cache-dir'],
    ...['--disable-pip-version-check', '--no-input', '--dest', folder],
    ...(dependencies ? [] : ['--no-deps']),
    ...(findLinks === undefined ? [] : ['--find-links', findLinks]),
    ...requirements,
  ];
  const { end, output } = await run('python3', arguments_, { TMPDIR: scratch }, signal, onLine);
  signal?.throwIfAborted();
  if (end !== undefined)
    throw new DinoSegError(
      'DOWNLOAD',
      `pip could not download ${requirements.join(', ')} (${end}).\n` +
        `${output.trim().split('\n').slice(-5).join('\n')}\n` +
        'Install python3 with pip (Debian, Ubuntu: apt-get install python3-pip), give a file with --from, or set ' +
        'DINOV3_SEG_LIBTORCH to an existing libtorch.',
    );
  const names = await readdir(folder);
  return names.filter((name) => name.endsWith('.whl')).map((name) => join(folder, name));
}

/** `end` is undefined when all went well, else how it ended. */
function run(
  command: string,
  arguments_: string[],
  env: Record<string, string>,
  signal: AbortSignal | undefined,
  onLine: ((line: string) => void) | undefined,
): Promise<{ end: string | undefined; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, arguments_, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const stop = () => child.kill();
    if (signal?.aborted) stop();
    signal?.addEventListener('abort', stop);
    let output = '';
    const read = (text: string) => {
      output += text;
      for (const line of text.split('\n')) if (line.trim() !== '') onLine?.(line.trim());
    };
    child.stdout.setEncoding('utf8').on('data', read);
    child.stderr.setEncoding('utf8').on('data', read);
    const ended = (end: string | undefined) => {
      signal?.removeEventListener('abort', stop);
      resolve({ end, output });
    };
    child.on('error', (error) => ended(error.message));
    child.on('close', (code, killedBy) => ended(code === 0 ? undefined : (killedBy ?? `exit code ${code}`)));
  });
}
