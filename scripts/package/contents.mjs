// What the tarball must and must not contain.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join } from 'node:path';
import { root } from '../native-build.mjs';

const needed = [
  ...['dist/index.js', 'dist/index.cjs', 'dist/index.d.ts', 'dist/index.d.cts'],
  ...['report/page.css', 'report/print.css', 'report/viewer.js'],
  ...['LICENSE', 'NOTICE', 'README.md', 'CHANGELOG.md', 'CMakeLists.txt', 'scripts/setup.mjs'],
  'docs/comparison.png', // shown by README.md
];
const ballast = /(^|\/)(test|bench|lib|build|packages|\.\w+)(\/|$)|\.map$|\.o$/;

/** Files that CMakeLists.txt, and what it includes, names. */
function namedByCmake(folder, file = 'CMakeLists.txt') {
  const text = readFileSync(join(folder, file), 'utf8').replace(/^\s*#.*$/gm, '');
  const names = [...text.matchAll(/(?<![\w/])cpp\/[\w./-]+\.\w+/g)].map(([name]) => name);
  const included = [...text.matchAll(/\binclude\(([\w./-]+\.cmake)\)/g)].map(([, name]) => name);
  return [
    ...names,
    ...included
      .filter((name) => existsSync(join(folder, name)))
      .flatMap((name) => namedByCmake(folder, name)),
  ];
}

/** Files that a script imports, those that these import, and so on; `../dist` is compiled and checked by itself. */
function importedBy(folder, script, seen = new Set()) {
  const text = readFileSync(join(folder, script), 'utf8');
  const specifiers = [
    ...text.matchAll(/^(?:import|export)\b[^;'"]*?['"]([^'"]+)['"];/gm),
    ...text.matchAll(/\b(?:import\(|new URL\()\s*['"]([^'"]+)['"]/g),
  ].map(([, name]) => name);
  for (const specifier of specifiers.filter((name) => name.startsWith('.') && name !== '..')) {
    const file = join(dirname(script), specifier);
    if (seen.has(file)) continue;
    seen.add(file);
    if (/\.m?js$/.test(file) && !file.startsWith('dist/') && existsSync(join(folder, file)))
      importedBy(folder, file, seen);
  }
  return seen;
}

/** Files below dist/ of a package, and whether lib/ has a source of each. */
function compiledFiles(folder) {
  const sources = new Set(readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' }));
  const files = readdirSync(join(folder, 'dist'), { recursive: true, encoding: 'utf8' });
  return files.flatMap((name) => {
    const stem = /^(.*?)(\.d)?\.c?[jt]s$/.exec(name)?.[1];
    if (stem === undefined) return [];
    return { name, hasSource: sources.has(`${stem}.ts`) || sources.has(`${stem}.cts`) };
  });
}

/** Packages that a file imports. */
function packagesOf(file) {
  const text = readFileSync(file, 'utf8').replace(/^\s*(\/?\*|\/\/).*$/gm, '');
  const imports = /\b(?:from|import|import\(|require\()\s*['"](@?[\w-][\w@:./-]*)['"]/g;
  return [...text.matchAll(imports)]
    .map(([, name]) => name)
    .filter((name) => !name.startsWith('node:') && !builtinModules.includes(name))
    .map((name) => /^(@[^/]+\/)?[^/]+/.exec(name)[0]);
}

/**
 * Faults of a package's files, one sentence each.
 *
 * @param files paths of the packed files, by slashes
 * @param folder where their texts are: the repository, or an installed package
 */
export function faultsOfContents(files, folder = root) {
  const has = new Set(files);
  const lacking = (names, why) =>
    [...names].filter((name) => !has.has(name)).map((name) => `The tarball lacks ${name}${why}.`);
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const cpp = readdirSync(join(root, 'cpp'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length));
  const hooks = ['preinstall', 'install', 'postinstall', 'prepare'].filter((name) => manifest.scripts[name]);
  return [
    ...lacking(needed, ''),
    ...lacking(namedByCmake(root), ', which CMakeLists.txt names'),
    ...lacking(cpp, ', which is in the repository'),
    ...lacking(importedBy(root, 'scripts/setup.mjs'), ', which scripts/setup.mjs needs'),
    ...files.filter((name) => ballast.test(name)).map((name) => `The tarball contains ${name}.`),
    // If npm, pnpm or Yarn find one, they run node-gyp; `npm ci` does so even with "gypfile": false.
    ...files
      .filter((name) => name.endsWith('binding.gyp'))
      .map((name) => `The tarball contains ${name}, which package managers would build.`),
    ...hooks.map((name) => `The package has a script that runs at install: ${name}.`),
  ];
}

/** Files of a package's dist/ without a source, which an earlier compilation left. */
export const staleFiles = (folder) =>
  compiledFiles(folder)
    .filter(({ hasSource }) => !hasSource)
    .map(({ name }) => `dist/${name}`);

/** Packages that a package's dist/ imports without naming them as dependencies: Plug'n'Play and pnpm do not find them. */
export function undeclaredPackages(folder) {
  const { dependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const files = compiledFiles(folder).filter(({ hasSource }) => hasSource);
  const names = files.flatMap(({ name }) => packagesOf(join(folder, 'dist', name)));
  return [...new Set(names)].filter((name) => !dependencies[name]);
}
