/** A copy of the package with other binaries, for processes of their own. */
import { copyFileSync, cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Test } from 'tap';
import { findLibtorch } from '../../lib/native/libtorch/find-libtorch.js';

export const root = resolve(import.meta.dirname, '../..');
export const libtorch = findLibtorch();
export const engineName = `torch-${libtorch.series}`;
const built = (name: string, file: string) => join(root, 'native', name, 'build/Release', file);
export const binaries = { loader: built('loader', 'loader.node'), engine: built(engineName, 'engine.node') };

/** A copy of the package whose native folder holds only these files (path → binary to copy, or contents). */
export function packageWith(t: Test, native: Record<string, string | Buffer>): string {
  const folder = t.testdir();
  const isNeeded = (path: string) => !/\.(d\.c?ts|map)$/.test(path);
  for (const name of ['dist', 'package.json'])
    cpSync(join(root, name), join(folder, name), { recursive: true, filter: isNeeded });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  for (const [path, content] of Object.entries(native)) {
    const file = join(folder, 'native', path);
    mkdirSync(dirname(file), { recursive: true });
    if (typeof content === 'string') copyFileSync(content, file);
    else writeFileSync(file, content);
  }
  return folder;
}

/** The libtorch in use, with a file that says that it has CUDA. One that has it finds its other libraries only in its place. */
export function claimingCuda(t: Test): string {
  const folder = t.testdir({ lib: {} });
  for (const name of readdirSync(libtorch.root).filter((name) => name !== 'lib'))
    symlinkSync(join(libtorch.root, name), join(folder, name));
  for (const name of readdirSync(join(libtorch.root, 'lib')))
    symlinkSync(join(libtorch.root, 'lib', name), join(folder, 'lib', name));
  writeFileSync(join(folder, 'lib/libtorch_cuda.so'), 'no library');
  return folder;
}
