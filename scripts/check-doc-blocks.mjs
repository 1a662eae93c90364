// Runs every block of README.md and docs/*.md (and examples/README.md), each page in a folder of its own, its blocks in their order.
//   node scripts/check-doc-blocks.mjs [PAGE…]        needs the built package
// scripts/docs/changes.mjs has everything that is changed in a block before it runs. Blocks in `text` show output and folders. A block that cannot
// run says why in a comment above it: <!-- not run: REASON -->. Links, commands, flags, files and exports that pages name are checked too.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { blocksOf } from './docs/blocks.mjs';
import { pagesOf } from './docs/pages.mjs';
import { makeStore, projectOf } from './docs/project.mjs';
import { missingReferences } from './docs/references.mjs';
import { isRun, runBlock } from './docs/run-block.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const all = pagesOf(root);
const asked = process.argv.slice(2);
const unknown = asked.filter((page) => !all.includes(page));
if (unknown.length > 0)
  throw new Error(`unknown page: ${unknown.join(', ')}. The pages are ${all.join(', ')}.`);
const pages = new Map(
  (asked.length > 0 ? asked : all).map((page) => [page, readFileSync(join(root, page), 'utf8')]),
);

// The command line's modules, from which the table of commands is read, take the console for themselves.
const print = (line) => process.stdout.write(`${line}\n`);

const counts = { ok: 0, failed: 0, text: 0 };
const notRun = [];

function fail(where, message) {
  counts.failed++;
  print(`FAILED ${where}\n${message.replace(/^/gm, '    ')}`);
}

for (const { where, message } of await missingReferences(pages, root)) fail(where, message);

const scratch = mkdtempSync(join(tmpdir(), 'dinov3-seg-docs-'));
try {
  await makeStore(root, join(scratch, 'store'));
  for (const [page, text] of pages) {
    const folder = join(scratch, page.replaceAll(/\W/g, '-'));
    projectOf(page, root, join(scratch, 'store'), folder);
    for (const block of blocksOf(text, page)) {
      const where = `${page}:${block.line} ${block.language}`;
      if (block.language === 'text') counts.text++;
      else if (block.notRun !== undefined) notRun.push(`${where}: ${block.notRun}`);
      else if (!isRun(block.language))
        fail(where, `"${block.language}" cannot be run. Choose another language, or text.`);
      else {
        const started = performance.now();
        try {
          runBlock(block, folder);
          counts.ok++;
          print(`ok ${where} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
        } catch (error) {
          fail(where, error instanceof Error ? error.message : String(error));
        }
      }
    }
  }
} finally {
  rmSync(scratch, { recursive: true });
}

if (notRun.length > 0) print(['Not run:', ...notRun.map((line) => `  ${line}`)].join('\n'));
print(
  `${pages.size} pages: ${counts.ok} blocks ran, ${notRun.length} not run, ${counts.text} text, ${counts.failed} failures`,
);
if (counts.failed > 0) process.exitCode = 1;
