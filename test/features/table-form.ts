/** How a table is written: types, order and names of columns, and places on the map. */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import t from 'tap';
import { extractTable, type ExtractTableOptions } from '../../lib/features/extract-table.js';
import { imagesOfManifest } from '../../lib/features/manifest.js';
import { mergeTables } from '../../lib/features/merge-tables.js';
import { imagesOfPaths } from '../../lib/images/images-of-paths.js';
import { pixelExtractor } from '../helpers/pixel-extractor.mjs';
import { writePictures } from '../helpers/pictures.js';

const root = t.testdir();
const at = (name: string) => join(root, name);
const paths = await writePictures(at('in'), 6);
const cells = [
  ['0012', '48.8566', '2.3522', '7.50', '12', 'Paris'],
  ['0013', '-33.4500', '-70.6667', '8', '9007199254740993', ''],
  ['1e5', '', '', '', '', '東京'],
  ['4', '90', '-180', '0', '-3', 'x,y'],
  ['5', '0.0', '179.5', '1e-3', '4', 'z'],
  ['6', '1', '2', '3', '5', '"'],
];

/** A manifest of the pictures whose header is given. */
async function manifestOf(header: string, rows: readonly (readonly string[])[] = cells) {
  const quoted = (cell: string) => `"${cell.replaceAll('"', '""')}"`;
  const lines = rows.map((row, i) => [row[0]!, `in/${basename(paths[i]!)}`, ...row.slice(1)].map(quoted));
  writeFileSync(at('m.csv'), [header, ...lines.map((line) => line.join(','))].join('\n'));
  return imagesOfManifest(at('m.csv'));
}

const header = 'id,image,lat,lon,Rating-Score,count of,Stadt';
const images = await manifestOf(header);
const extract = (output: string, options: Partial<ExtractTableOptions> = {}, list = images) =>
  extractTable(pixelExtractor({ passSize: 2 }), list, { output: at(output), ...options });
const text = (name: string) => readFileSync(at(name), 'utf8');

async function parquetOf(name: string) {
  const file = await asyncBufferFromFile(at(name));
  const { schema, key_value_metadata: metadata } = await parquetMetadataAsync(file);
  const entry = metadata?.find(({ key }) => key === 'geo')?.value;
  return {
    types: schema.slice(1).map((one) => `${one.name} ${one.type} ${one.repetition_type}`),
    geo: entry === undefined ? undefined : (JSON.parse(entry) as Record<string, unknown>),
    rows: await parquetReadObjects({ file, geoparquet: false, utf8: false }),
  };
}

t.test('columns that hold numbers are numbers, empty cells are null, ids are text', async (t) => {
  await extract('t.parquet');
  const { types, rows } = await parquetOf('t.parquet');
  t.same(types, [
    'id BYTE_ARRAY REQUIRED',
    'image BYTE_ARRAY OPTIONAL',
    'lat DOUBLE OPTIONAL',
    'lon DOUBLE OPTIONAL',
    'Rating-Score DOUBLE OPTIONAL',
    'count of INT64 OPTIONAL',
    'Stadt BYTE_ARRAY OPTIONAL',
    'dark DOUBLE REQUIRED',
    'red DOUBLE REQUIRED',
    'bands INT32 REQUIRED',
    'geometry BYTE_ARRAY OPTIONAL',
  ]);
  const { dark: _, red: __, bands: ___, geometry: ____, ...first } = rows[1]!;
  t.same(first, {
    ...{ id: '0013', image: 'in/01.png', lat: -33.45, lon: -70.6667, 'Rating-Score': 8 },
    ...{ 'count of': 9007199254740993n, Stadt: null },
  });
  t.match(rows[2], { id: '1e5', lat: null, 'Rating-Score': null, 'count of': null, Stadt: '東京' });
  await extract('t.csv');
  t.match(text('t.csv'), '0013,in/01.png,-33.45,-70.6667,8,9007199254740993,,');
  t.match(text('t.csv'), '1e5,in/02.png,,,,,東京,');
});

t.test('a table in Parquet with coordinates is GeoParquet', async (t) => {
  await extract('geo.parquet');
  const { geo, rows } = await parquetOf('geo.parquet');
  t.same(geo, {
    version: '1.1.0',
    primary_column: 'geometry',
    columns: {
      geometry: { encoding: 'WKB', geometry_types: ['Point'], bbox: [-180, -33.45, 179.5, 90] },
    },
  });
  const point = Buffer.from((rows[0] as { geometry: Uint8Array }).geometry);
  t.equal(point.length, 21);
  t.same([point[0], point.readUInt32LE(1)], [1, 1]);
  t.same([point.readDoubleLE(5), point.readDoubleLE(13)], [2.3522, 48.8566]);
  t.equal((rows[2] as { geometry: unknown }).geometry ?? null, null);
});

t.test('GeoJSON has a feature a row; large whole numbers keep their digits', async (t) => {
  await extract('t.geojson');
  t.match(text('t.geojson'), '"count of":9007199254740993');
  const { type, features } = JSON.parse(text('t.geojson')) as { type: string; features: object[] };
  t.equal(type, 'FeatureCollection');
  t.equal(features.length, 6);
  t.match(features[1], {
    type: 'Feature',
    geometry: { type: 'Point', coordinates: [-70.6667, -33.45] },
    properties: { id: '0013', image: 'in/01.png', 'Rating-Score': 8, Stadt: null, bands: Number },
  });
  t.match(features[2], { geometry: null, properties: { lat: null } });
  t.match(readFileSync(at('t_geojson_files/failures.tsv'), 'utf8'), /^id\timage/);
  const again = await imagesOfPaths([root]);
  t.same(again.entries.length, 6, 'the files beside it are no images');
});

