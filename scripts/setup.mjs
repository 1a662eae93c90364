// All the set-up, each step only where it is due: packages and TypeScript (in a clone), libtorch, the native addon.
//   node scripts/setup.mjs [addon]     `addon`: builds the addon even where it is up to date
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  buildAddon,
  builtFile,
  findOrInstallLibtorch,
  isCurrent,
  newest,
  root,
  run,
  say,
} from './native-build.mjs';

const isClone = existsSync(join(root, 'lib'));

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

try {
  if (isClone) {
    installPackages();
    compileTypeScript();
  }
  const libtorch = await findOrInstallLibtorch();
  const forced = process.argv[2] === 'addon';
  if (forced || !isCurrent(builtFile(`torch-${libtorch.series}`))) buildAddon(libtorch);
} catch (error) {
  say(error.message);
  process.exit(1);
}
