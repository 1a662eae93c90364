// Runs before `npm pack`. Checks that prebuilt binaries exist and are up to date, and compiles dist/ again, without source maps
// and without files of earlier compilations.
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isCurrent, root, run, say } from './native-build.mjs';

function compileAnew() {
  const [fresh, old] = ['dist.new', 'dist.old'].map((name) => join(root, '.tmp', name));
  const target = join(root, 'dist');
  for (const folder of [fresh, old]) rmSync(folder, { recursive: true, force: true });
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  if (!existsSync(compiler)) throw new Error('TypeScript is missing, which compiles dist/. Run `npm ci`.');
  run(process.execPath, [compiler, '-p', '.', '--sourceMap', 'false', '--outDir', fresh]);
  // In one step, since a program may be running from dist/.
  if (existsSync(target)) renameSync(target, old);
  renameSync(fresh, target);
  rmSync(old, { recursive: true, force: true });
}

function prebuilt(name) {
  const folder = join(root, 'native', name, 'prebuilds');
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return files.filter((file) => /\.(node|so)$/.test(file)).map((file) => join(folder, file));
}

function checkBinaries() {
  const native = join(root, 'native');
  const engines = existsSync(native) ? readdirSync(native).filter((name) => name.startsWith('torch-')) : [];
  const loaders = prebuilt('loader');
  const binaries = engines.flatMap(prebuilt);
  if (loaders.length === 0 || !binaries.some((file) => file.endsWith('.node')))
    throw new Error(
      'There is no prebuilt loader or engine to pack. Run `npm run setup`, then `npm run prebuild` to compile them.',
    );
  const kernels = prebuilt('cuda-kernels');
  for (const name of engines)
    if (prebuilt(name).length === 1) say(`native/${name} has no cuda_ops.so; npm run prebuild says why`);
  if (kernels.length === 0)
    say('the package will have no cuda_kernels.so: on CUDA, it will warn and be slower (npm run prebuild)');
  const stale = [...loaders, ...binaries, ...kernels].filter((file) => !isCurrent(file));
  if (stale.length > 0)
    throw new Error(`Older than the sources: ${stale.join(', ')}. Run \`npm run prebuild\`.`);
  run(process.execPath, ['scripts/check-binaries.mjs']);
}

try {
  checkBinaries();
  compileAnew();
} catch (error) {
  say(error.message);
  process.exit(1);
}
