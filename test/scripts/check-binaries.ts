/** scripts/check-binaries.mjs: what it says of binaries that would fail elsewhere. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { findLibtorch } from '../../lib/native/libtorch/find-libtorch.js';
import { startProgram } from '../helpers/command-line.js';
import { writeTree } from '../helpers/temporary.js';

const { root, series, version } = findLibtorch();
const script = join(import.meta.dirname, '../../scripts/check-binaries.mjs');

/** Checks an engine for this libtorch that is compiled from `source`. */
async function checked(t: Test, source: string, flags: string[] = []) {
  const folder = await writeTree(t, { [`torch-${series}/engine.cpp`]: source });
  const engine = join(folder, `torch-${series}/engine.node`);
  const usual = ['-shared', '-fPIC', '-s', '-Wl,-z,nodelete', '-o', engine];
  execFileSync('g++', [...usual, ...flags, engine.replace(/node$/, 'cpp')]);
  return startProgram(process.execPath, [script, '--libtorch', root, engine]).ended;
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
