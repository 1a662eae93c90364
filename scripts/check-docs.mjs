/** Refuses exports without documentation, and a docs/api that is not what they give: run `npm run docs` then. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'api-'));

function pages(folder) {
  const names = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.md'));
  return new Map(names.map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}

try {
  const typedoc = join(root, 'node_modules/typedoc/bin/typedoc');
  const { status } = spawnSync(process.execPath, [typedoc, '--out', folder], { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
  else {
    const [fresh, there] = [pages(folder), pages(join(root, 'docs/api'))];
    const stale = [...new Set([...fresh.keys(), ...there.keys()])].filter(
      (name) => fresh.get(name) !== there.get(name),
    );
    console.log(`${fresh.size} pages, ${stale.length} of them out of date in docs/api`);
    if (stale.length > 0) {
      console.error(`${stale.join('\n')}\nRun \`npm run docs\` and commit docs/api.`);
      process.exitCode = 1;
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
