/** Installs libtorch into the package's cache: from pip's torch wheel, a wheel, a zip, a folder or a URL. */
import { existsSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  callback,
  checkOptions,
  flag,
  signal as signalKind,
  text,
  type OptionKinds,
} from '../../arguments.js';
import { DinoSegError } from '../../errors.js';
import { fileDigest, makeFolder, writeError } from '../../files.js';
import {
  makeScratch,
  place,
  removeScratch,
  sweepScratch,
  wholeInstall,
  wholeInstalls,
  writeManifest,
} from './install/cache.js';
import { expectedBy, expectedByNeighbour, expectedByUrl, verify, type Expected } from './install/checksum.js';
import { buildFor, checkBuild, torchWheelIn } from './install/builds.js';
import type { Contents, SourceFile } from './install/contents.js';
import { requireSpace } from './install/disk.js';
import { download, isSecure } from './install/download.js';
import { openFolder } from './install/folder.js';
import { pipDownload } from './install/pip.js';
import { select, selectBeside, type Selection } from './install/selection.js';
import { totalSize, writeFiles } from './install/write-files.js';
import { openZip } from './install/zip.js';
import { cacheFolder, defaultVersion, examine } from './find-libtorch.js';

/** Progress of an installation. */
export interface InstallProgress {
  /** Current phase. */
  phase: 'download' | 'verify' | 'unpack';
  /** Description of the current work, one line of text. */
  message: string;
  /** Bytes done, in phases that count bytes. */
  doneBytes?: number;
  /** Total number of bytes, if it is known. */
  totalBytes?: number;
  /** A line of pip's output. */
  output?: string;
}

/** Options of {@link installLibtorch}. */
export interface InstallOptions {
  /** Version that pip downloads: `2.13.0`, or with a build `2.13.0+cpu`. Not together with `from`. Default: 2.13.0. */
  version?: string;
  /**
   * CUDA version that the libtorch is built for, such as `13.0`: pip downloads that build, and `from` is refused if it is another
   * one. Default: the build that pip's index or `from` has.
   */
  cuda?: string;
  /**
   * Source: a torch wheel, a folder of wheels with one of torch (or one for `cuda`), a libtorch zip, the folder of a libtorch or of
   * Python's torch package, or the URL of a wheel or zip.
   */
  from?: string;
  /** Expected SHA-256 of the wheel or zip, 64 hexadecimal digits. */
  sha256?: string;
  /** Whether to reinstall a version and build that is already installed. Default: false. */
  force?: boolean;
  /** Cancels the installation; nothing is left in the cache. */
  signal?: AbortSignal;
  /** Called with the progress. */
  onProgress?: (progress: InstallProgress) => void;
}

const installOptions: OptionKinds<InstallOptions> = {
  version: text,
  cuda: text,
  from: text,
  sha256: text,
  force: flag,
  signal: signalKind,
  onProgress: callback(),
};

/** The installed libtorch. */
export interface InstallResult {
  /** Folder that contains `lib/` and `include/`. */
  root: string;
  /** Version, such as `2.13.0`. */
  version: string;
  /** Build: `cpu`, `cu130`, … */
  build: string;
  /** True if it was already installed and complete: nothing was done. */
  alreadyThere: boolean;
}

/** One install: its options and what it holds until its end. */
interface Job {
  options: InstallOptions;
  report: (progress: InstallProgress) => void;
  cache: string;
  scratch: string;
  open: Contents[];
}

/** Where the files come from, and the archive's SHA-256 where it is known. */
interface Source {
  contents: Contents;
  sha256?: string;
  /** Folder of the archive: wheels that it needs may lie beside it. */
  folder?: string;
}

/**
 * Installs libtorch to `<cache>/<version>-<build>`, where {@link findLibtorch} finds it. Checksums are verified: that of
 * the archive (`sha256`, a `<file>.sha256` beside it, or a `#sha256=` in the URL), and those of a wheel's files (RECORD).
 * Only libraries, headers and the version are unpacked, into a temporary folder that is renamed when everything is synced:
 * the cache contains complete installations only. Several installations may run at the same time.
 *
 * For a wheel built for CUDA, pip downloads the NVIDIA wheels that it requires, unless they lie beside it.
 *
 * @throws DinoSegError INVALID_ARGUMENT, FILE_NOT_FOUND, DOWNLOAD (no pip, no wheel, no response), CHECKSUM, ARCHIVE (not a
 *   zip, truncated, damaged), LIBTORCH_UNSUPPORTED (no libtorch, or an unsupported version), DISK_FULL, IO; the signal's
 *   reason.
 */
