// Building the native addon with cmake-js, in a clone of the repository and in an installed package alike.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const say = (text) => process.stderr.write(`setup: ${text}\n`);

/** Runs a program in the package's folder; its output goes to stderr. */
export const run = (command, args, options = {}) =>
  execFileSync(command, args, { cwd: root, stdio: ['ignore', process.stderr, process.stderr], ...options });

/** Newest modification time of the files below the given paths. */
export function newest(...paths) {
  const time = (path) => {
    const stat = statSync(path);
    if (!stat.isDirectory()) return stat.mtimeMs;
    return Math.max(0, ...readdirSync(path).map((name) => time(join(path, name))));
  };
  return Math.max(...paths.map((path) => time(join(root, path))));
}

/** Whether a binary is there that is not older than the sources. */
export function isCurrent(file) {
  return existsSync(file) && statSync(file).mtimeMs >= newest('cpp', 'CMakeLists.txt');
}

/** Where a build leaves a binary; `name` is `loader` or `torch-<minor>`. */
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

/** The path of cmake-js. Both packages are there in a clone; an installed package has them only on request. */
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

/**
 * Builds the loader and the engine for a libtorch, compiling what has changed.
 *
 * @param libtorch what `findLibtorch()` gives; it needs its `include/`.
 * @param fresh whether everything is compiled anew.
 */
export function buildAddon(libtorch, { fresh = false } = {}) {
  requireTools();
  const cmakeJs = findCmakeJs();
  say(`building the native addon for libtorch ${libtorch.version} (${libtorch.root})`);
  // A build folder that was configured for another libtorch is configured anew.
  const cache = join(root, 'build/CMakeCache.txt');
  const other =
    existsSync(cache) && !readFileSync(cache, 'utf8').includes(`LIBTORCH:PATH=${libtorch.root}\n`);
  const command = fresh || other ? 'rebuild' : 'compile';
  const options = [`--CDLIBTORCH:PATH=${libtorch.root}`, '--parallel', '2'];
  // A CUDA compiler may have been installed since the folder was configured.
  const kernels = join(root, 'native', `torch-${libtorch.series}`, 'build/Release/cuda_ops.so');
  if (command === 'compile' && existsSync(cache) && libtorch.cuda && !existsSync(kernels))
    run(process.execPath, [cmakeJs, 'configure', ...options]);
  run(process.execPath, [cmakeJs, command, ...options]);
}

/** The libtorch that the package finds; where there is none, one is fetched first. */
export async function findOrInstallLibtorch() {
  const { findLibtorch } = await import('../dist/native/libtorch.js');
  const { installLibtorch } = await import('../dist/native/install-libtorch.js');
  try {
    return findLibtorch();
  } catch (error) {
    if (error.code !== 'LIBTORCH_NOT_FOUND') throw error;
    await installLibtorch({ onProgress: ({ message }) => say(message) });
    return findLibtorch();
  }
}
