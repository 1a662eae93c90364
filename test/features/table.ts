/** Tables as files: CSV and Parquet. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import t from 'tap';
import { extractTable } from '../../lib/features/extract-table.js';
import type { ImageList } from '../../lib/images/images-of-paths.js';
import { descriptionOf } from '../../lib/features/table-files.js';
import { readTable } from '../../lib/features/table-reader.js';
import type { TableRow } from '../../lib/features/table.js';
import { writeTable } from '../../lib/features/table-writer.js';
import { pixelExtractor } from '../helpers/pixel-extractor.mjs';
import { writePictures } from '../helpers/pictures.js';

const root = t.testdir();
const paths = await writePictures(join(root, 'in'), 10);
const images: ImageList = {
  carried: ['place', ''],
  entries: paths.map((path, i) => ({ id: `é${i}`, path, carried: [`a,"${i}"\n`, ''] })),
};

async function gathered(rows: AsyncIterable<TableRow>): Promise<TableRow[]> {
  const found: TableRow[] = [];
  for await (const row of rows) found.push(row);
  return found;
}

t.test(
  'CSV and Parquet hold the same values; Parquet says types, units and what they were made with',
  async (t) => {
    const outputs = ['csv', 'parquet'].map((kind) => join(root, `t.${kind}`));
    for (const output of outputs) await extractTable(pixelExtractor(), images, { output });
    const columns = [
      { name: 'id', kind: 'text' as const },
      ...['place', ''].map((name) => ({ name, kind: 'optional-text' as const })),
      ...pixelExtractor().columns,
    ];
    const [csv, parquet] = await Promise.all(outputs.map((output) => gathered(readTable(output, columns))));
    t.same(parquet, csv);
    t.equal(csv!.length, 10);
    t.same(csv![3]!.slice(0, 3), ['é3', 'a,"3"\n', null]);
    t.ok(csv!.every((row) => row.slice(3).every((value) => typeof value === 'number')));
    const file = await asyncBufferFromFile(outputs[1]!);
    const { schema, key_value_metadata: metadata } = await parquetMetadataAsync(file);
    t.same(
      schema.slice(1).map(({ type, repetition_type }) => [type, repetition_type]),
      [
        ['BYTE_ARRAY', 'REQUIRED'],
        ['BYTE_ARRAY', 'OPTIONAL'],
        ['BYTE_ARRAY', 'OPTIONAL'],
        ['DOUBLE', 'REQUIRED'],
        ['DOUBLE', 'REQUIRED'],
        ['INT32', 'REQUIRED'],
      ],
    );
    t.equal(metadata?.[0]?.key, 'dinov3-seg');
    t.match(JSON.parse(metadata![0]!.value!), {
      units: { percent: /of the pixels/, count: 'objects' },
      settings: { model: 'pixels' },
      columns: pixelExtractor().columns,
      inputs: { images: 10 },
    });
    t.match(JSON.parse(readFileSync(descriptionOf(outputs[0]!), 'utf8')), {
      identity: { settings: { model: 'pixels' }, passSize: 4, shard: { index: 1, count: 1 } },
      finished: /^\d{4}-\d\d-\d\dT/,
      rows: 10,
      sha256: /^[0-9a-f]{64}$/,
    });
  },
);

t.test('several row groups, a table without rows, and odd numbers read back', async (t) => {
  const columns = [
    { name: 'id', kind: 'text' },
    { name: 'x', kind: 'percent' },
    { name: 'n', kind: 'count' },
  ] as const;
  const rows = Array.from({ length: 20_003 }, (_, i) => [`r${i}`, (100 * i) / 7, i % 11]);
  rows[5] = ['tiny', 5e-324, 2 ** 31 - 1];
  async function* all(): AsyncGenerator<TableRow> {
    yield* rows;
  }
  for (const kind of ['csv', 'parquet']) {
    const path = join(root, `groups.${kind}`);
    const first = await writeTable(path, columns, all(), { a: 'b' });
    t.equal(await writeTable(path, columns, all(), { a: 'b' }), first, 'the same rows give the same bytes');
    const found = await gathered(readTable(path, columns));
    t.equal(JSON.stringify(found), JSON.stringify(rows));
    const none = join(root, `none.${kind}`);
    await writeTable(none, columns, (async function* () {})(), {});
    t.same(await gathered(readTable(none, columns)), []);
  }
  const file = await asyncBufferFromFile(join(root, 'groups.parquet'));
  t.equal((await parquetMetadataAsync(file)).row_groups.length, 3);
  t.match(await parquetReadObjects({ file, rowStart: 20_002 }), [{ id: 'r20002', n: 20_002 % 11 }]);
});

t.test('a table of another name than .csv, .parquet or .geojson is refused', async (t) => {
  await t.rejects(extractTable(pixelExtractor(), images, { output: join(root, 't.xlsx') }), {
    code: 'INVALID_ARGUMENT',
    message: /\.csv, \.parquet or \.geojson/,
  });
});
