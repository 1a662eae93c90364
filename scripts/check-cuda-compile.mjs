// Compiles the CUDA code with warnings as errors: the kernels for every architecture of cpp/ops/cuda/CMakeLists.txt, and the operators
// against the headers of the libtorch that the package finds; one for the CPU will do, and no GPU is needed.
//   node scripts/check-cuda-compile.mjs [LIBTORCH]
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './native-build.mjs';
import { findNvcc } from './setup/cuda-kernels.mjs';

function skip(reason) {
  console.log(`SKIPPED: ${reason}. No CUDA code was compiled.`);
  process.exit(0);
}

async function libtorchFolder() {
  if (process.argv[2]) return process.argv[2];
  const { findLibtorch } = await import('../dist/native/libtorch/find-libtorch.js');
  return findLibtorch().root;
}

const nvcc = findNvcc();
if (!nvcc) skip('no nvcc found in $CUDACXX, /usr/local/cuda or the PATH');
let libtorch;
try {
  libtorch = await libtorchFolder();
} catch (error) {
  skip(error.message);
}
if (!existsSync(join(libtorch, 'include/c10/cuda/CUDAStream.h')))
  skip(`${libtorch} has no include/c10/cuda/CUDAStream.h`);

const folder = mkdtempSync(join(tmpdir(), 'dinov3-seg-cuda-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

/** Configures a build in a folder of its own and builds a target. */
function build(source, target, settings) {
  const started = performance.now();
  const place = join(folder, target);
  const given = Object.entries({ ADDON_FOLDER: join(folder, 'native'), ...settings });
  const run = (...args) =>
    execFileSync('cmake', args, {
      env: { ...process.env, CUDACXX: nvcc },
      encoding: 'utf8',
      maxBuffer: 64 << 20,
    });
  try {
    run('-S', join(root, source), '-B', place, ...given.map(([name, value]) => `-D${name}=${value}`));
    run('--build', place, '--target', target, '--parallel', String(availableParallelism()));
    console.log(`${target}: compiled in ${((performance.now() - started) / 1000).toFixed(1)} s`);
    return true;
  } catch (error) {
    console.log(`FAULT: ${target}\n${error.stdout}${error.stderr}`);
    return false;
  }
}

console.log(`${nvcc}; headers of ${libtorch}`);
const kernels = build('cpp/ops/cuda', 'cuda_kernels', {
  CMAKE_CUDA_FLAGS: '-Werror all-warnings',
  CMAKE_CXX_FLAGS: '-Werror',
});
const operators = build('.', 'cuda_ops', {
  LIBTORCH: libtorch,
  CMAKE_BUILD_TYPE: 'Release',
  CMAKE_CXX_FLAGS: '-Werror',
  CUDA_OPS: 'ON',
  CUDA_KERNELS: 'OFF',
});
console.log(kernels && operators ? 'The CUDA code compiles.' : 'The CUDA code does not compile.');
process.exit(kernels && operators ? 0 : 1);
