/** scripts/libtorch-interface.mjs: what is built against an interface is what the whole libtorch would give. */
import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { examine } from '../../lib/native/libtorch/find-libtorch.js';
import { startProgram } from '../helpers/command-line.js';
import { writeTree } from '../helpers/temporary.js';

const script = join(import.meta.dirname, '../../scripts/libtorch-interface.mjs');
const library = `
thread_local int of_thread = 1;
int variable = 2;
extern "C" int function() { return of_thread + variable; }
template <typename T> struct Unique { static T value; };
template <typename T> T Unique<T>::value = T(3);
template struct Unique<int>;
static char ballast[1 << 20] = {1};
extern "C" char* kept() { return ballast; }`;
const user = `
extern thread_local int of_thread;
extern int variable;
extern "C" int function();
template <typename T> struct Unique { static T value; };
extern template struct Unique<int>;
int use() { return of_thread + variable + function() + Unique<int>::value; }`;

t.test('an interface has the symbols of a libtorch and none of its code', async (t) => {
  const folder = await writeTree(t, {
    'library.cpp': library,
    'user.cpp': user,
    'torch/version.py': "__version__ = '2.13.0+cu130'\n",
    'torch/include/torch/headeronly/version.h': '#define TORCH_VERSION_MAJOR 2\n',
    'torch/lib/libshm.txt': '',
  });
  const at = (path: string) => join(folder, path);
  const compile = (...args: string[]) => execFileSync('g++', ['-shared', '-fPIC', ...args]);
  for (const name of [
    'libtorch.so',
    'libtorch_cpu.so',
    'libtorch_cuda.so',
    'libc10.so',
    'libtorch_python.so',
  ])
    compile(`-Wl,-soname,${name}`, '-o', at(`torch/lib/${name}`), at('library.cpp'));
  const { code, stderr } = await startProgram(process.execPath, [script, at('torch'), at('interface')]).ended;
  t.same([code, stderr], [0, '']);
  t.match(examine(at('interface'), 'test'), { version: '2.13.0', build: 'cu130', cuda: true });
  t.ok(existsSync(at('interface/include/torch/headeronly/version.h')));
  t.notOk(existsSync(at('interface/lib/libtorch_python.so')), 'what addons are not linked to is left out');
  t.ok(statSync(at('interface/lib/libc10.so')).size < 1 << 16, 'no code or values');

  const linked = ['torch', 'interface'].map((from) => {
    const out = at(`of-${from}.so`);
    const libraries = ['libtorch_cpu.so', 'libc10.so'].map((name) => at(`${from}/lib/${name}`));
    compile('-Wl,-z,defs', '-Wl,--no-as-needed', '-o', out, at('user.cpp'), ...libraries);
    const told = (...[program, ...args]: string[]) =>
      execFileSync(program!, [...args, out], { encoding: 'utf8' });
    return [told('nm', '-D', '--undefined-only'), told('readelf', '-d').match(/\[.*\]/g)];
  });
  t.same(linked[1], linked[0], 'what is linked to it needs the same symbols of the same libraries');
  t.match(linked[0]![0], /of_thread/);
});

t.test('it says how it is called', async (t) => {
  const { code, stderr } = await startProgram(process.execPath, [script]).ended;
  t.equal(code, 2);
  t.match(stderr, 'usage: node scripts/libtorch-interface.mjs LIBTORCH DIR');
});