export async function installLibtorch(options: InstallOptions = {}): Promise<InstallResult> {
  checkOptions(options, installOptions, 'installLibtorch()');
  const { signal } = options;
  signal?.throwIfAborted();
  const stated = statedSums(options);
  const cache = cacheFolder();
  try {
    await makeFolder(cache);
    await sweepScratch(cache);
  } catch (cause) {
    throw writeError(cache, cause);
  }
  const there = options.force ? undefined : await alreadyThere(cache, options, stated);
  if (there) return there;
  const scratch = await makeScratch(cache);
  const job: Job = { options, report: options.onProgress ?? (() => {}), cache, scratch, open: [] };
  try {
    return await install(job, stated);
  } catch (error) {
    // What an abort breaks off fails in many ways; the reason is one.
    signal?.throwIfAborted();
    throw error;
  } finally {
    for (const contents of job.open) contents.close();
    await removeScratch(scratch);
  }
}

function statedSums({ version, cuda, from, sha256 }: InstallOptions): Expected[] {
  if (version !== undefined && from !== undefined)
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      'Give either "version", which pip downloads, or "from", which has a version of its own.',
    );
  if (version !== undefined && !/^\d+\.\d+\.\d+(\+\w+)?$/.test(version))
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `The version should look like ${defaultVersion} or ${defaultVersion}+cpu, not "${version}".`,
    );
  if (cuda !== undefined) buildFor(cuda);
  if (version?.includes('+') && cuda !== undefined)
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `Give either "cuda" or a version with a build, not ${version} too.`,
    );
  return sha256 === undefined ? [] : [expectedBy('the given checksum', sha256)];
}

/** What needs no look at the source: a version by pip, or a URL with a checksum that is installed. */
async function alreadyThere(
  cache: string,
  { from, version = defaultVersion, cuda }: InstallOptions,
  stated: Expected[],
): Promise<InstallResult | undefined> {
  const url = from === undefined ? undefined : asUrl(from);
  if (from !== undefined && url === undefined) return undefined;
  const sums = [...stated, ...(url ? expectedByUrl(url) : [])].map(({ sha256 }) => sha256);
  if (url && sums.length === 0) return undefined;
  const [plain, named] = version.split('+');
  const build = cuda === undefined ? named : buildFor(cuda);
  for (const [folder, manifest] of await wholeInstalls(cache)) {
    const fits = url === undefined && manifest.version === plain && (!build || manifest.build === build);
    if ((fits || url) && sums.every((sum) => sum === manifest.sha256))
      return resultOf(folder, manifest, true);
  }
  return undefined;
}

function asUrl(from: string): URL | undefined {
  return /^https?:\/\//i.test(from) && URL.canParse(from) ? new URL(from) : undefined;
}

function resultOf(
  folder: string,
  { version, build }: { version: string; build: string },
  alreadyThere: boolean,
): InstallResult {
  const nested = join(folder, 'torch');
  return { root: existsSync(nested) ? nested : folder, version, build, alreadyThere };
}

async function install(job: Job, stated: Expected[]): Promise<InstallResult> {
  const { options, report, cache, scratch } = job;
  const { contents, sha256, folder } = await obtain(job, stated);
  const selection = await select(contents);
  checkBuild(options.cuda, selection, contents.origin);
  const { version, series, build = 'cpu' } = selection;
  const target = join(cache, `${version}-${build}`);
  if (!options.force && (await wholeInstall(target))) return resultOf(target, { version, build }, true);
  for (const [name, file] of await besides(job, contents.origin, selection, folder))
    selection.files.set(name, file);

  await requireSpace(target, totalSize(selection.files));
  const unpacked = join(scratch, 'unpacked');
  await mkdir(unpacked);
  const message = `unpacking libtorch ${version} (${build})`;
  report({ phase: 'unpack', message });
  await writeFiles(unpacked, selection.files, {
    origin: contents.origin,
    signal: options.signal,
    onBytes: (doneBytes, totalBytes) => report({ phase: 'unpack', message, doneBytes, totalBytes }),
  });
  const nested = join(unpacked, 'torch');
  const found = examine(existsSync(nested) ? nested : unpacked, contents.origin);
  if (typeof found === 'string')
    throw new DinoSegError(
      'LIBTORCH_UNSUPPORTED',
      `${contents.origin} (libtorch ${series}) cannot be used: ${found}.`,
    );
  const sizes = [...selection.files].map(([name, { sizeBytes }]) => [name, sizeBytes] as const);
  const files = Object.fromEntries(sizes);
  await writeManifest(unpacked, { version, build, ...(sha256 !== undefined && { sha256 }), files });
  options.signal?.throwIfAborted();
  const placed = await place(scratch, unpacked, target, options.force ?? false);
  return resultOf(target, { version, build }, !placed);
}

