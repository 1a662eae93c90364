/** Fetches libtorch into the package's cache: pip's torch wheel, of which only libraries and headers are kept. */
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import yauzl from 'yauzl';
import { DinoSegError } from '../errors.js';
import { cacheFolder, defaultVersion, examine } from './libtorch.js';

export interface InstallProgress {
  phase: 'download' | 'unpack';
  /** A line for people. */
  message: string;
}

/** Python's own module, tools and tests are left in the wheel. */
const wanted = /^torch\/(lib\/(?!libtorch_python|.*test).*\.so[.\d]*|include\/.*|version\.py)$/;

/**
 * Downloads torch's wheel with pip and unpacks it to `<cache>/<version>-<cpu|cuda>`; an earlier one of the same name
 * is replaced at the end in one step.
 *
 * @returns the folder.
 * @throws DinoSegError LIBTORCH_NOT_FOUND when pip is missing or finds no wheel, LIBTORCH_UNSUPPORTED when the wheel
 *   holds no usable libtorch, DISK_FULL or IO from writing.
 */
export async function installLibtorch(
  options: { version?: string; onProgress?: (progress: InstallProgress) => void } = {},
): Promise<string> {
  const version = options.version ?? defaultVersion;
  const report = options.onProgress ?? (() => {});
  const cache = cacheFolder();
  await mkdir(cache, { recursive: true });
  const scratch = await mkdtemp(join(cache, '.incoming-'));
  try {
    report({ phase: 'download', message: `downloading torch ${version} with pip` });
    const wheel = await downloadWheel(version, scratch);
    report({ phase: 'unpack', message: `unpacking ${wheel}` });
    await unpack(join(scratch, wheel), join(scratch, 'unpacked'));
    const unpacked = join(scratch, 'unpacked', 'torch');
    const found = examine(unpacked, 'wheel');
    if (typeof found === 'string')
      throw new DinoSegError('LIBTORCH_UNSUPPORTED', `${wheel} cannot be used: ${found}.`);
    const target = join(cache, `${found.version}-${found.cuda ? 'cuda' : 'cpu'}`);
    await rm(target, { recursive: true, force: true });
    await rename(unpacked, target);
    return target;
  } catch (error) {
    throw asDinoSegError(error);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function downloadWheel(version: string, folder: string): Promise<string> {
  const pip = [
    '-m',
    'pip',
    'download',
    '--no-deps',
    '--only-binary=:all:',
    '--dest',
    folder,
    `torch==${version}`,
  ];
  const { code, output } = await run('python3', pip);
  if (code !== 0)
    throw new DinoSegError(
      'LIBTORCH_NOT_FOUND',
      `pip could not download torch ${version} (exit ${code}):\n${output.trim().split('\n').slice(-5).join('\n')}\n` +
        'Install python3 with pip, or set DINOV3_SEG_LIBTORCH to a libtorch that is there.',
    );
  const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
  if (!wheel) throw new DinoSegError('LIBTORCH_NOT_FOUND', `pip downloaded no wheel of torch ${version}.`);
  return wheel;
}

function run(command: string, args: string[]): Promise<{ code: number | string; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    child.on('error', (error) => resolve({ code: error.message, output }));
    child.on('close', (code, signal) => resolve({ code: code ?? signal ?? 'unknown', output }));
  });
}

async function unpack(archive: string, target: string): Promise<void> {
  const open = promisify<string, yauzl.Options, yauzl.ZipFile>(yauzl.open);
  const zip = await open(archive, { lazyEntries: true });
  const openReadStream = promisify<yauzl.Entry, NodeJS.ReadableStream>(zip.openReadStream.bind(zip));
  const folders = new Set<string>();
  await new Promise<void>((resolve, reject) => {
    zip.on('error', reject).on('end', resolve);
    // yauzl refuses names that are absolute or hold '..'.
    zip.on('entry', (entry: yauzl.Entry) => {
      extract(entry).then(() => zip.readEntry(), reject);
    });
    zip.readEntry();
  });

  async function extract(entry: yauzl.Entry): Promise<void> {
    if (!wanted.test(entry.fileName)) return;
    const path = join(target, entry.fileName);
    if (!folders.has(dirname(path))) await mkdir(dirname(path), { recursive: true });
    folders.add(dirname(path));
    await pipeline(await openReadStream(entry), createWriteStream(path));
  }
}

function asDinoSegError(error: unknown): DinoSegError {
  if (error instanceof DinoSegError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const full = code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
  return new DinoSegError(full ? 'DISK_FULL' : 'IO', `Installing libtorch failed: ${message}`, {
    cause: error,
  });
}
