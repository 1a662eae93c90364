/**
 * Runs test files one after another in this process, each as a subtest named after its file. Processes that were given the same list
 * take files from it in turn: a file belongs to whoever creates its claim first. `scripts/test.mjs` starts this.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { register } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import t, { type Test } from 'tap';

declare global {
  /** What the default export of `tap` is to the file that is being loaded. */
  var testOfFile: Test | undefined;
}

function claim(folder: string, index: number): boolean {
  try {
    writeFileSync(join(folder, String(index)), String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** `folder` holds `files.json`, a list of paths, and takes the claims. */
export async function runFiles(folder: string): Promise<void> {
  register('./test-of-file.mjs', import.meta.url);
  // Each file may have listeners of its own for the end of the process.
  process.setMaxListeners(0);
  const files = JSON.parse(readFileSync(join(folder, 'files.json'), 'utf8')) as string[];
  for (const [index, file] of files.entries()) {
    if (!claim(folder, index)) continue;
    await t.test(file, async (t) => {
      globalThis.testOfFile = t;
      await import(pathToFileURL(resolve(file)).href);
    });
  }
}
