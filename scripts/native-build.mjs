// Builds the native addon with cmake-js, in a clone of the repository or in an installed package.
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildEnvironment, buildProgress } from './setup/build-jobs.mjs';
import { buildKernels } from './setup/cuda-kernels.mjs';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const say = (text) => process.stderr.write(`setup: ${text}\n`);

/** Runs a program in the package's folder; its output goes to stderr. */
export const run = (command, args, options = {}) =>
  execFileSync(command, args, { cwd: root, stdio: ['ignore', process.stderr, process.stderr], ...options });

/** Newest modification time of the files in the given paths. */
export function newest(...paths) {
  const time = (path) => {
    const stat = statSync(path);
    if (!stat.isDirectory()) return stat.mtimeMs;
    return Math.max(0, ...readdirSync(path).map((name) => time(join(path, name))));
  };
  return Math.max(...paths.map((path) => time(join(root, path))));
}

/** Whether a binary exists and is not older than the product's sources and those of `more`. */
export function isCurrent(file, ...more) {
  return existsSync(file) && statSync(file).mtimeMs >= newest('cpp', 'CMakeLists.txt', ...more);
}

/** Path of a built binary; `name` is `loader` or `torch-<minor>`. */
export function builtFile(name) {
  return join(root, 'native', name, 'build/Release', name === 'loader' ? 'loader.node' : 'engine.node');
}

function requireTools() {
  const missing = ['cmake', 'g++'].filter((tool) => {
    try {
      execFileSync(tool, ['--version'], { stdio: 'ignore' });
      return false;
    } catch {
      return true;
    }
  });
  if (missing.length > 0)
    throw new Error(
      `${missing.join(' and ')} not found. On Debian or Ubuntu: apt-get install cmake g++ make python3-pip`,
    );
}

/** The path of cmake-js. A clone has both packages; in an installed package, the user must add them. */
function findCmakeJs() {
  const require = createRequire(join(root, 'package.json'));
  try {
    require.resolve('node-addon-api');
    return join(dirname(require.resolve('cmake-js/package.json')), 'bin/cmake-js');
  } catch {
    throw new Error(
      'A build from source needs two more packages: run `npm install --save-dev cmake-js@8 node-addon-api@8` in your ' +
        'project, then `npm explore dinov3-seg -- npm run build:native`.',
    );
  }
}

/** Marks a build that has not succeeded: its files may be incomplete. */
const unfinished = join(root, 'native/unfinished');

/** The product's binaries for a libtorch. */
const binariesOf = ({ series }) => [builtFile('loader'), builtFile(`torch-${series}`)];

/** Whether the binaries for a libtorch are complete and up to date. */
export function isBuilt(libtorch) {
  return !existsSync(unfinished) && binariesOf(libtorch).every((file) => isCurrent(file));
}

/**
 * Builds the loader and the engine for a libtorch, and what belongs to CUDA. Compiles only what has changed; an interrupted build
 * continues where it stopped.
 *
 * @param libtorch result of `findLibtorch()`; needs its `include/`.
 * @param fresh whether everything is compiled again.
 * @param cudaOps whether cuda_ops.so is built, where there are headers of CUDA; default: if libtorch has CUDA.
 * @param cudaKernels whether cuda_kernels.so is built, where there is an nvcc; default: if libtorch has CUDA.
 * @param target another target of CMakeLists.txt to build instead; `binaries` are its results.
 * @param runIn runs a program with options `{ cwd, env, onLine }`. Default: with its output on stderr.
 * @param onProgress called with the current action.
 * @returns what was asked for and left out, with the reason.
 */
