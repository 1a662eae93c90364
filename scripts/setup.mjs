// All the set-up of a fresh clone, each step only where it is due: packages, TypeScript, libtorch, the native addon.
//   node scripts/setup.mjs [addon]     `addon`: builds the addon even where it is up to date
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const say = (text) => process.stderr.write(`setup: ${text}\n`);
const run = (command, args) =>
  execFileSync(command, args, { cwd: root, stdio: ['ignore', process.stderr, process.stderr] });

function requireTools() {
  const missing = ['cmake', 'g++'].filter((tool) => {
    try {
      execFileSync(tool, ['--version'], { stdio: 'ignore' });
      return false;
    } catch {
      return true;
    }
  });
  if (missing.length > 0) {
    say(
      `${missing.join(' and ')} not found. On Debian or Ubuntu: apt-get install cmake g++ make python3-pip`,
    );
    process.exit(1);
  }
}

/** Newest modification time of the files below the given paths. */
function newest(...paths) {
  const time = (path) => {
    const stat = statSync(path);
    if (!stat.isDirectory()) return stat.mtimeMs;
    return Math.max(0, ...readdirSync(path).map((name) => time(join(path, name))));
  };
  return Math.max(...paths.map((path) => time(join(root, path))));
}

function installPackages() {
  const installed = join(root, 'node_modules/.package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= newest('package-lock.json')) return;
  say('installing packages');
  run('npm', ['ci', '--no-audit', '--no-fund']);
}

function compileTypeScript() {
  const stamp = join(root, 'dist/index.js');
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= newest('lib', 'tsconfig.json')) return;
  say('compiling TypeScript');
  run('npx', ['tsc', '-p', '.']);
}

async function findOrInstallLibtorch() {
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

function buildAddon(libtorch) {
  const engine = join(root, `native/torch-${libtorch.series}/build/Release/engine.node`);
  const forced = process.argv[2] === 'addon';
  const current =
    !forced && existsSync(engine) && statSync(engine).mtimeMs >= newest('cpp', 'CMakeLists.txt');
  if (current) return;
  requireTools();
  say(`building the native addon for libtorch ${libtorch.version} (${libtorch.root})`);
  // A build folder that was configured for another libtorch is configured anew.
  const cache = join(root, 'build/CMakeCache.txt');
  const other =
    existsSync(cache) && !readFileSync(cache, 'utf8').includes(`LIBTORCH:PATH=${libtorch.root}\n`);
  run('npx', [
    'cmake-js',
    other ? 'rebuild' : 'compile',
    `--CDLIBTORCH:PATH=${libtorch.root}`,
    '--parallel',
    '2',
  ]);
}

try {
  installPackages();
  compileTypeScript();
  buildAddon(await findOrInstallLibtorch());
} catch (error) {
  say(error.message);
  process.exit(1);
}
