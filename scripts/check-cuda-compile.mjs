// Compiles the CUDA kernels for every architecture of CMakeLists.txt, and their library against the headers of the
// libtorch that the package finds; one for the CPU will do, and no GPU is needed.
//   node scripts/check-cuda-compile.mjs [LIBTORCH]
import { execFile, execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { root } from './native-build.mjs';

const architectures = [80, 86, 89, 90];

function skip(reason) {
  console.log(`SKIPPED: ${reason}. No CUDA code was compiled.`);
  process.exit(0);
}

function findNvcc() {
  const named = [process.env.CUDACXX, '/usr/local/cuda/bin/nvcc'].find((path) => path && existsSync(path));
  if (named) return named;
  try {
    return execFileSync('which', ['nvcc'], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}

async function libtorchFolder() {
  if (process.argv[2]) return process.argv[2];
  const { findLibtorch } = await import('../dist/native/libtorch/find-libtorch.js');
  return findLibtorch().root;
}

const nvcc = findNvcc();
if (!nvcc) skip('no nvcc found in $CUDACXX, /usr/local/cuda or the PATH');
const toolkit = [process.env.CUDA_HOME, dirname(dirname(realpathSync(nvcc))), '/usr/local/cuda'].find(
  (folder) => folder && existsSync(join(folder, 'include/cuda_runtime_api.h')),
);
if (!toolkit) skip(`the CUDA toolkit of ${nvcc} has no include/cuda_runtime_api.h`);
let libtorch;
try {
  libtorch = await libtorchFolder();
} catch (error) {
  skip(error.message);
}
if (!existsSync(join(libtorch, 'include/c10/cuda/CUDAStream.h')))
  skip(`${libtorch} has no include/c10/cuda/CUDAStream.h`);

const list = /add_library\(cuda_ops SHARED([^)]*)\)/.exec(
  readFileSync(join(root, 'CMakeLists.txt'), 'utf8'),
)[1];
const sources = list.trim().split(/\s+/);
const folder = mkdtempSync(join(tmpdir(), 'dinov3-seg-cuda-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
// A header that a libtorch without CUDA lacks; it says how libtorch was built.
mkdirSync(join(folder, 'c10/cuda/impl'), { recursive: true });
writeFileSync(
  join(folder, 'c10/cuda/impl/cuda_cmake_macros.h'),
  '#pragma once\n#define C10_CUDA_BUILD_SHARED_LIBS\n',
);

const objectOf = (source) => join(folder, `${basename(source)}.o`);

/** The compiler and its arguments for a source of the list in CMakeLists.txt. */
function commandOf(source) {
  const common = ['-I', join(root, 'cpp'), '-c', join(root, source), '-o', objectOf(source)];
  if (source.endsWith('.cu')) {
    const targets = architectures.map((name) => `-gencode=arch=compute_${name},code=sm_${name}`);
    const ptx = `-gencode=arch=compute_${architectures.at(-1)},code=compute_${architectures.at(-1)}`;
    return [
      nvcc,
      ['-std=c++17', '-O3', '-Xcompiler', '-fPIC', '-Werror', 'all-warnings', ...targets, ptx, ...common],
    ];
  }
  const headers = ['include', 'include/torch/csrc/api/include'].map((path) => join(libtorch, path));
  const system = [folder, ...headers, join(toolkit, 'include')].flatMap((path) => ['-isystem', path]);
  const flags = ['-std=c++20', '-O1', '-fPIC', '-Wall', '-Wextra', '-Wno-unused-parameter', '-Werror'];
  return ['g++', [...flags, ...system, ...common]];
}

let failures = 0;
const waiting = [...sources];
async function work() {
  for (let source; (source = waiting.shift()) !== undefined;) {
    const started = performance.now();
    try {
      await promisify(execFile)(...commandOf(source), { maxBuffer: 64 << 20 });
      console.log(`${source}: compiled in ${((performance.now() - started) / 1000).toFixed(1)} s`);
    } catch (error) {
      failures++;
      console.log(`FAULT: ${source}\n${error.stderr || error.message}`);
    }
  }
}
console.log(`${nvcc} for ${architectures.join(', ')} and PTX; headers of ${libtorch}`);
await Promise.all(Array.from({ length: Math.min(availableParallelism(), sources.length) }, work));

if (failures === 0) {
  // Symbols of libtorch and of the CUDA runtime may be missing, but no kernel of this project.
  const library = join(folder, 'cuda_ops.so');
  execFileSync('g++', ['-shared', '-o', library, ...sources.map(objectOf)]);
  const missing = execFileSync('nm', ['-uC', library], { encoding: 'utf8', maxBuffer: 64 << 20 })
    .split('\n')
    .filter((line) => line.includes('dinov3_seg::'));
  if (missing.length > 0) {
    failures++;
    console.log(`FAULT: declared but not defined in ${sources.join(', ')}:\n${missing.join('\n')}`);
  }
}
console.log(failures === 0 ? 'The CUDA code compiles.' : `${failures} faults.`);
process.exit(failures === 0 ? 0 : 1);