export async function buildAddon(libtorch, options = {}) {
  const { fresh = false, target, binaries = binariesOf(libtorch), runIn = run, onProgress = say } = options;
  const { cudaOps = libtorch.cuda, cudaKernels = libtorch.cuda && target === undefined } = options;
  requireTools();
  const cmakeJs = findCmakeJs();
  const { usableCores } = await import('../dist/native/cores.js');
  const { freeMemory } = await import('../dist/native/free-memory.js');
  const env = buildEnvironment(process.env, usableCores(), freeMemory());
  const settings = [
    `--CDLIBTORCH:PATH=${libtorch.root}`,
    `--CDCUDA_OPS:BOOL=${onOrOff(cudaOps)}`,
    '--CDCUDA_KERNELS:BOOL=OFF', // They have a build folder of their own.
  ];
  const ofTarget = target === undefined ? [] : ['--target', target];
  const build = (command, onLine, more = []) =>
    runIn(process.execPath, [cmakeJs, command, ...settings, ...more], { env, onLine });
  mkdirSync(join(root, 'native'), { recursive: true });
  writeFileSync(unfinished, '');
  if (mustConfigure(libtorch, fresh, cudaOps)) {
    onProgress('configuring');
    await build(fresh || isForAnother(libtorch) ? 'reconfigure' : 'configure');
  }
  onProgress('compiling');
  // Not cmake-js's `compile`, which starts over from the beginning if it fails.
  const onLine = (line) => {
    const progress = buildProgress(line);
    if (progress !== undefined) onProgress(`compiling, ${progress}`);
  };
  await build('build', onLine, ofTarget);
  const operators = target === undefined && cudaOps ? [operatorsFile(libtorch)] : [];
  // A changed header that nothing includes does not update a binary.
  const now = new Date();
  for (const file of [...binaries, ...operators.filter((file) => existsSync(file))])
    utimesSync(file, now, now);
  const leftOut = operators.filter((file) => !existsSync(file)).map(() => 'cuda_ops.so (no headers of CUDA)');
  if (cudaKernels && !(await buildKernels(root, { fresh, env, runIn, onProgress })))
    leftOut.push('cuda_kernels.so (no CUDA compiler: nvcc)');
  rmSync(unfinished);
  return leftOut;
}

const onOrOff = (flag) => (flag ? 'ON' : 'OFF');
/** The operators on CUDA of a build from source. */
const operatorsFile = ({ series }) => join(root, 'native', `torch-${series}`, 'build/Release/cuda_ops.so');

function mustConfigure(libtorch, fresh, cudaOps) {
  // CMake writes these files after its cache.
  const configured = ['build.ninja', 'Makefile'].some((name) => existsSync(join(root, 'build', name)));
  if (fresh || !configured || isForAnother(libtorch)) return true;
  const [, setting = onOrOff(cudaOps)] = /^CUDA_OPS:BOOL=(.*)$/m.exec(readFileSync(cacheFile, 'utf8')) ?? [];
  // Headers of CUDA may have been installed since.
  return setting !== onOrOff(cudaOps) || (cudaOps && !existsSync(operatorsFile(libtorch)));
}

const cacheFile = join(root, 'build/CMakeCache.txt');

/** Whether the build folder was configured for another libtorch, or was moved. */
function isForAnother(libtorch) {
  if (!existsSync(cacheFile)) return false;
  const cache = readFileSync(cacheFile, 'utf8');
  const lines = [
    `LIBTORCH:PATH=${libtorch.root}`,
    `CMAKE_HOME_DIRECTORY:INTERNAL=${root.replace(/\/$/, '')}`,
  ];
  return !lines.every((line) => cache.includes(`${line}\n`));
}

/** The libtorch that the package finds; undefined if there is none. */
export async function findLibtorchOrNone() {
  const { findLibtorch } = await import('../dist/native/libtorch/find-libtorch.js');
  try {
    return findLibtorch();
  } catch (error) {
    if (error.code !== 'LIBTORCH_NOT_FOUND') throw error;
    return undefined;
  }
}

/** The libtorch that the package finds. If there is none, downloads one first. */
export async function findOrInstallLibtorch() {
  const { installLibtorch } = await import('../dist/native/libtorch/install-libtorch.js');
  const found = await findLibtorchOrNone();
  if (found) return found;
  let said = '';
  await installLibtorch({
    onProgress: ({ message }) => {
      if (message !== said) say(message);
      said = message;
    },
  });
  return findLibtorchOrNone();
}
