/** Shards of a table, and the whole of them. */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { extractTable } from '../../lib/features/extract-table.js';
import { imagesOfPaths } from '../../lib/images/images-of-paths.js';
import { mergeTables } from '../../lib/features/merge-tables.js';
import { parseShard } from '../../lib/shard.js';
import { filesOf } from '../../lib/features/table-files.js';
import { pixelExtractor } from '../helpers/pixel-extractor.mjs';
import { writePictures } from '../helpers/pictures.js';

const root = t.testdir();
const folder = join(root, 'in');
const paths = await writePictures(folder, 23);
writeFileSync(paths[5]!, 'no image');
writeFileSync(paths[6]!, 'no image');
const images = await imagesOfPaths([folder]);

function extract(name: string, shard?: string, settings: Record<string, unknown> = { model: 'pixels' }) {
  const output = join(root, name);
  const extractor = pixelExtractor({ passSize: 3, company: true, settings });
  return extractTable(extractor, images, { output, ...(shard ? { shard: parseShard(shard) } : {}) });
}

const bytes = (path: string) => readFileSync(path);

for (const kind of ['csv', 'parquet'])
  t.test(`shards merged are one run's table, byte for byte (${kind})`, async (t) => {
    const whole = await extract(`whole.${kind}`);
    const shards: string[] = [];
    for (const i of [1, 2, 3]) shards.push((await extract(`part-${i}.${kind}`, `${i}/3`)).output);
    const output = join(root, `merged.${kind}`);
    const merged = await mergeTables([shards[2]!, shards[0]!, shards[1]!], output);
    t.match(merged, { rows: 21, means: whole.means, failures: whole.failures });
    t.ok(bytes(output).equals(bytes(whole.output)));
    t.ok(bytes(filesOf(output).failures).equals(bytes(filesOf(whole.output).failures)));
    const described = (table: string) =>
      ({ ...JSON.parse(readFileSync(filesOf(table).description, 'utf8')), finished: '' }) as object;
    t.same(described(output), described(whole.output));
    t.same(readdirSync(filesOf(output).folder).sort(), [
      ...['description.json', 'failures.tsv', 'quality.tsv', 'report.html'],
    ]);
    t.ok(bytes(filesOf(output).quality).equals(bytes(filesOf(whole.output).quality)));
    await mergeTables(shards, output);
    t.ok(bytes(output).equals(bytes(whole.output)), 'once more');
  });

t.test('shards of one kind make a table of another', async (t) => {
  const parts = [1, 2, 3].map((i) => join(root, `part-${i}.csv`));
  const output = join(root, 'other.parquet');
  await mergeTables(parts, output);
  t.ok(bytes(output).equals(bytes(join(root, 'whole.parquet'))));
});

t.test('shards that do not make one table are refused', async (t) => {
  const [first, second, third] = [1, 2, 3].map((i) => join(root, `part-${i}.csv`)) as [
    string,
    string,
    string,
  ];
  const output = join(root, 'refused.csv');
  const refused = (inputs: string[], message: RegExp, code = 'TABLE') =>
    t.rejects(mergeTables(inputs, output), { code, message });
  await refused([], /No table was given/, 'INVALID_ARGUMENT');
  await refused([first, third], /Missing shards: 2\/3\./);
  await refused([first, second, second, third], /are both shard 2\/3/);
  await refused(
    [first, second, join(root, 'none.csv')],
    /none_csv_files\/description\.json does not exist/,
    'FILE_NOT_FOUND',
  );
  const { output: other } = await extract('other-settings.csv', '3/3', { model: 'other' });
  await refused([first, second, other], /different runs:\n {2}settings\.model: "pixels" → "other"/);
  const { output: half } = await extract('half.csv', '2/2');
  await refused([first, half], /different runs:\n {2}shard\.count: 3 → 2/);
  appendFileSync(third, 'x');
  await refused([first, second, third], /part-3\.csv does not match /);
  writeFileSync(filesOf(third).description, '{}');
  await refused([first, second, third], /does not describe a table of this release/);
  t.notOk(existsSync(output));
  writeFileSync(output, 'mine');
  rmSync(filesOf(third).description);
  await refused([half], /Missing shards: 1\/2\./);
  const { output: all } = await extract('all.csv', '1/1');
  await refused([all], /was not made by a merge/);
  await t.rejects(mergeTables([all], other), { code: 'TABLE', message: /begun with other settings/ });
});

