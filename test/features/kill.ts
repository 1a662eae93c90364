/** What ends a process: kill -9 and a full disk. */
import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { extractTable } from '../../lib/features/extract-table.js';
import { imagesOfPaths } from '../../lib/images/images-of-paths.js';
import { startProgram, type Started } from '../helpers/command-line.js';
import { pixelExtractor } from '../helpers/pixel-extractor.mjs';
import { writePictures } from '../helpers/pictures.js';

const root = t.testdir();
const folder = join(root, 'in');
await writePictures(folder, 30);
const script = join(import.meta.dirname, '../helpers/extract-pixels.mjs');
const extractor = { passSize: 3, company: true };

function start(
  output: string,
  holdAt?: number,
  limit = 'unlimited',
  { paths = [folder], extend = false } = {},
): Started {
  const job = { paths, extractor, options: { output, extend }, holdAt };
  const limited = `trap '' XFSZ; unset NODE_OPTIONS; ulimit -f ${limit}; exec "$0" "$@"`;
  return startProgram('bash', ['-c', limited, process.execPath, script, JSON.stringify(job)]);
}

const expected = join(root, 'expected.csv');
await extractTable(pixelExtractor(extractor), await imagesOfPaths([folder]), { output: expected });

for (const moment of [0, 3, 12, 27])
  t.test(`killed after ${moment} images and gone on with, a table is that of one run`, async (t) => {
    const output = join(root, `killed-${moment}.csv`);
    const { child, ended } = start(output, moment);
    child.stdout!.on('data', (text: string) => {
      if (text.split('\n').includes('held')) child.kill('SIGKILL');
    });
    t.equal((await ended).signal, 'SIGKILL');
    t.notOk(existsSync(output));
    const { code, stdout, stderr } = await start(output).ended;
    t.equal(code, 0, stderr);
    t.equal(Number(stdout.split('\n')[0]), moment, 'what was made is there');
    t.ok(readFileSync(output).equals(readFileSync(expected)));
    t.same(readdirSync(join(root, `killed-${moment}_csv_files/resume`)).sort(), [
      'journal.jsonl',
      'run.json',
    ]);
  });

t.test('killed while it is extended, and gone on with, a table is that of a new run', async (t) => {
  const own = join(root, 'growing');
  const output = join(root, 'growing.csv');
  await writePictures(own, 20);
  const run = (holdAt?: number) => start(output, holdAt, 'unlimited', { paths: [own], extend: true });
  t.equal((await run().ended).code, 0);
  renameSync(join(own, '10.png'), join(own, '99.png'));
  await writePictures(join(own, 'more'), 12);
  const { child, ended } = run(6);
  child.stdout!.on('data', (text: string) => {
    if (text.split('\n').includes('held')) child.kill('SIGKILL');
  });
  t.equal((await ended).signal, 'SIGKILL');
  const { code, stderr } = await run().ended;
  t.equal(code, 0, stderr);
  const fresh = join(root, 'fresh.csv');
  await extractTable(pixelExtractor(extractor), await imagesOfPaths([own]), { output: fresh });
  t.equal(readFileSync(output, 'utf8'), readFileSync(fresh, 'utf8'));
});

t.test('a full disk is an error that says so; what was written stays, and a run goes on', async (t) => {
  const output = join(root, 'full.csv');
  // Kibibytes of each file.
  const { code, stderr } = await start(output, undefined, '3').ended;
  t.equal(code, 1);
  t.match(stderr, /^DISK_FULL: .*journal\.jsonl could not be written/);
  t.notOk(existsSync(output));
  const again = await start(output).ended;
  t.equal(again.code, 0, again.stderr);
  t.ok(Number(again.stdout.split('\n')[0]) > 0, 'what was made is there');
  t.ok(readFileSync(output).equals(readFileSync(expected)));
});
