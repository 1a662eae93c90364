/** Loads libtorch and the engine that was built for it, once per process and thread. */
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { checkOptions, number, text, type OptionKinds } from '../arguments.js';
import { DinoSegError, errorCodes, type ErrorCode } from '../errors.js';
import { packageRoot } from '../package-root.js';
import { kernelWarning, useKernels, type KernelFacts, type KernelUse } from './cuda-kernels.js';
import { isCutShort } from './elf.js';
import { findLibtorch, supportedSeries, type Libtorch } from './libtorch/find-libtorch.js';
import { openMpSettings } from './openmp.js';
import type { Engine } from './bindings/engine.js';

interface Loader {
  mappedLibtorch(): string[];
  /** `environment`: variables to set while loading, unless they are set already. */
  open(libFolder: string, environment: Record<string, string>): LibtorchAbi;
  /** What `open` does, off the JavaScript thread. */
  preload(libFolder: string, environment: Record<string, string>): Promise<void>;
  openLibrary(path: string): void;
  readCudaKernels(path: string): KernelFacts;
  useCudaKernels(kernels: string, operators: string): boolean;
  /** Whether no thread of this process has asked with this key before. */
  isFirst(key: string): boolean;
}

interface LibtorchAbi {
  major: number;
  minor: number;
  patch: number;
}

type MakeError = (code: string, message: string) => DinoSegError;

/** What an addon with jobs exports besides its functions. */
interface Addon {
  setErrorFactory(make: MakeError): void;
  /** Called when the process ends: starts no further job, stops running ones and waits for them, at most 1 second. */
  stopJobs(): void;
}

const require = createRequire(import.meta.url);
/** The folder with the addons. An environment variable can name another build, such as a debug build (CONTRIBUTING.md). */
const addonsFolder = process.env['DINOV3_SEG_NATIVE'] ?? join(packageRoot, 'native');

let chosen: string | undefined;
let threads: number | undefined;
let loaded: Loaded | undefined;

interface Loaded {
  engine: Engine;
  libtorch: Libtorch;
  /** Undefined for a libtorch without CUDA. */
  kernels: KernelUse | undefined;
}

/** Options of {@link init}. */
export interface InitOptions {
  /** Folder of the libtorch to use. Default: the usual places are searched, see `findLibtorch()`. */
  libtorch?: string;
  /**
   * Number of CPU threads per operator, for the whole process. Default: OMP_NUM_THREADS, else the number of
   * processors that this process may use (CPU affinity mask and quota of its control group).
   */
  threads?: number;
}

const initOptions: OptionKinds<InitOptions> = { libtorch: text, threads: number };

/** Whether two paths name the same folder; false if one does not exist. */
function isSameFolder(a: string, b: string): boolean {
  return existsSync(a) && existsSync(b) && realpathSync(a) === realpathSync(b);
}

/**
 * Chooses the libtorch, before anything else is called, and the number of CPU threads, at any time.
 *
 * @throws DinoSegError INVALID_ARGUMENT if another libtorch is already loaded, or if `threads` is not a whole
 *   number from 1 to 1024.
 */
export function init(options: InitOptions): void {
  checkOptions(options, initOptions, 'init()');
  if (options.threads !== undefined) checkThreads(options.threads);
  if (loaded && options.libtorch && !isSameFolder(options.libtorch, loaded.libtorch.root))
    throw new DinoSegError(
      'INVALID_ARGUMENT',
      `init() names ${options.libtorch}, but ${loaded.libtorch.root} is already loaded. Call init() first.`,
    );
  chosen = options.libtorch ?? chosen;
  threads = options.threads ?? threads;
  if (loaded && options.threads !== undefined) loaded.engine.setThreads(options.threads);
}

function checkThreads(count: number): void {
  if (Number.isInteger(count) && count >= 1 && count <= 1024) return;
  throw new DinoSegError(
    'INVALID_ARGUMENT',
    `threads should be a whole number from 1 to 1024, not ${count}.`,
  );
}

/** The libtorch that {@link init} named. */
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

/**
 * Loads libtorch off the JavaScript thread. Without it, the first call that needs libtorch blocks the event loop
 * while more than 500 MB are mapped and linked, which takes over a second from a cold disk. A server should call it
 * before it listens.
 *
 * @throws DinoSegError LIBTORCH_NOT_FOUND, LIBTORCH_UNSUPPORTED or ADDON, as the first call would.
 */
export async function preload(): Promise<void> {
  if (loaded) return;
  const { loader, folder } = findParts();
  await loader.preload(folder, openMpDefaults()).catch((cause: unknown) => {
    throw loadError(folder, cause);
  });
  engine();
}

/** Checks everything that can be checked before libtorch is opened. */
function findParts(): { libtorch: Libtorch; loader: Loader; folder: string } {
  const libtorch = findLibtorch(chosen);
  const loader = loadAddon<Loader>('loader');
  const folder = realpathSync(join(libtorch.root, 'lib'));
  const others = loader.mappedLibtorch().filter((mapped) => realpathSync(mapped) !== folder);
  if (others.length > 0)
    throw new DinoSegError(
      'LIBTORCH_UNSUPPORTED',
      `This process has already loaded a libtorch from ${others[0]}; loading a second one (${folder}) would abort it. ` +
        'Use one libtorch for all packages (DINOV3_SEG_LIBTORCH), or a child process.',
    );
  const isLibrary = (name: string) =>
    /\.so(\.|$)/.test(name) && statSync(join(folder, name), { throwIfNoEntry: false })?.isFile();
  const cut = readdirSync(folder).find((name) => isLibrary(name) && isCutShort(join(folder, name)));
  if (cut !== undefined)
    throw new DinoSegError(
      'LIBTORCH_UNSUPPORTED',
      `${join(folder, cut)} is cut short: it was not copied or unpacked completely. Reinstall libtorch.`,
    );
  return { libtorch, loader, folder };
}