const globRoot = join(root, 'globs');

/** What a shell makes of a pattern, in a folder that holds the shards and everything beside them. */
function globbed(pattern: string): string[] {
  const list = `shopt -s globstar; printf '%s\\n' ${pattern}`;
  const names = execFileSync('bash', ['-c', list], { cwd: globRoot, encoding: 'utf8' }).trimEnd().split('\n');
  return names.map((name) => join(globRoot, name));
}

t.test('a glob for tables takes the shards and nothing beside them', async (t) => {
  mkdirSync(globRoot);
  const patterns = {
    csv: ['part-*.csv', '*.csv', '*.csv*', '*csv', '**/*.csv'],
    parquet: ['part*.parquet', '*.parquet*', '**/*.parquet'],
  };
  for (const [kind, globs] of Object.entries(patterns)) {
    const parts: string[] = [];
    for (const i of [1, 2, 3]) parts.push((await extract(`globs/part-${i}.${kind}`, `${i}/3`)).output);
    for (const glob of globs) t.same(globbed(glob), parts, glob);
    const output = join(root, `from-glob.${kind}`);
    await mergeTables(globbed(`part-*.${kind}`), output);
    t.ok(bytes(output).equals(bytes(join(root, `whole.${kind}`))), kind);
  }
});

t.test('what is no table is refused by what it is', async (t) => {
  const part = join(globRoot, 'part-1.csv');
  const output = join(root, 'not-made.csv');
  for (const [path, message] of [
    [globRoot, /globs is a folder\. Give the tables to merge, such as part-\*\.csv/],
    [filesOf(part).folder, /part-1_csv_files is a folder/],
    [filesOf(part).failures, /failures\.tsv is a file beside a table, not a table/],
    [filesOf(part).description, /description\.json is a file beside a table/],
    [output, /is the output itself/],
    [join(globRoot, 'notes.txt'), /is a \.csv, \.parquet or \.geojson file/],
  ] as const)
    await t.rejects(mergeTables([part, path], output), { code: 'INVALID_ARGUMENT', message });
  t.notOk(existsSync(output));
});

/** Puts what lies beside a table where earlier releases had it. */
function asEarlier(table: string): void {
  const { folder, description, report, resume } = filesOf(table);
  renameSync(description, `${table}.json`);
  renameSync(report, `${table}.report.html`);
  renameSync(resume, `${table}.work`);
  writeFileSync(`${table}.failures.csv`, 'id,image,code,message\r\n');
  rmSync(folder, { recursive: true });
}

t.test('shards that an earlier release made are merged, and a run of one goes on', async (t) => {
  for (const i of [1, 2, 3]) asEarlier(join(globRoot, `part-${i}.csv`));
  const found = globbed('part-*.csv');
  t.equal(found.length, 6, 'with its lists of failures');
  const output = join(root, 'from-earlier.csv');
  await mergeTables(found, output);
  t.ok(bytes(output).equals(bytes(join(root, 'whole.csv'))));
  const { extracted } = await extract('globs/part-1.csv', '1/3');
  t.equal(extracted, 0, 'its journal is read');
  t.same(
    readdirSync(globRoot).filter((name) => name.startsWith('part-1')),
    ['part-1.csv', 'part-1.parquet', 'part-1_csv_files', 'part-1_parquet_files'],
  );
});

t.test('a shard is written as I/N', (t) => {
  t.same(parseShard('2/8'), { index: 2, count: 8 });
  for (const text of ['0/2', '3/2', '1', '1/0', 'a/b', '1/2/3'])
    t.throws(() => parseShard(text), { code: 'INVALID_ARGUMENT', message: /should look like 2\/8/ });
  t.end();
});

t.test('more shards than passes leave some without rows', async (t) => {
  const parts: string[] = [];
  for (let i = 1; i <= 9; i++) parts.push((await extract(`many-${i}.csv`, `${i}/9`)).output);
  await mergeTables(parts, join(root, 'many.csv'));
  t.ok(bytes(join(root, 'many.csv')).equals(bytes(join(root, 'whole.csv'))));
});
