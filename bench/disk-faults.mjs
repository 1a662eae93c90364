/**
 * Every call of six commands that changes a file fails, with every error that a disk can give, from its first time on until the disk
 * is mended: `node bench/disk-faults.mjs [COMMAND…]` (default: all) prints the table of docs/robustness.md and whatever is not as it should
 * be. Needs a C compiler. `test/disk-faults.ts` tests a sample.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const helpers = fileURLToPath(new URL('../test/helpers/faulty-disk', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'dinov3-seg-disk-faults-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const library = join(folder, 'faulty-disk.so');
execFileSync('cc', [
  '-shared',
  '-fPIC',
  '-O1',
  '-pthread',
  '-o',
  library,
  join(helpers, 'faulty-disk.c'),
  '-ldl',
]);
const log = join(folder, 'log');
const errors = ['EIO', 'ENOSPC', 'EROFS', 'ESTALE'];

const commands = process.argv.slice(2);
const request = { folder, log, ...(commands.length > 0 && { commands }) };
const child = spawn(process.execPath, [join(helpers, 'run-cases.mjs'), JSON.stringify(request)], {
  env: { ...process.env, LD_PRELOAD: library, FAULTY_DISK_LOG: log },
  stdio: ['ignore', 'pipe', 'inherit'],
});
const ended = once(child, 'exit');

/** By command and call, then by error: the outcomes and the files that had each. */
const rows = new Map();
let [count, wrongCount] = [0, 0];
for await (const line of createInterface({ input: child.stdout })) {
  const { command, call, file, error, outcome, wrong } = JSON.parse(line);
  count++;
  if (wrong.length > 0) {
    wrongCount++;
    console.log(`${command}: ${call} of ${file || 'the folder'}, ${error}: ${wrong.join('; ')}`);
  }
  const key = `${command}\t${call}`;
  if (!rows.has(key)) rows.set(key, { files: new Set(), cells: new Map() });
  const { files, cells } = rows.get(key);
  files.add(file);
  if (!cells.has(error)) cells.set(error, new Map());
  const outcomes = cells.get(error);
  const shown = wrong.length > 0 ? 'WRONG' : outcome;
  outcomes.set(shown, (outcomes.get(shown) ?? 0) + 1);
}
const [code] = await ended;

const cell = (outcomes) =>
  outcomes ? [...outcomes].map(([outcome, times]) => `${outcome} ${times}`).join(', ') : '–';
console.log(`| command | call (files) | ${errors.join(' | ')} |`);
console.log(`| --- | --- |${' --- |'.repeat(errors.length)}`);
for (const [key, { files, cells }] of rows) {
  const [command, call] = key.split('\t');
  console.log(
    `| \`${command}\` | ${call} (${files.size}) | ${errors.map((e) => cell(cells.get(e))).join(' | ')} |`,
  );
}
console.log(`${count} cases, ${wrongCount} not as they should be`);
process.exitCode = code === 0 && wrongCount === 0 ? 0 : 1;
