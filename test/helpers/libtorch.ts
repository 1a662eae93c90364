/** Folders and wheels that look like libtorch to everything but the system's loader. */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';

/** Contents of libtorch_cpu.so: large enough to be read in several parts, and not to be compressed away. */
const body = randomBytes(3 << 20);

/** Files of Python's torch package, by path below it. */
export function torchFiles(version = '2.13.0', build = 'cpu'): Record<string, Uint8Array | string> {
  const cuda = /^cu(\d+)(\d)$/.exec(build);
  return {
    '__init__.py': 'raise ImportError\n',
    'version.py': `__version__ = '${version}+${build}'\ncuda: Optional[str] = ${cuda ? `'${cuda[1]}.${cuda[2]}'` : 'None'}\n`,
    'lib/libtorch.so': 'libtorch',
    'lib/libtorch_cpu.so': body,
    'lib/libc10.so': 'c10',
    'lib/libgomp.so.1': 'gomp',
    'lib/libtorch_python.so': 'python',
    'lib/libshm.so': 'shm',
    'lib/libtorchbind_test.so': 'test',
    'lib/libshm/socket.h': 'helper',
    'include/torch/script.h': '#pragma once\n',
    'include/empty.h': '',
    'nn/__init__.py': '',
    ...(cuda && { 'lib/libtorch_cuda.so': 'cuda', 'lib/libc10_cuda.so': 'c10 for cuda' }),
  };
}

export function below<T>(folder: string, files: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(files).map(([name, data]) => [`${folder}/${name}`, data]));
}

/** All files below a folder, sorted. */
export function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(folder, name)).isFile())
    .sort();
}

/** What an install leaves of {@link torchFiles}. */
export const installed = [
  'include/empty.h',
  'include/torch/script.h',
  'install.json',
  'lib/libc10.so',
  'lib/libgomp.so.1',
  'lib/libtorch.so',
  'lib/libtorch_cpu.so',
  'version.py',
];

/** Sets environment variables (undefined: removes) until the end of the test. */
export function setEnvironment(t: Test, values: Record<string, string | undefined>): void {
  const before = Object.keys(values).map((name) => [name, process.env[name]] as const);
  const set = (name: string, value: string | undefined) => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  for (const [name, value] of Object.entries(values)) set(name, value);
  t.teardown(() => before.forEach(([name, value]) => set(name, value)));
}
