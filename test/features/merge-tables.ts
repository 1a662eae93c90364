/** Shards of a table, and the whole of them. */
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { extractTable } from '../../lib/features/extract-table.js';
import { imagesOfPaths } from '../../lib/features/inputs.js';
import { mergeTables } from '../../lib/features/merge-tables.js';
import { parseShard } from '../../lib/features/shard.js';
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
    t.ok(bytes(`${output}.failures.csv`).equals(bytes(`${whole.output}.failures.csv`)));
    const described = (path: string) =>
      ({ ...JSON.parse(readFileSync(`${path}.json`, 'utf8')), finished: '' }) as object;
    t.same(described(output), described(whole.output));
    t.notOk(existsSync(`${output}.work`));
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
  await refused([first, third], /Of 3 shards 2\/3 is missing/);
  await refused([first, second, second, third], /are both shard 2\/3/);
  await refused([first, second, join(root, 'none.csv')], /none\.csv\.json does not exist/, 'FILE_NOT_FOUND');
  const { output: other } = await extract('other-settings.csv', '3/3', { model: 'other' });
  await refused([first, second, other], /different runs:\n {2}settings\.model: "pixels" → "other"/);
  const { output: half } = await extract('half.csv', '2/2');
  await refused([first, half], /different runs:\n {2}shard\.count: 3 → 2/);
  appendFileSync(third, 'x');
  await refused([first, second, third], /part-3\.csv is not the table that .* describes/);
  writeFileSync(`${third}.json`, '{}');
  await refused([first, second, third], /does not describe a table of this release/);
  t.notOk(existsSync(output));
  writeFileSync(output, 'mine');
  rmSync(`${third}.json`);
  await refused([half], /1\/2 is missing/);
  const { output: all } = await extract('all.csv', '1/1');
  await refused([all], /nothing beside it says that it was merged/);
  await t.rejects(mergeTables([all], other), { code: 'TABLE', message: /begun otherwise/ });
});

t.test('a shard is written as I/N', (t) => {
  t.same(parseShard('2/8'), { index: 2, count: 8 });
  for (const text of ['0/2', '3/2', '1', '1/0', 'a/b', '1/2/3'])
    t.throws(() => parseShard(text), { code: 'INVALID_ARGUMENT', message: /written as 2\/8/ });
  t.end();
});

t.test('more shards than passes leave some without rows', async (t) => {
  const parts: string[] = [];
  for (let i = 1; i <= 9; i++) parts.push((await extract(`many-${i}.csv`, `${i}/9`)).output);
  await mergeTables(parts, join(root, 'many.csv'));
  t.ok(bytes(join(root, 'many.csv')).equals(bytes(join(root, 'whole.csv'))));
});
