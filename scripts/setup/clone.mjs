// What a clone needs in addition to an installed package: npm's packages and the compiled TypeScript.
import { existsSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { newest, root } from '../native-build.mjs';

/** npm writes this list when all packages are installed. */
const installed = join(root, 'node_modules/.package-lock.json');

export function hasPackages() {
  return existsSync(installed) && statSync(installed).mtimeMs >= newest('package-lock.json');
}

/** Installs the packages of package-lock.json and returns their number. */
export async function installPackages(runIn) {
  await runIn('npm', ['ci', '--no-audit', '--no-fund']);
  return Object.keys(JSON.parse(readFileSync(installed, 'utf8')).packages).length;
}

const compiled = join(root, 'dist');

export function isCompiled() {
  const index = join(compiled, 'index.js');
  return existsSync(index) && statSync(index).mtimeMs >= newest('lib', 'tsconfig.json');
}

/** Compiles all of lib/. dist/ is replaced only if that succeeds. */
export async function compileTypeScript(runIn) {
  // Beside dist/, for the paths in source maps.
  const [fresh, old] = ['dist.new', 'dist.old'].map((name) => join(root, name));
  for (const folder of [fresh, old]) rmSync(folder, { recursive: true, force: true });
  await runIn(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.', '--outDir', fresh]);
  if (existsSync(compiled)) renameSync(compiled, old);
  renameSync(fresh, compiled);
  rmSync(old, { recursive: true, force: true });
}
