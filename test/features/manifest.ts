/** Which images a table is of, by a manifest. */
import { join } from 'node:path';
import t from 'tap';
import { imagesOfManifest } from '../../lib/features/manifest.js';
import { writeTree } from '../helpers/temporary.js';

async function manifest(t: Parameters<typeof writeTree>[0], text: string, columns = {}) {
  const folder = await writeTree(t, { 'm.csv': text });
  const { carried, entries } = await imagesOfManifest(join(folder, 'm.csv'), columns);
  return [
    carried,
    ...entries.map(({ id, path, carried }) => [id, path.replace(`${folder}/`, ''), ...carried]),
  ];
}

t.test("a manifest's other columns are carried over, paths start at its folder", async (t) => {
  t.same(await manifest(t, 'id,score,image,place\n7,3.5,x/a.jpg,"Aix, F"\n8,,/abs/b.jpg,\n'), [
    ['score', 'place'],
    ['7', 'x/a.jpg', '3.5', 'Aix, F'],
    ['8', '/abs/b.jpg', '', ''],
  ]);
});

t.test('columns can be named; without an id column the path tells images', async (t) => {
  const named = { imageColumn: 'file', idColumn: 'key' };
  t.same(await manifest(t, 'key,file,id\na,1.png,x\n', named), [['id'], ['a', '1.png', 'x']]);
  t.same(await manifest(t, 'image\n1.png\n'), [[], ['1.png', '1.png']]);
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
  ['an empty id', 'id,image\n"",a\n', {}, /line 2: the id is empty/],
] as const)
  t.test(`${what} is refused`, async (t) => {
    await t.rejects(manifest(t, text, columns), { code: 'MANIFEST', message });
  });

t.test('a manifest that is not there is refused', async (t) => {
  await t.rejects(imagesOfManifest(join(t.testdir(), 'none.csv')), { code: 'FILE_NOT_FOUND' });
});
