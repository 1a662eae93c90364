import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Test } from 'tap';

/** The folder of reference data that a developer's machine may have beside the repository. */
export const shared = resolve(import.meta.dirname, '../../../shared');

/** The `skip` option for what needs a file of {@link shared}: false where it is there, else the reason. */
export function skipWithout(path: string): false | string {
  return existsSync(join(shared, path)) ? false : `needs ../shared/${path}, which is not here`;
}

/** Writes files (path → contents) below a folder that is removed with the test; returns the folder. */
export async function writeTree(t: Test, files: Record<string, string | Uint8Array>): Promise<string> {
  const root = t.testdir();
  for (const [path, data] of Object.entries(files)) {
    const file = join(root, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, data);
  }
  return root;
}
