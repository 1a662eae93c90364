/** Loads libtorch and the engine that was built for it, once a process and thread. */
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { DinoSegError, errorCodes, type ErrorCode } from '../errors.js';
import { isCutShort } from './elf.js';
import { findLibtorch, supportedSeries, type Libtorch } from './libtorch.js';
import type { Engine } from './surface.js';

interface Loader {
  mappedLibtorch(): string[];
  open(libFolder: string): { major: number; minor: number; patch: number };
  openLibrary(path: string): void;
}

type MakeError = (code: string, message: string) => DinoSegError;

/** What engine.node exports: everything of {@link Engine}, and how errors are made. */
interface Addon extends Engine {
  setErrorFactory(make: MakeError): void;
}

const require = createRequire(import.meta.url);
const packageRoot = fileURLToPath(new URL('../..', import.meta.url));

let chosen: string | undefined;
let loaded: { engine: Engine; libtorch: Libtorch } | undefined;

/**
 * Names the libtorch to use, before anything else is called; without it the usual places are searched.
 *
 * @throws DinoSegError INVALID_ARGUMENT when an engine is loaded already from another place.
 */
export function init(options: { libtorch?: string }): void {
  if (loaded && options.libtorch && realpathSync(options.libtorch) !== realpathSync(loaded.libtorch.root))
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `init() names ${options.libtorch}, but ${loaded.libtorch.root} is loaded already; call init() first.`,
    );
  chosen = options.libtorch;
}

/** What {@link init} named. */
export function chosenLibtorch(): string | undefined {
  return chosen;
}

/**
 * The engine, loaded on the first call.
 *
 * @throws DinoSegError LIBTORCH_NOT_FOUND, LIBTORCH_UNSUPPORTED or ADDON.
 */
export function engine(): Engine {
  loaded ??= load();
  return loaded.engine;
}

/** The libtorch that the engine runs on. */
export function loadedLibtorch(): Libtorch {
  engine();
  return loaded!.libtorch;
}

function load(): { engine: Engine; libtorch: Libtorch } {
  const libtorch = findLibtorch(chosen);
  const loader = loadAddon<Loader>('loader');
  const folder = realpathSync(join(libtorch.root, 'lib'));
  const others = loader.mappedLibtorch().filter((mapped) => realpathSync(mapped) !== folder);
  if (others.length > 0)
    throw new DinoSegError(
      'LIBTORCH_UNSUPPORTED',
      `This process has loaded a libtorch from ${others[0]} already; a second one (${folder}) would abort it. ` +
        'Use one libtorch for all packages (DINOV3_SEG_LIBTORCH), or a child process.',
    );
  const abi = openLibtorch(loader, folder);
  const series = `${abi.major}.${abi.minor}`;
  const addon = loadAddon<Addon>(`torch-${series}`);
  const kernels = cudaKernelsFile(series);
  if (libtorch.cuda && existsSync(kernels)) openKernels(loader, kernels);
  addon.setErrorFactory(
    (code, message) =>
      new DinoSegError(Object.hasOwn(errorCodes, code) ? (code as ErrorCode) : 'INTERNAL', message),
  );
  // Before the process tears down what a running job uses. A worker_thread's end is heard of by the engine itself.
  if (isMainThread) process.once('exit', () => addon.stopJobs());
  return { engine: addon, libtorch };
}

function openLibtorch(loader: Loader, folder: string): { major: number; minor: number; patch: number } {
  const isLibrary = (name: string) =>
    /\.so(\.|$)/.test(name) && statSync(join(folder, name), { throwIfNoEntry: false })?.isFile();
  const cut = readdirSync(folder).find((name) => isLibrary(name) && isCutShort(join(folder, name)));
  if (cut !== undefined)
    throw new DinoSegError(
      'LIBTORCH_UNSUPPORTED',
      `${join(folder, cut)} is cut short: it was not copied or unpacked to its end. Install libtorch anew.`,
    );
  try {
    return loader.open(folder);
  } catch (cause) {
    throw new DinoSegError(
      'LIBTORCH_UNSUPPORTED',
      `${folder}/libtorch.so does not load: ${(cause as Error).message}. Run \`npx dinov3-seg doctor\`.`,
      { cause },
    );
  }
}

/** Where the fused kernels for CUDA are, if they were built: beside the engine. */
const cudaKernelsFile = (series: string) => join(dirname(addonFile(`torch-${series}`)), 'cuda_ops.so');

/** Whether fused kernels for CUDA were built for a libtorch; without them libtorch's own operators serve. */
export function hasCudaKernels({ series }: Libtorch): boolean {
  try {
    return existsSync(cudaKernelsFile(series));
  } catch {
    // There is no engine either.
    return false;
  }
}

function openKernels(loader: Loader, file: string): void {
  try {
    if (isCutShort(file)) throw new Error(`${file} is cut short`);
    loader.openLibrary(file);
  } catch (cause) {
    throw new DinoSegError(
      'ADDON',
      `The CUDA kernels in ${file} do not load: ${(cause as Error).message}. ` +
        'Run `npm run build:native` in the package folder to build them anew, or remove the file to go without them.',
      { cause },
    );
  }
}

const nodeGypBuild = require('node-gyp-build') as { path(folder: string): string };
const addonFile = (name: string) => nodeGypBuild.path(join(packageRoot, 'native', name));

function loadAddon<T>(name: string): T {
  const folder = join(packageRoot, 'native', name);
  if (!existsSync(folder)) {
    const built = supportedSeries.filter((series) =>
      existsSync(join(packageRoot, 'native', `torch-${series}`)),
    );
    throw new DinoSegError(
      'ADDON',
      `There is no ${folder}: the addon was not built for this libtorch (built: ${built.join(', ') || 'none'}). ` +
        'Run `npm run build:native` in the package folder.',
    );
  }
  try {
    const file = addonFile(name);
    if (isCutShort(file)) throw new Error(`${file} is cut short`);
    return require(file) as T;
  } catch (cause) {
    const reason = (cause as Error).message.trim();
    throw new DinoSegError(
      'ADDON',
      `The addon in ${folder} does not load: ${reason}\n` +
        'Install the package anew, or run `npm run build:native` in its folder to build from source.',
      { cause },
    );
  }
}
