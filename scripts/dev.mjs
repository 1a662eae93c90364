// Compiles what changes and runs tests again, until Ctrl-C:
//   npm run dev [-- test/PATH…]     the named tests; by default, test files that change
// TypeScript is compiled incrementally, C++ file by file in build/dev (CMakePresets.json), whose first build takes minutes.
import { spawn } from 'node:child_process';
import { existsSync, watch } from 'node:fs';
import { join } from 'node:path';
import { findLibtorchOrNone, root } from './native-build.mjs';

const named = process.argv.slice(2);
const settleMilliseconds = 100;
const watched = ['lib', 'cpp', 'test', 'packages', 'report', 'CMakeLists.txt', 'tsconfig.json'];
const scenesCpp = 'packages/street-scenes/cpp/';
const isCpp = (path) => /^(cpp\/|CMakeLists\.txt$)/.test(path) || path.startsWith(scenesCpp);
const isLib = (path) => /^(lib\/|tsconfig\.json$)/.test(path);
const isTest = (path) => /(^|\/)test\/(?!helpers\/|fixtures\/).*\.ts$/.test(path);

/** Runs a program. @returns whether it succeeded */
async function run(command, ...args) {
  const child = spawn(command, args, { cwd: root, stdio: 'inherit' });
  return new Promise((resolve) => {
    child.on('error', (error) => (console.error(error.message), resolve(false)));
    child.on('close', (code) => resolve(code === 0));
  });
}

const compileTypeScript = () =>
  run(
    process.execPath,
    ...['node_modules/typescript/bin/tsc', '-p', '.', '--incremental'],
    ...['--tsBuildInfoFile', '.tmp/dev.tsbuildinfo'],
  );

async function compileAddon(withScenes) {
  if (!existsSync(join(root, 'build/dev/CMakeCache.txt'))) {
    console.log('First build, file by file: this takes minutes.');
    const { root: libtorch } = await findLibtorchOrNone();
    if (!(await run('cmake', '--preset', 'dev', `-DLIBTORCH=${libtorch}`))) return false;
  }
  const targets = withScenes ? ['--target', 'all', 'street_scenes'] : [];
  return run('cmake', '--build', '--preset', 'dev', ...targets);
}

/** Compiles what changed and runs the tests. @returns whether all succeeded */
async function update(changed) {
  if (changed.some(isLib) && !(await compileTypeScript())) return false;
  const withScenes = changed.some((path) => path.startsWith(scenesCpp));
  if (changed.some(isCpp) && !(await compileAddon(withScenes))) return false;
  const isThere = (path) => existsSync(join(root, path));
  const tests = named.length > 0 ? named : changed.filter((path) => isTest(path) && isThere(path));
  return tests.length === 0 || run(process.execPath, 'scripts/test.mjs', ...tests);
}

// setup.mjs, which ran before, does not do the first incremental compilation.
const changed = new Set(['lib/']);
let isBusy = false;

async function updateAll() {
  if (isBusy) return;
  isBusy = true;
  while (changed.size > 0) {
    const now = [...changed];
    changed.clear();
    const started = performance.now();
    const outcome = (await update(now)) ? 'done' : 'failed';
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`${outcome} in ${seconds} s; waiting for changes`);
  }
  isBusy = false;
}

let timer;
for (const path of watched)
  watch(join(root, path), { recursive: true }, (_, name) => {
    changed.add(path.includes('.') ? path : `${path}/${name}`);
    clearTimeout(timer);
    timer = setTimeout(updateAll, settleMilliseconds);
  });
await updateAll();