/** Defaults of OpenMP's variables. A variable that OpenMP would refuse with a line on stderr is removed, with a warning. */
function openMpDefaults(): Record<string, string> {
  const { defaults, refused } = openMpSettings();
  for (const [name, message] of Object.entries(refused)) {
    delete process.env[name];
    process.emitWarning(message, { type: 'DinoSegWarning' });
  }
  return defaults;
}

function load(): Loaded {
  const { libtorch, loader, folder } = findParts();
  const setting = kernelSetting();
  const abi = openLibtorch(loader, folder);
  const name = `torch-${abi.major}.${abi.minor}`;
  const engine = openAddon<Engine>(name);
  const kernels = libtorch.cuda ? openKernels(loader, engine, addonFile(name), setting) : undefined;
  if (threads !== undefined) engine.setThreads(threads);
  return { engine, libtorch, kernels };
}

/** Loads an addon that needs the libtorch that is open. @throws DinoSegError ADDON */
export function openAddon<T>(name: string): T {
  const addon = loadAddon<T & Addon>(name);
  addon.setErrorFactory(
    (code, message) =>
      new DinoSegError(Object.hasOwn(errorCodes, code) ? (code as ErrorCode) : 'INTERNAL', message),
  );
  // Before the process tears down what a running job uses. A worker_thread's end is heard of by the addon itself.
  if (isMainThread) process.once('exit', () => addon.stopJobs());
  return addon;
}

function openLibtorch(loader: Loader, folder: string): LibtorchAbi {
  try {
    return loader.open(folder, openMpDefaults());
  } catch (cause) {
    throw loadError(folder, cause);
  }
}

function loadError(folder: string, cause: unknown): DinoSegError {
  return new DinoSegError(
    'LIBTORCH_UNSUPPORTED',
    `${folder}/libtorch.so cannot be loaded: ${(cause as Error).message}. Run \`npx dinov3-seg doctor\`.`,
    { cause },
  );
}

/**
 * Passes on libtorch's warnings that matter to a user (such as a driver that does not respond) as warnings of
 * Node.js, each text once per process. TORCH_CPP_LOG_LEVEL=WARNING shows the others.
 */
export function reportTorchWarnings(): void {
  for (const text of engine().takeWarnings())
    if (text.startsWith('CUDA initialization'))
      process.emitWarning(text, { type: 'DinoSegWarning', code: 'CUDA' });
}

/** What became of the CUDA kernels; undefined for a libtorch without CUDA. */
export function cudaKernels(): KernelUse | undefined {
  engine();
  return loaded!.kernels;
}

/** Compute capability of a CUDA device such as `cuda` or `cuda:1`, for example 8.9; undefined where the kernels could not say. */
export function deviceCapability(device: string): number | undefined {
  const found = cudaKernels()?.devices[Number(device.split(':')[1] ?? 0)];
  return found && (10 * found.major + found.minor) / 10;
}

function kernelSetting(): string | undefined {
  const setting = process.env['DINOV3_SEG_CUDA_KERNELS'];
  if (['on', 'off', '', undefined].includes(setting)) return setting;
  throw new DinoSegError(
    'INVALID_ARGUMENT',
    `DINOV3_SEG_CUDA_KERNELS should be on (the default) or off, not ${setting}.`,
  );
}

/** Opens the libraries for CUDA. A warning, once per process, if there is a CUDA device and the kernels do not serve it. */
function openKernels(loader: Loader, engine: Engine, addon: string, setting: string | undefined): KernelUse {
  const use = useKernels({
    setting,
    kernels: cudaKernelsFile(),
    operators: join(dirname(addon), 'cuda_ops.so'),
    openLibrary: loader.openLibrary,
    readCudaKernels: loader.readCudaKernels,
    useCudaKernels: loader.useCudaKernels,
    hasDevices: () => engine.devices().some(({ name }) => name.startsWith('cuda')),
  });
  if (!use.used && use.slower && loader.isFirst('CUDA kernels'))
    process.emitWarning(kernelWarning(use), { type: 'DinoSegWarning', code: 'CUDA_KERNELS' });
  return use;
}

/** The kernels do not depend on libtorch: they have a folder of their own. As for addons, a build from source goes first. */
function cudaKernelsFile(): string {
  const folders = ['build/Release', `prebuilds/${process.platform}-${process.arch}`];
  const files = folders.map((folder) => join(addonsFolder, 'cuda-kernels', folder, 'cuda_kernels.so'));
  return files.find((file) => existsSync(file)) ?? files.at(-1)!;
}

const nodeGypBuild = require('node-gyp-build') as { path(folder: string): string };
const addonFile = (name: string) => nodeGypBuild.path(join(addonsFolder, name));

function loadAddon<T>(name: string): T {
  const folder = join(addonsFolder, name);
  if (!existsSync(folder)) {
    const built = supportedSeries.filter((series) => existsSync(join(addonsFolder, `torch-${series}`)));
    throw new DinoSegError(
      'ADDON',
      `${folder} does not exist: the addon was not built for this libtorch (built for: ${built.join(', ') || 'none'}). ` +
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
      `The addon in ${folder} cannot be loaded: ${reason}\n` +
        'Reinstall the package, or run `npm run build:native` in its folder to build from source.',
      { cause },
    );
  }
}
