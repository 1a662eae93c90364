/** Which images a table is of, by a manifest. */
import { join } from 'node:path';
import t from 'tap';
import { imagesOfManifest } from '../../lib/features/manifest.js';
import { writeTree } from '../helpers/temporary.js';

async function manifest(t: Parameters<typeof writeTree>[0], text: string | Buffer, columns = {}) {
  const folder = await writeTree(t, { 'm.csv': text });
  const { carried, entries } = await imagesOfManifest(join(folder, 'm.csv'), columns);
  return [
    carried,
    ...entries.map(({ id, path, carried }) => [id, path.replace(`${folder}/`, ''), ...carried]),
  ];
}

t.test("a manifest's other columns are carried over, paths start at its folder", async (t) => {
  t.same(await manifest(t, 'id,score,image,place\n7,3.5,x/a.jpg,"Aix, F"\n8,,/abs/b.jpg,\n'), [
    ['image', 'score', 'place'],
    ['7', 'x/a.jpg', 'x/a.jpg', '3.5', 'Aix, F'],
    ['8', '/abs/b.jpg', '/abs/b.jpg', '', ''],
  ]);
});

t.test('columns can be named; without an id column the path tells images', async (t) => {
  const named = { imageColumn: 'file', idColumn: 'key' };
  t.same(await manifest(t, 'key,file,id\na,1.png,x\n', named), [
    ['file', 'id'],
    ['a', '1.png', '1.png', 'x'],
  ]);
  t.same(await manifest(t, 'image\n1.png\n'), [[], ['1.png', '1.png']]);
});

/** A manifest as people have them: ids with zeros, coordinates, an empty cell in each, and a line end in a quoted one. */
const usual = [
  ['id', 'image', 'lat', 'lon', 'rating_score', 'city'],
  ['0012', 'a.jpg', '48.8566', '2.3522', '7.5', '"Paris, ""IdF"""'],
  ['0013', 'b.jpg', '-33.4500', '-70.6667', '8', '"São Paulo\nSP"'],
  ['1e5', 'c.jpg', '', '', '', '東京'],
];
const joined = (separator: string) => usual.map((row) => `${row.join(separator)}\r\n`).join('');

for (const [what, text] of [
  ['semicolons', joined(';')],
  ['tabs', joined('\t')],
  ['spaces behind commas', joined(', ')],
  ['a byte order mark', `\ufeff${joined(',')}`],
  ['names in other letters', joined(',').replace('id,image', 'ID,Image')],
  ['a comma at the end of each line', joined(',').replaceAll('\r\n', ',\r\n')],
  ['a last line of commas', `${joined(',')},,,,,\r\n`],
] as const)
  t.test(`a manifest with ${what} is read`, async (t) => {
    const folder = await writeTree(t, { 'm.csv': text });
    const { carried, carriedKinds, entries } = await imagesOfManifest(join(folder, 'm.csv'));
    t.same(
      carried.map((name) => name.toLowerCase()),
      ['image', 'lat', 'lon', 'rating_score', 'city'],
    );
    t.same(carriedKinds, ['text', 'number', 'number', 'number', 'text']);
    t.same(
      entries.map(({ id }) => id),
      ['0012', '0013', '1e5'],
    );
    t.same(entries[0]!.carried, ['a.jpg', '48.8566', '2.3522', '7.5', 'Paris, "IdF"']);
    t.same(entries[1]!.carried[4], 'São Paulo\nSP');
    t.same(entries[2]!.carried.slice(1, 4), ['', '', '']);
  });

t.test("paths of Windows are this system's, unless a file has that very name", async (t) => {
  const folder = await writeTree(t, {
    'm.csv': 'image\nx\\\\a.png\ny\\b.png\n../c.PNG\n',
    'y\\b.png': '',
  });
  const { entries } = await imagesOfManifest(join(folder, 'm.csv'));
  t.same(
    entries.map(({ path }) => path),
    [join(folder, 'x/a.png'), join(folder, 'y\\b.png'), join(folder, '../c.PNG')],
  );
});

for (const [what, text, columns, message] of [
  ['an empty manifest', '', {}, /m\.csv is empty\. Expected a header/],
  ['a manifest without rows', 'id,image\n', {}, /has a header but no rows/],
  [
    'a missing column',
    'id,images\n1,a\n',
    {},
    /has no column "image"; its columns are "id", "images"\. Did you mean/,
  ],
  ['a missing id column', 'a,image\n1,a\n', { idColumn: 'key' }, /has no column "key".* --id-column/],
  ['a column twice', 'id,image,id\n1,a,2\n', {}, /has the column "id" twice/],
  ['duplicate ids', 'id,image\n1,a\n2,b\n1,c\n', {}, /line 4: the id "1" also occurs in line 2/],
  ['an empty path', 'id,image\n1,\n', {}, /line 2: the image is empty/],
  [
    'a web address',
    'image\na.jpg\nhttps://example.com/a.jpg\n',
    {},
    /line 3: https:\/\/example\.com\/a\.jpg is a web address\. Download/,
  ],
  ['a value without a name', 'image,,x\na.jpg,5,\n', {}, /line 2: column 2 has the value "5" but no name/],
  ['two names that differ in case', 'Image,IMAGE\na,b\n', {}, /has no column "image"/],
  [
    'text of an old spreadsheet',
    Buffer.from('image,city\na.jpg,x\nb.jpg,Bogotá\n', 'latin1'),
    {},
    /line 3: bytes that are not UTF-8.*iconv/,
  ],
  ['an empty id', 'id,image\n"",a\n', {}, /line 2: the id is empty/],
] as const)
  t.test(`${what} is refused`, async (t) => {
    await t.rejects(manifest(t, text, columns), { code: 'MANIFEST', message });
  });

t.test('a manifest that is not there is refused', async (t) => {
  await t.rejects(imagesOfManifest(join(t.testdir(), 'none.csv')), { code: 'FILE_NOT_FOUND' });
});
