/** A folder with libtorch in it, as a source of files. */
import { createReadStream, existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DinoSegError } from '../../../errors.js';
import { readError } from '../../../files.js';
import type { Contents, SourceFile } from './contents.js';

const deepest = 32;

/** The libtorch that a folder is or holds; undefined if there is none. */
export function libtorchIn(folder: string): string | undefined {
  return [folder, join(folder, 'libtorch'), join(folder, 'torch')].find((path) =>
    existsSync(join(path, 'lib', 'libtorch.so')),
  );
}

/**
 * Opens a libtorch folder, Python's torch package, or a folder that holds one of them. Links are followed. Beside a
 * torch package, the libraries of NVIDIA's packages are seen too, as its run paths name them.
 *
 * @throws DinoSegError LIBTORCH_UNSUPPORTED where there is no lib/libtorch.so, or links that go in circles; FILE_NOT_FOUND, IO
 */
export async function openFolder(folder: string): Promise<Contents> {
  const root = libtorchIn(folder);
  if (root === undefined)
    throw new DinoSegError(
      'LIBTORCH_UNSUPPORTED',
      `${folder} contains no lib/libtorch.so, nor do its folders libtorch and torch, and no torch wheel. Give the folder of a ` +
        "libtorch or of Python's torch package, or a folder with a torch wheel.",
    );
  const files = new Map<string, SourceFile>();
  for (const name of ['lib', 'include', 'version.py', 'build-version', 'build-hash'])
    await list(join(root, name), `torch/${name}`, files);
  if (existsSync(join(root, 'version.py')))
    for (const name of ['nvidia', 'torch.libs']) await list(join(root, '..', name), name, files);
  return { origin: folder, files, recorded: false, close: () => {} };
}

async function list(path: string, name: string, files: Map<string, SourceFile>, depth = 0): Promise<void> {
  if (depth > deepest)
    throw new DinoSegError(
      'LIBTORCH_UNSUPPORTED',
      `${path} is nested too deeply: its links may form a cycle.`,
    );
  if (!existsSync(path)) return;
  try {
    const found = await stat(path);
    if (found.isFile()) files.set(name, { sizeBytes: found.size, open: async () => createReadStream(path) });
    if (!found.isDirectory()) return;
    for (const entry of await readdir(path))
      await list(join(path, entry), `${name}/${entry}`, files, depth + 1);
  } catch (cause) {
    throw readError(path, cause);
  }
}
