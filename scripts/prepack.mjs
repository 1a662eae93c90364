// Before `npm pack`: compiles dist/ anew, without source maps and without what earlier compilations left, and sees to it
// that the prebuilt binaries are there and made from these sources.
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isCurrent, root, run, say } from './native-build.mjs';

function compileAnew() {
  const [fresh, old] = ['dist.new', 'dist.old'].map((name) => join(root, '.tmp', name));
  const target = join(root, 'dist');
  for (const folder of [fresh, old]) rmSync(folder, { recursive: true, force: true });
  run('npx', ['tsc', '-p', '.', '--sourceMap', 'false', '--outDir', fresh]);
  // In one step, for whoever is running dist/ at the moment.
  if (existsSync(target)) renameSync(target, old);
  renameSync(fresh, target);
  rmSync(old, { recursive: true, force: true });
}

function prebuilt(name) {
  const folder = join(root, 'native', name, 'prebuilds');
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return files.filter((file) => file.endsWith('.node')).map((file) => join(folder, file));
}

try {
  compileAnew();
  const native = join(root, 'native');
  const engines = existsSync(native) ? readdirSync(native).filter((name) => name.startsWith('torch-')) : [];
  const loaders = prebuilt('loader');
  const binaries = engines.flatMap(prebuilt);
  if (loaders.length === 0 || binaries.length === 0)
    throw new Error('there is no prebuilt loader or engine; run `npm run prebuild`');
  const stale = [...loaders, ...binaries].filter((file) => !isCurrent(file));
  if (stale.length > 0)
    throw new Error(`${stale.join(', ')} is older than the sources; run \`npm run prebuild\``);
  run(process.execPath, ['scripts/check-binaries.mjs']);
} catch (error) {
  say(error.message);
  process.exit(1);
}
