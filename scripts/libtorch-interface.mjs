// Makes the interface of a libtorch: its headers, and libraries that have its symbols' names and no code. Addons are built against it
// as against the whole, and checked as well (`npm run prebuild -- --libtorch DIR`); it cannot be run. 1 to 3 GB become some 100 MB, which
// a machine can keep of every version, CUDA builds included.
//   node scripts/libtorch-interface.mjs LIBTORCH DIR      needs g++ and readelf
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [libtorch, folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error('usage: node scripts/libtorch-interface.mjs LIBTORCH DIR');
  process.exit(2);
}

/** Where each kind of symbol stands: code, values, and values that each thread has. */
const kinds = {
  FUNC: ['.text', '@function'],
  OBJECT: ['.bss', '@object'],
  TLS: ['.section .tbss,"awT",@nobits', '@tls_object'],
};

/** Assembly that defines the symbols which a library exports, without versions. */
function stubOf(library) {
  const table = execFileSync('readelf', ['-W', '--dyn-syms', library], {
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
  });
  const line =
    /^ *\d+: \w+ +\w+ (FUNC|OBJECT|TLS|IFUNC) +(?:GLOBAL|WEAK|UNIQUE) +(?:DEFAULT|PROTECTED) +\w*\d\w* ([\w.$]+)(?:@\S+)?$/gm;
  const names = { FUNC: [], OBJECT: [], TLS: [] };
  for (const [, kind, name] of table.matchAll(line)) names[kind === 'IFUNC' ? 'FUNC' : kind].push(name);
  const parts = Object.entries(names).flatMap(([kind, list]) => [
    kinds[kind][0],
    ...list.map((name) => `.globl "${name}"\n.type "${name}",${kinds[kind][1]}\n"${name}":`),
    '.zero 8',
  ]);
  return [...parts, '.section .note.GNU-stack,"",@progbits', ''].join('\n');
}

mkdirSync(join(folder, 'lib'), { recursive: true });
for (const name of ['include', 'version.py', 'build-version'])
  if (existsSync(join(libtorch, name)))
    cpSync(join(libtorch, name), join(folder, name), { recursive: true, dereference: true });
for (const name of readdirSync(join(libtorch, 'lib')).filter((name) =>
  /^lib(torch|c10)(_cpu|_cuda)?\.so$|^libgomp/.test(name),
)) {
  const assembly = join(folder, 'lib', `${name}.s`);
  writeFileSync(assembly, stubOf(join(libtorch, 'lib', name)));
  const stub = join(folder, 'lib', name);
  execFileSync('g++', ['-shared', '-nostdlib', '-s', `-Wl,-soname,${name}`, '-o', stub, assembly], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  rmSync(assembly);
  console.log(stub);
}