async function obtain(job: Job, stated: Expected[]): Promise<Source> {
  const { options, report, scratch } = job;
  const { from, signal } = options;
  const url = from === undefined ? undefined : asUrl(from);
  let path: string;
  let sha256: string | undefined;
  let origin: string;
  const expected = [...stated];
  if (from === undefined) {
    path = await wheelByPip(job);
    origin = basename(path);
  } else if (url) {
    expected.push(...expectedByUrl(url));
    const isVerified = expected.length > 0;
    if (!isVerified && !isSecure(url))
      throw new DinoSegError(
        'INVALID_ARGUMENT',
        `Anyone on the way could change what ${url.protocol}//${url.host} sends. Use https, or give the archive's checksum (--sha256).`,
      );
    path = join(scratch, 'download.zip');
    origin = `${url.host}${url.pathname}`;
    const message = `downloading ${origin}`;
    report({ phase: 'download', message });
    const onBytes = (doneBytes: number, totalBytes: number | undefined) =>
      report({ phase: 'download', message, doneBytes, ...(totalBytes !== undefined && { totalBytes }) });
    sha256 = await download(url, path, { isVerified, signal, onBytes });
  } else {
    path = localPath(from);
    const wheel = statSync(path).isDirectory() ? await torchWheelIn(path, options.cuda) : undefined;
    path = wheel ?? path;
    origin = path;
    if (statSync(path).isDirectory()) {
      if (expected.length > 0)
        throw new DinoSegError(
          'INVALID_ARGUMENT',
          `${path} is a folder, which has no checksum: leave the checksum out.`,
        );
      return { contents: keep(job, await openFolder(path)) };
    }
    expected.push(...(await expectedByNeighbour(path)));
  }
  if (expected.length > 0) {
    if (sha256 === undefined) {
      report({ phase: 'verify', message: `verifying the checksum of ${origin}` });
      sha256 = await fileDigest(path, signal);
    }
    verify(origin, sha256, expected);
  }
  const contents = keep(job, await openZip(path, origin));
  return { contents, folder: dirname(path), ...(sha256 !== undefined && { sha256 }) };
}

function keep(job: Job, contents: Contents): Contents {
  job.open.push(contents);
  return contents;
}

/** @throws DinoSegError FILE_NOT_FOUND, INVALID_ARGUMENT for a URL that is not http(s) or file */
function localPath(from: string): string {
  if (/^[a-z][a-z\d+.-]+:\/\//i.test(from) && !/^file:\/\//i.test(from))
    throw new DinoSegError('INVALID_ARGUMENT', `A URL should be http, https or file, not "${from}".`);
  const path = resolve(/^file:\/\//i.test(from) ? fileURLToPath(from) : from);
  if (existsSync(path)) return path;
  throw new DinoSegError('FILE_NOT_FOUND', `${path} does not exist. Check the path.`);
}

async function wheelByPip({ options, report, scratch }: Job): Promise<string> {
  const { version = defaultVersion, cuda, signal } = options;
  const fetch = async (name: string) => {
    const message = `downloading torch ${name} with pip`;
    report({ phase: 'download', message });
    const [wheel] = await pipDownload([`torch==${name}`], {
      folder: join(scratch, 'pip'),
      scratch,
      dependencies: false,
      signal,
      onLine: (output) => report({ phase: 'download', message, output }),
    });
    if (wheel !== undefined) return wheel;
    throw new DinoSegError('DOWNLOAD', `pip downloaded no wheel of torch ${name}.`);
  };
  if (cuda === undefined) return fetch(version);
  // pip's main index has one build of each version, and does not name it.
  return fetch(`${version}+${buildFor(cuda)}`).catch((error: unknown) => {
    signal?.throwIfAborted();
    return fetch(version).catch(() => {
      throw error;
    });
  });
}

/** NVIDIA's libraries for a wheel that needs them. */
async function besides(
  job: Job,
  origin: string,
  { requirements }: Selection,
  folder: string | undefined,
): Promise<[string, SourceFile][]> {
  if (requirements.length === 0) return [];
  const { options, report, scratch } = job;
  const needed = requirements.map((requirement) => requirement.split(';')[0]!.trim()).join(', ');
  const message = `${origin} is built for CUDA and needs ${needed}: fetching them with pip`;
  report({ phase: 'download', message });
  const wheels = await pipDownload(requirements, {
    folder: join(scratch, 'besides'),
    scratch,
    findLinks: folder,
    dependencies: true,
    signal: options.signal,
    onLine: (output) => report({ phase: 'download', message, output }),
  });
  const libraries: [string, SourceFile][] = [];
  for (const path of wheels) libraries.push(...selectBeside(keep(job, await openZip(path, basename(path)))));
  return libraries;
}
