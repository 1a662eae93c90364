/** Which images files, folders and globs stand for. */
import { symlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import t from 'tap';
import { imagesOfPaths } from '../../lib/images/images-of-paths.js';
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
