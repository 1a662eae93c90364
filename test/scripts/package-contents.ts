/** What `npm pack` puts into the package. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import t from 'tap';
import { faultsOfContents, staleFiles, undeclaredPackages } from '../../scripts/package/contents.mjs';
import { writeTree } from '../helpers/temporary.js';

const root = resolve(import.meta.dirname, '../..');
const listed = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
  cwd: root,
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'ignore'],
});
const [{ files }] = JSON.parse(listed) as [{ files: { path: string }[] }];
// Source maps are of the compilation for development; prepack compiles anew.
const packed = files
  .map(({ path }) => path)
  .filter((path) => !(path.startsWith('dist/') && path.endsWith('.map')));

t.test(
  'the package has what a build from source needs, and nothing that package managers would build',
  (t) => {
    t.same(faultsOfContents(packed), []);
    t.end();
  },
);

t.test('dist/ imports no package that is not a dependency', (t) => {
  t.same(undeclaredPackages(root), []);
  t.end();
});

t.test('all binaries that were prebuilt are packed, those for CUDA among them', (t) => {
  const folder = join(root, 'native');
  const native = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : [];
  const prebuilt = native.filter((name) => /\/prebuilds\/.*\.(node|so)$/.test(name));
  t.comment(prebuilt.join(', ') || 'there are none');
  const binaries = packed.filter((name) => name.startsWith('native/'));
  t.same(binaries.sort(), prebuilt.map((name) => `native/${name}`).sort());
  t.end();
});

for (const [what, change, fault] of [
  ['a binding.gyp', [...packed, 'binding.gyp'], /contains binding\.gyp/],
  ['a test', [...packed, 'test/files.ts'], /contains test\/files\.ts/],
  ['no kernel for CUDA', without('cpp/ops/cuda/swiglu.cu'), /lacks cpp\/ops\/cuda\/swiglu\.cu, which is in/],
  [
    'no CMakeLists.txt of the kernels',
    without('cpp/ops/cuda/CMakeLists.txt'),
    /lacks cpp\/ops\/cuda\/CMakeLists\.txt, which is in/,
  ],
  ['no embed.cmake', without('cpp/models/embed.cmake'), /lacks cpp\/models\/embed\.cmake, which CMake/],
  ['no header', without('cpp/core/pch.h'), /lacks cpp\/core\/pch\.h, which/],
  [
    'no module of setup.mjs',
    without('scripts/native-build.mjs'),
    /lacks scripts\/native-build\.mjs, which scripts/,
  ],
] as const)
  t.test(`a package with ${what} is a faulty one`, (t) => {
    t.match(faultsOfContents(change).join('\n'), fault);
    t.end();
  });

t.test('a file without a source and an undeclared dependency are found in dist/', async (t) => {
  const folder = await writeTree(t, {
    'package.json': JSON.stringify({ dependencies: { sharp: '1' } }),
    'dist/index.js':
      "import sharp from 'sharp';\nimport { x } from 'left-pad/x.js';\nimport fs from 'node:fs';\n",
    'dist/gone.js': '',
  });
  t.same(staleFiles(folder), ['dist/gone.js']);
  t.same(undeclaredPackages(folder), ['left-pad']);
});

t.test('a script that runs at install is a fault', async (t) => {
  const folder = await writeTree(t, { 'package.json': JSON.stringify({ scripts: { install: 'x' } }) });
  t.same(faultsOfContents(packed, folder), ['The package has a script that runs at install: install.']);
});

function without(name: string): string[] {
  return packed.filter((path) => path !== name);
}
