/** What many tests start from is made once in a process, however many test files share it; each gets copies, to change as it likes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const made = new Map<string, Promise<string>>();

/** Fills a folder as `make` would; `key` names all that the files depend on. */
export async function madeOnce(
  key: string,
  folder: string,
  make: (folder: string) => Promise<unknown>,
): Promise<void> {
  if (!made.has(key)) made.set(key, makeAside(make));
  await cp(await made.get(key)!, folder, { recursive: true });
}

async function makeAside(make: (folder: string) => Promise<unknown>): Promise<string> {
  const aside = mkdtempSync(join(tmpdir(), 'dinov3-seg-test-'));
  process.on('exit', () => rmSync(aside, { recursive: true, force: true }));
  await make(aside);
  return aside;
}
