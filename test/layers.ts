/** The direction of imports, and that none go in a circle (docs/architecture.md). */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import t, { type Test } from 'tap';

const repository = resolve(import.meta.dirname, '..');

function sources(folder: string): string[] {
  return readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|cts|cpp|h|cu|cuh)$/.test(name))
    .map((name) => join(folder, name));
}

/** Folder below lib/ or cpp/ → folders that it may import from. */
const libMayImport: Record<string, string[]> = {
  native: [],
  images: [],
  data: ['native', 'images'],
  model: ['native', 'data'],
  report: ['data'],
  cache: ['native', 'data', 'model'],
  evaluate: ['native', 'data', 'model', 'report'],
  predict: ['native', 'images', 'data', 'model', 'report'],
  compare: ['native', 'images', 'data', 'model', 'report', 'evaluate'],
  train: ['native', 'data', 'model', 'cache', 'report', 'evaluate'],
  features: ['native', 'images', 'data', 'model', 'cache', 'report'],
  demo: ['native', 'images', 'data', 'model', 'report', 'evaluate', 'predict', 'train', 'features'],
  cli: [
    'native',
    'images',
    'data',
    'model',
    'cache',
    'report',
    'evaluate',
    'predict',
    'compare',
    'train',
    'features',
    'demo',
  ],
};
const cppMayImport: Record<string, string[]> = {
  core: [],
  ops: ['core'],
  heads: ['core', 'ops'],
  cache: ['core', 'ops', 'heads'],
  models: ['core', 'ops'],
  bindings: ['core', 'ops', 'heads', 'cache', 'models', 'loader'],
  // The interface of the kernels' library.
  loader: ['ops'],
};
/** Of packages/street-scenes/cpp: its own folders and those of the product. */
const scenesCppMayImport: Record<string, string[]> = {
  training: ['core', 'models'],
  addon: ['core', 'models', 'bindings', 'training'],
};

/** The only files of lib/ itself that may import from folders, and that nobody imports. The others are leaves. */
const entries = ['index.ts', 'index.cts'];

/** File below lib/ → files of lib/ that it imports: for values or types, at once or when they are needed. */
const libImports = new Map(
  sources('lib').map((file) => {
    const text = readFileSync(join(repository, file), 'utf8');
    const targets = [...text.matchAll(/(?:from|import|require)\s*\(?\s*'(\.[^']+)'/g)].map(([, path]) =>
      relative(join(repository, 'lib'), resolve(repository, file, '..', path!.replace(/js$/, 'ts'))),
    );
    return [relative('lib', file), [...new Set(targets)]] as const;
  }),
);

/** The first folder of a path below lib/; undefined for a file of lib/ itself. */
function folderOf(file: string): string | undefined {
  return file.includes('/') ? file.split('/')[0] : undefined;
}

function mayImport(file: string, target: string): boolean {
  const [from, to] = [folderOf(file), folderOf(target)];
  if (entries.includes(target)) return entries.includes(file);
  if (entries.includes(file) || to === undefined) return true;
  return from !== undefined && (from === to || Boolean(libMayImport[from]?.includes(to)));
}

/** Each circle that a walk along the imports closes: its files in order, the first once more at the end. */
function circlesOf(imports: ReadonlyMap<string, readonly string[]>): string[] {
  const circles: string[] = [];
  const path: string[] = [];
  const done = new Set<string>();
  const visit = (file: string) => {
    const start = path.indexOf(file);
    if (start >= 0) circles.push([...path.slice(start), file].join(' → '));
    if (start >= 0 || done.has(file)) return;
    path.push(file);
    for (const target of imports.get(file) ?? []) visit(target);
    path.pop();
    done.add(file);
  };
  for (const file of imports.keys()) visit(file);
  return circles;
}

t.test('TypeScript imports go downward only', async (t) => {
  const folders = new Set([...libImports.keys()].flatMap((file) => folderOf(file) ?? []));
  t.same([...folders].sort(), Object.keys(libMayImport).sort(), 'every folder has its place');
  const edges = [...libImports].flatMap(([file, targets]) =>
    targets.map((target) => [file, target] as const),
  );
  t.ok(edges.length > 500, 'imports were found');
  const unknown = edges.filter(([, target]) => !libImports.has(target));
  t.same(unknown, [], 'of files of lib/');
  const upward = edges.filter(([file, target]) => !mayImport(file, target));
  t.same(upward, [], 'downward');
});

t.test('no file of lib/ imports itself by way of others, types included', async (t) => {
  const made = { 'a.ts': ['b.ts'], 'b.ts': ['c.ts', 'd.ts'], 'c.ts': ['b.ts'], 'd.ts': [] };
  t.same(circlesOf(new Map(Object.entries(made))), ['b.ts → c.ts → b.ts'], 'a circle is found');
  t.same(circlesOf(libImports), []);
});

/** Whether what the files of a folder include goes downward, and whether only `nodeFolders` know N-API. */
function checkIncludes(t: Test, root: string, mayImport: Record<string, string[]>, nodeFolders: string[]) {
  let edges = 0;
  for (const file of sources(root)) {
    const folder = relative(root, file).split('/')[0]!;
    const text = readFileSync(join(repository, file), 'utf8');
    if (!nodeFolders.includes(folder)) t.notMatch(text, /#include <napi\.h>/, `${file} is free of N-API`);
    for (const [, target] of text.matchAll(/#include "(\w+)\//g)) {
      if (target === folder) continue;
      edges++;
      t.ok(mayImport[folder]?.includes(target!), `${file} includes ${target}`);
    }
  }
  t.ok(edges > 20, 'includes were found');
}

t.test('C++ includes go downward only, and only the bindings know N-API', async (t) => {
  checkIncludes(t, 'cpp', cppMayImport, ['bindings', 'loader']);
  checkIncludes(t, 'packages/street-scenes/cpp', scenesCppMayImport, ['addon']);
});

t.test('the product knows nothing of the workspaces', async (t) => {
  for (const file of [...sources('lib'), ...sources('cpp')])
    t.notMatch(
      readFileSync(join(repository, file), 'utf8'),
      /(from|import\(|include)\W+[^'"]*packages\//,
      file,
    );
});

t.test('sharp is imported in one place', async (t) => {
  const importers = sources('lib').filter((file) =>
    /from 'sharp'/.test(readFileSync(join(repository, file), 'utf8')),
  );
  t.same(importers, [join('lib', 'codec.ts')]);
});
