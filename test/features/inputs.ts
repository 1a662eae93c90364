/** Which images a table is of. */
import { symlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import t from 'tap';
import { imagesOfPaths } from '../../lib/features/inputs.js';
import { imagesOfManifest } from '../../lib/features/manifest.js';
import { writeTree } from '../helpers/temporary.js';

const root = await writeTree(t, {
  'a/z.jpg': '',
  'a/Z.JPEG': '',
  'a/ä.png': '',
  'a/sub/deep/x.webp': '',
  'a/sub/y.png': '',
  'a/notes.txt': '',
  'a/features_csv_files/overlays/000001-z.png': '',
  'a/.hidden.png': '',
  'a/.cache/thumb.png': '',
  'b/[1].png': '',
  'empty/readme.md': '',
});
symlinkSync(join(root, 'a'), join(root, 'a/sub/circle'));
symlinkSync(join(root, 'b'), join(root, 'a/linked'));

async function idsOf(...inputs: string[]): Promise<string[]> {
  const { entries } = await imagesOfPaths(inputs.map((input) => join(root, input)));
  return entries.map(({ id }) => relative(root, id));
}

t.test('a folder gives all images below it by the bytes of their paths, links once', async (t) => {
  t.same(await idsOf('a'), [
    'a/Z.JPEG',
    'a/linked/[1].png',
    'a/sub/deep/x.webp',
    'a/sub/y.png',
    'a/z.jpg',
    'a/ä.png',
  ]);
});

t.test('files keep their order, and one that comes up again is left out', async (t) => {
  t.same(
    await idsOf('a/z.jpg', 'absent.png', 'a/sub/deep', 'a/z.jpg', './a/sub/deep/x.webp', 'a/sub/y.png'),
    [...['a/z.jpg', 'absent.png', 'a/sub/deep/x.webp', 'a/sub/y.png']],
  );
});

t.test('globs match names or, by **, whole paths; a file of that very name is a file', async (t) => {
  t.same(await idsOf('a/*.{jpg,png}'), ['a/z.jpg', 'a/ä.png']);
  t.same(await idsOf('a/*/*.png'), ['a/linked/[1].png', 'a/sub/y.png']);
  t.same(await idsOf('**/y.*'), ['a/sub/y.png']);
  t.same(await idsOf('b/[1].png'), ['b/[1].png']);
});

t.test('pictures beside a table are photographs only where they are asked for', async (t) => {
  t.same(await idsOf('a/*/*/000001-z.png', 'a/z.jpg').catch(({ code }: { code: string }) => code), 'DATASET');
  t.same(await idsOf('a/features_csv_files'), ['a/features_csv_files/overlays/000001-z.png']);
});

t.test('no images are refused', async (t) => {
  await t.rejects(imagesOfPaths([]), { code: 'DATASET', message: /No image was given/ });
  await t.rejects(idsOf('empty'), { code: 'DATASET', message: /empty and those in it hold no image/ });
  await t.rejects(idsOf('a/*.gif'), { code: 'DATASET', message: /No image \(.*\) matches/ });
  await t.rejects(idsOf('nowhere/*.png'), { code: 'FILE_NOT_FOUND', message: /nowhere does not exist/ });
});

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
  ['a manifest without rows', 'id,image\n', {}, /has a header and no rows/],
  [
    'a missing column',
    'id,images\n1,a\n',
    {},
    /has no column "image"; its columns are "id", "images"\. Did you mean/,
  ],
  ['a missing id column', 'a,image\n1,a\n', { idColumn: 'key' }, /has no column "key".* --id-column/],
  ['a column twice', 'id,image,id\n1,a,2\n', {}, /has the column "id" twice/],
  ['duplicate ids', 'id,image\n1,a\n2,b\n1,c\n', {}, /line 4: the id "1" is that of line 2/],
  ['an empty path', 'id,image\n1,\n', {}, /line 2: the image is empty/],
  ['an empty id', 'id,image\n"",a\n', {}, /line 2: the id is empty/],
] as const)
  t.test(`${what} is refused`, async (t) => {
    await t.rejects(manifest(t, text, columns), { code: 'MANIFEST', message });
  });

t.test('a manifest that is not there is refused', async (t) => {
  await t.rejects(imagesOfManifest(join(root, 'none.csv')), { code: 'FILE_NOT_FOUND' });
});
