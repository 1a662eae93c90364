/** The direction of imports (docs/architecture.md). */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import t from 'tap';

const root = resolve(import.meta.dirname, '..');

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|cpp|h|cu|cuh)$/.test(name))
    .map((name) => join(folder, name));
}

/** Folder below lib/ or cpp/ → folders that it may import from. Leaves are files of lib/ itself. */
const libMayImport: Record<string, string[]> = {
  native: [],
  data: ['native'],
  model: ['native', 'data'],
  report: ['data'],
  cache: ['native', 'data', 'model'],
  train: ['native', 'data', 'model', 'cache', 'report'],
  features: ['native', 'data', 'model', 'cache', 'report'],
  demo: ['native', 'data', 'model', 'report', 'train', 'features'],
  cli: ['native', 'data', 'model', 'cache', 'report', 'train', 'features', 'demo'],
};
const cppMayImport: Record<string, string[]> = {
  core: [],
  ops: ['core'],
  heads: ['core', 'ops'],
  cache: ['core', 'ops', 'heads'],
  models: ['core', 'ops'],
  training: ['core', 'ops', 'models'],
  bindings: ['core', 'ops', 'heads', 'cache', 'models', 'training', 'loader'],
  loader: [],
};

t.test('TypeScript imports go downward only', async (t) => {
  let edges = 0;
  for (const file of sources('lib')) {
    const [folder, nested] = relative('lib', file).split('/');
    if (nested === undefined) continue;
    for (const [, path] of readFileSync(join(root, file), 'utf8').matchAll(/from '(\.[^']+)'/g)) {
      const [target, below] = relative(join(root, 'lib'), resolve(root, file, '..', path!)).split('/');
      if (below === undefined || target === folder) continue;
      edges++;
      t.ok(libMayImport[folder!]?.includes(target!), `${file} imports ${target}`);
    }
  }
  t.ok(edges > 20, 'imports were found');
});

t.test('C++ includes go downward only, and only the bindings know N-API', async (t) => {
  let edges = 0;
  for (const file of sources('cpp')) {
    const folder = relative('cpp', file).split('/')[0]!;
    const text = readFileSync(join(root, file), 'utf8');
    if (folder !== 'bindings' && folder !== 'loader')
      t.notMatch(text, /#include <napi\.h>/, `${file} is free of N-API`);
    for (const [, target] of text.matchAll(/#include "(\w+)\//g)) {
      if (target === folder) continue;
      edges++;
      t.ok(cppMayImport[folder]?.includes(target!), `${file} includes ${target}`);
    }
  }
  t.ok(edges > 20, 'includes were found');
});

t.test('sharp is imported in one place', async (t) => {
  const importers = sources('lib').filter((file) =>
    /from 'sharp'/.test(readFileSync(join(root, file), 'utf8')),
  );
  t.same(importers, [join('lib', 'data', 'decode.ts')]);
});