t.test('GeoJSON needs coordinates, and says what is wrong with those that there are', async (t) => {
  const plain = await imagesOfPaths([at('in')]);
  const refused = (message: RegExp, list = plain, options = {}) =>
    t.rejects(extract('none.geojson', options, list), { message });
  await refused(/needs the place of each image, but there are no columns "lat" and "lon".*--gps exif/);
  const outside = await manifestOf('id,image,Latitude,lng,a,b,c', [['1', '91', '2', '', '', '']]);
  await refused(/"Latitude" should be in degrees, −90…90, but is 91 for "1"/, outside);
  const words = await manifestOf('id,image,lat,lon,a,b,c', [['1', 'north', '2', '', '', '']]);
  await refused(/"lat" should hold decimal numbers only/, words);
  await refused(/shards are CSV or Parquet/, images, { shard: { index: 1, count: 2 } });
  const log: string[] = [];
  await extract('words.parquet', { onLog: (line) => log.push(line) }, words);
  t.same(log, ['The table gets no geometry: the column "lat" should hold decimal numbers only.']);
  t.equal((await parquetOf('words.parquet')).geo, undefined);
});

t.test('features first: a reader by position finds them; there is no id', async (t) => {
  await extract('first.csv', { columns: 'features-first' });
  await extract('usual.csv');
  const [first, usual] = ['first.csv', 'usual.csv'].map((name) => text(name).split('\r\n'));
  t.equal(first![0], 'dark,red,bands,image,lat,lon,Rating-Score,count of,Stadt');
  const features = usual!.slice(1, 7).map((line) => line.split(',').slice(-3));
  t.same(
    first!.slice(1, 7).map((line) => line.split(',').slice(0, 3)),
    features,
  );
  const { means } = await extract('first.csv', { columns: 'features-first' });
  t.same(means, (await extract('usual.csv')).means);
  await extract('first.parquet', { columns: 'features-first' });
  const { rows, geo } = await parquetOf('first.parquet');
  t.ok(geo);
  const point = Buffer.from((rows[0] as { geometry: Uint8Array }).geometry);
  t.equal(point.readDoubleLE(13), 48.8566);
});

t.test('names for SQL have letters, digits and underscores', async (t) => {
  const odd = await manifestOf('id,image,Prénom-Nom,2024,größe (m),東京,rating_score');
  await extract('sql.csv', { names: 'sql' }, odd);
  t.equal(
    text('sql.csv').split('\r\n')[0],
    'id,image,prenom_nom,c_2024,gro_e_m,column_6,rating_score,dark,red,bands',
  );
  const twin = await manifestOf('id,image,a-b,a b,c,d,e');
  await t.rejects(extract('twin.csv', { names: 'sql' }, twin), {
    code: 'MANIFEST',
    message: /two columns "a_b": from "a-b" and "a b"/,
  });
  const taken = await manifestOf('id,image,lat,lon,geometry,b,c');
  await extract('taken.parquet', {}, taken);
  t.match((await parquetOf('taken.parquet')).types.at(-1), /^geometry_of_image BYTE_ARRAY/);
});

for (const form of ['csv', 'parquet', 'geojson'])
  t.test(`shards of either format give the ${form} table of one run`, async (t) => {
    const options = { columns: 'features-first', names: 'sql' } as const;
    await extract(`whole-${form}.${form}`, options);
    const parts = [`part-1-${form}.csv`, `part-2-${form}.parquet`];
    for (const [i, part] of parts.entries())
      await extract(part, { ...options, shard: { index: i + 1, count: 2 } });
    await mergeTables(parts.map(at), at(`merged-${form}.${form}`));
    t.ok(readFileSync(at(`merged-${form}.${form}`)).equals(readFileSync(at(`whole-${form}.${form}`))));
  });

t.test('merge refuses parts in GeoJSON, and GeoJSON without coordinates', async (t) => {
  await extract('whole.geojson');
  await t.rejects(mergeTables([at('whole.geojson')], at('m.csv.csv')), {
    message: /is GeoJSON, which is for/,
  });
  const plain = await imagesOfPaths([at('in')]);
  await extract('plain.csv', {}, plain);
  await t.rejects(mergeTables([at('plain.csv')], at('plain.geojson')), { code: 'MANIFEST' });
});

t.test('cells that are not what the list says are refused before any image is read', async (t) => {
  const list = (carriedKinds: ('integer' | 'number')[], carried = ['x']) => ({
    ...{ carried: ['a'], carriedKinds },
    entries: [{ id: '1', path: paths[0]!, carried }],
  });
  for (const [images, message] of [
    [list(['integer']), /Expected an integer of 64 bits in the column "a" of "1", not "x"/],
    [list(['number']), /Expected a number in the column "a"/],
    [list(['number', 'number']), /Expected 1 \(a\) carriedKinds, not 2/],
    [list(['number'], []), /Expected 1 \(a\) cells of "1", not 0/],
  ] as const)
    await t.rejects(extract('cells.csv', {}, images), { code: 'INVALID_ARGUMENT', message });
});
