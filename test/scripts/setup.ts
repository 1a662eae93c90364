/** scripts/setup.mjs in a small clone whose npm, tsc, cmake-js and libtorch are programs of a few lines. */
import { chmodSync, cpSync, existsSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import t, { type Test } from 'tap';
import { startProgram } from '../helpers/command-line.js';
import { writeTree } from '../helpers/temporary.js';

const repository = resolve(import.meta.dirname, '../..');

/** Prints 2,000 lines, and does nothing else where the file `fails/<name>` is there. */
const program = (name: string, work: string) => `
import { appendFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
for (let line = 0; line < 1000; line++) { console.log('${name} out ' + line); console.error('${name} err ' + line); }
appendFileSync('calls', '${name} ' + process.argv.slice(2).join(' ') + '\\n');
const write = (path, text) => { mkdirSync(path.replace(/\\/[^/]*$/, ''), { recursive: true }); writeFileSync(path, text); };
${work}
if (existsSync('fails/${name}') && process.argv[2] !== 'configure') process.exitCode = 1;
`;
const tsc = program(
  'tsc',
  `
if (existsSync('fails/tsc')) console.log("lib/index.ts(1,7): error TS2322: Type 'a' is not assignable to type 'b'.");
const out = process.argv.at(-1);
write(out + '/index.js', '');
write(out + '/native/cores.js', 'export const usableCores = () => 3;');
write(out + '/native/free-memory.js', 'import { existsSync } from "node:fs"; export const freeMemory = () => existsSync("fails/memory") ? 3 * 2 ** 30 : 2 ** 40;');
write(out + '/native/libtorch/find-libtorch.js', \`
import { existsSync } from 'node:fs';
export const findLibtorch = () => {
  if (!existsSync('libtorch')) throw Object.assign(new Error('none'), { code: 'LIBTORCH_NOT_FOUND' });
  return { root: '/libtorch', version: '2.13.0', series: '2.13', cuda: false };
};\`);
write(out + '/native/libtorch/install-libtorch.js', \`
import { writeFileSync } from 'node:fs';
export const installLibtorch = async ({ onProgress }) => {
  const message = 'unpacking libtorch 2.13.0';
  onProgress({ message, output: 'pip is slow' });
  for (let doneBytes = 1; doneBytes <= 40000; doneBytes++) onProgress({ message, doneBytes, totalBytes: 40000 });
  writeFileSync('libtorch', '');
  return { root: '/libtorch', version: '2.13.0', build: 'cpu' };
};\`);
write(out + '/native/doctor/run-probe.js', 'export const runProbe = async () => ({ steps: [{ name: "engine", state: "ok" }] });');`,
);
const cmakeJs = program(
  'cmake-js',
  `
const [command] = process.argv.slice(2);
if (command === 'configure') {
  write('build/build.ninja', '');
  write('build/CMakeCache.txt', 'LIBTORCH:PATH=/libtorch\\nCMAKE_HOME_DIRECTORY:INTERNAL=' + process.cwd() + '\\n');
}
if (command === 'build') {
  console.log('jobs: ' + process.env.CMAKE_BUILD_PARALLEL_LEVEL);
  console.log('[3/14] Building CXX object engine.cpp.o');
  if (existsSync('fails/cmake-js')) console.log('cpp/core/utf8.cpp:7:3: error: expected primary-expression');
  write('native/loader/build/Release/loader.node', '');
  write('native/torch-2.13/build/Release/engine.node', '');
  if (existsSync('fails/for ever')) setInterval(() => {}, 1000);
}`,
);
const npm = program(
  'npm',
  `
if (existsSync('fails/npm')) console.error('npm error code E404');
else write('node_modules/.package-lock.json', '{"packages":{"a":{},"b":{}}}');`,
);

async function prepare(t: Test) {
  const root = await writeTree(t, {
    ...{ 'package.json': '{"type":"module"}', 'package-lock.json': '{}', 'tsconfig.json': '{}' },
    ...{ 'lib/index.ts': '', 'cpp/core/utf8.cpp': '', 'CMakeLists.txt': '', 'fails/.keep': '' },
    'node_modules/typescript/bin/tsc': tsc,
    'node_modules/typescript/package.json': '{"type":"module"}',
    'node_modules/cmake-js/bin/cmake-js': cmakeJs,
    'node_modules/cmake-js/package.json': '{"type":"module"}',
    'node_modules/node-addon-api/package.json': '{}',
    'node_modules/node-addon-api/index.js': '',
    'bin/npm.mjs': npm,
    'bin/npm': `#!/bin/sh\nexec ${process.execPath} ${'"$(dirname "$0")"'}/npm.mjs "$@"\n`,
    ...{ 'bin/cmake': '#!/bin/sh\n', 'bin/g++': '#!/bin/sh\n' },
  });
  for (const name of ['npm', 'cmake', 'g++']) chmodSync(join(root, 'bin', name), 0o755);
  for (const path of ['setup', 'setup.mjs', 'native-build.mjs'])
    cpSync(join(repository, 'scripts', path), join(root, 'scripts', path), { recursive: true });
  const at = (path: string) => join(root, path);
  const start = (...args: string[]) =>
    startProgram(
      'sh',
      [
        '-c',
        'unset NODE_OPTIONS; cd "$0" && exec "$@"',
        root,
        process.execPath,
        'scripts/setup.mjs',
        ...args,
      ],
      {
        PATH: [at('bin'), dirname(process.execPath), process.env['PATH']].join(delimiter),
        CMAKE_BUILD_PARALLEL_LEVEL: '',
      },
    );
  const run = async (...args: string[]) => {
    rmSync(at('calls'), { force: true });
    const { code, stdout, stderr } = await start(...args).ended;
    t.equal(stdout, '');
    const calls = existsSync(at('calls')) ? readFileSync(at('calls'), 'utf8').trimEnd().split('\n') : [];
    return { code, stderr, calls: calls.map((call) => call.split(' ').slice(0, 2).join(' ')) };
  };
  const fail = (name: string) => writeFileSync(at(`fails/${name}`), '');
  const mend = (name: string) => rmSync(at(`fails/${name}`));
  return { at, start, run, fail, mend, log: () => readFileSync(at('.tmp/setup.log'), 'utf8') };
}

t.test(
  'a fresh clone is set up in five lines; all else is in the log; then there is nothing to do or to say',
  async (t) => {
    const { at, run, log } = await prepare(t);
    const first = await run();
    t.equal(first.code, 0, first.stderr);
    t.equal(
      first.stderr.replace(/ · \d+\.\d s$/gm, ''),
      [
        '[1/5] packages: 2 installed',
        '[2/5] TypeScript: compiled',
        '[3/5] libtorch: 2.13.0 (cpu) installed in /libtorch',
        '[4/5] addon: built for libtorch 2.13.0',
        '[5/5] check: the addon works',
        '',
      ].join('\n'),
    );
    t.same(first.calls, ['npm ci', 'tsc -p', 'cmake-js configure', 'cmake-js build']);
    for (const line of [
      'npm err 999',
      'tsc out 0',
      'pip is slow',
      'cmake-js out 999',
      'jobs: 3',
      'engine: ok ',
    ])
      t.ok(log().split('\n').includes(line), line);
    const second = await run();
    t.same(second, { code: 0, stderr: '', calls: [] });
    // A file that is newer, but nothing of what is built.
    const later = new Date(Date.now() + 5000);
    utimesSync(at('cpp/core/utf8.cpp'), later, later);
    t.same((await run()).calls, ['cmake-js build']);
  },
);

t.test('what fails names the log and says why; the next run goes on there', async (t) => {
  const { run, fail, mend, log } = await prepare(t);
  for (const [name, number, why] of [
    ['npm', '1', 'npm error code E404'],
    ['tsc', '2', "lib/index.ts(1,7): error TS2322: Type 'a' is not assignable to type 'b'."],
    ['cmake-js', '4', 'cpp/core/utf8.cpp:7:3: error: expected primary-expression'],
  ] as const) {
    fail(name);
    const { code, stderr, calls } = await run();
    t.equal(code, 1);
    const failed = stderr.split('\n').find((line) => line.startsWith(`[${number}/5]`));
    t.match(failed, /: failed · \d/);
    t.ok(stderr.includes(`\n  ${why}\n`), stderr);
    t.ok(stderr.endsWith('setup: the full output is in .tmp/setup.log\n'), stderr);
    t.ok(stderr.split('\n').length < 20);
    t.ok(log().includes(`${name} out 999`));
    t.match(calls.at(-1), name);
    mend(name);
  }
  const last = await run();
  t.equal(last.code, 0, last.stderr);
  t.same(last.calls, ['cmake-js build'], 'a failed build is gone on with, neither configured nor cleaned');
});

t.test('TypeScript that does not compile leaves what was compiled before, and is due again', async (t) => {
  const { at, run, fail } = await prepare(t);
  await run();
  writeFileSync(at('dist/index.js'), 'whole');
  const later = new Date(Date.now() + 5000);
  utimesSync(at('lib/index.ts'), later, later);
  fail('tsc');
  t.same((await run()).calls, ['tsc -p']);
  t.equal(readFileSync(at('dist/index.js'), 'utf8'), 'whole');
  t.same((await run()).calls, ['tsc -p']);
});

t.test(
  'a set-up that is stopped says so, stops what it started, and trusts no binary that may be half-written',
  async (t) => {
    const { at, start, run, fail, mend } = await prepare(t);
    fail('for ever');
    const { child, ended } = start();
    while (!existsSync(at('native/torch-2.13/build/Release/engine.node')))
      await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill('SIGTERM');
    const { code, stderr } = await ended;
    t.equal(code, 143, stderr);
    t.match(stderr, /\[4\/5\] addon: stopped · .*\nsetup: stopped; the next run continues from here\n$/);
    mend('for ever');
    t.same((await run()).calls, ['cmake-js build']);
    t.same((await run()).calls, []);
  },
);

t.test(
  'a folder that was configured for another libtorch, or in another place, is configured anew',
  async (t) => {
    const { at, run, fail, log } = await prepare(t);
    await run();
    fail('memory');
    writeFileSync(at('build/CMakeCache.txt'), 'LIBTORCH:PATH=/other\n');
    t.same((await run('addon')).calls, ['cmake-js reconfigure', 'cmake-js build']);
    t.ok(log().split('\n').includes('jobs: 2'), 'of three processors as many as there is memory for');
  },
);
