/** scripts/check-binaries.mjs: what it says of binaries that would fail elsewhere. */
import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { findLibtorch } from '../../lib/native/libtorch/find-libtorch.js';
import { startProgram } from '../helpers/command-line.js';
import { writeTree } from '../helpers/temporary.js';

const { root, series, version } = findLibtorch();
const script = join(import.meta.dirname, '../../scripts/check-binaries.mjs');

/** Checks a binary that is compiled from `source`: an engine for this libtorch, unless `name` is that of another. */
async function checked(t: Test, source: string, flags: string[] = [], name = `torch-${series}/engine.node`) {
  const folder = await writeTree(t, { [`${dirname(name)}/source.cpp`]: source });
  const binary = join(folder, name);
  const usual = ['-shared', '-fPIC', '-s', '-Wl,-z,nodelete', '-o', binary];
  execFileSync('g++', [...usual, ...flags, join(dirname(binary), 'source.cpp')]);
  return startProgram(process.execPath, [script, '--libtorch', root, binary]).ended;
}

t.test('an engine whose symbols are in libtorch, Node-API and the system passes', async (t) => {
  const source =
    'extern "C" { int napi_get_undefined(); int omp_get_num_threads(); int puts(const char*); int f() { return napi_get_undefined() + omp_get_num_threads() + puts(""); } }';
  const { code, stdout } = await checked(t, source);
  t.equal(code, 0, stdout);
  t.match(stdout, `all its symbols are in libtorch ${version} (${root})`);
});

t.test('a symbol that its libtorch lacks is a fault, and named', async (t) => {
  const { code, stdout } = await checked(
    t,
    'extern "C" { int of_another_release(); int f() { return of_another_release(); } }',
  );
  t.equal(code, 1);
  t.match(stdout, `FAULT: needs symbols that libtorch ${version} lacks: of_another_release\n`);
});

t.test('a search path is a fault', async (t) => {
  const { code, stdout } = await checked(t, 'int f() { return 1; }', ['-Wl,-rpath,/nowhere']);
  t.equal(code, 1);
  t.match(stdout, 'FAULT: has a search path: /nowhere\n');
});

t.test(
  "operators on CUDA that call CUDA's runtime are a fault: its version differs between builds",
  async (t) => {
    const source = 'extern "C" { int cudaMemGetInfo(); int f() { return cudaMemGetInfo(); } }';
    const { code, stdout } = await checked(t, source, [], `torch-${series}/cuda_ops.so`);
    t.equal(code, 1);
    t.match(stdout, "FAULT: needs CUDA's runtime: cudaMemGetInfo\n");
  },
);

t.test('kernels export one function and need nothing but the system', async (t) => {
  const one =
    'extern "C" int puts(const char*); extern "C" int dinov3_seg_cuda_kernels() { return puts(""); }';
  const name = 'cuda-kernels/cuda_kernels.so';
  t.equal((await checked(t, one, [], name)).code, 0);
  const other = 'extern "C" int of_torch(); extern "C" int two() { return of_torch(); }';
  const { code, stdout } = await checked(t, one + other, [], name);
  t.equal(code, 1);
  t.match(stdout, 'FAULT: needs symbols of no system: of_torch\n');
  t.match(stdout, /FAULT: should export dinov3_seg_cuda_kernels alone, and exports .*two/);
});
