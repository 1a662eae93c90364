// Builds cuda_kernels.so (cpp/ops/cuda), which needs nvcc and neither libtorch nor Node.js's headers.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { buildProgress } from './build-jobs.mjs';

/** The CUDA compiler; undefined if there is none. */
export function findNvcc() {
  const named = [process.env.CUDACXX, '/usr/local/cuda/bin/nvcc'].find((path) => path && existsSync(path));
  if (named) return named;
  try {
    return execFileSync('which', ['nvcc'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}

/** Where they are in the package's folder, after a build from source. */
export const kernelsFile = 'native/cuda-kernels/build/Release/cuda_kernels.so';

const hasNinja = () => {
  try {
    execFileSync('ninja', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

function wasMoved(folder, source) {
  const cache = join(folder, 'CMakeCache.txt');
  return existsSync(cache) && !readFileSync(cache, 'utf8').includes(`HOME_DIRECTORY:INTERNAL=${source}\n`);
}

/**
 * Compiles what has changed of the kernels.
 *
 * @param root the package's folder
 * @param options `fresh`: everything; `env`: of the compilers; `runIn`, `onProgress`: as of buildAddon
 * @returns whether there is a compiler
 */
export async function buildKernels(root, { fresh = false, env, runIn, onProgress }) {
  const nvcc = findNvcc();
  if (nvcc === undefined) return false;
  // Not in build/, which is removed when it is configured for another libtorch.
  const folder = join(root, '.tmp/cuda-kernels');
  const options = {
    env: { ...env, CUDACXX: nvcc },
    onLine: (line) => {
      const progress = buildProgress(line);
      if (progress !== undefined) onProgress(`compiling CUDA kernels, ${progress}`);
    },
  };
  const generator = hasNinja() ? ['-G', 'Ninja'] : [];
  const source = join(root, 'cpp/ops/cuda');
  const settings = {
    ADDON_FOLDER: join(root, 'native'),
    // CMake would remember an earlier build's.
    CMAKE_CUDA_ARCHITECTURES: process.env.CUDAARCHS ?? '',
  };
  const given = Object.entries(settings).map(([name, value]) => `-D${name}=${value}`);
  onProgress('compiling CUDA kernels');
  if (wasMoved(folder, source)) rmSync(folder, { recursive: true });
  await runIn('cmake', ['-S', source, '-B', folder, ...generator, ...given], options);
  await runIn('cmake', ['--build', folder, ...(fresh ? ['--clean-first'] : [])], options);
  const now = new Date();
  utimesSync(join(root, kernelsFile), now, now);
  return true;
}
