/** Which images files, folders and globs stand for. */
import { symlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import t from 'tap';
import { compareNames } from '../../lib/images/files-below.js';
import { listImages } from '../../lib/images/list-images.js';
import { predictionFiles } from '../../lib/report/prediction-files.js';
import { writeTree } from '../helpers/temporary.js';

const root = await writeTree(t, {
  'a/z.jpg': '',
  'a/Z.JPEG': '',
  'a/ä.png': '',
  'a/sub/deep/x.webp': '',
  'a/sub/y.png': '',
  'a/notes.txt': '',
  'a/features_csv_files/overlays/000001-z.png': '',
  ...Object.fromEntries(predictionFiles.map((name) => [`a/out/z_segmentation/${name}`, ''])),
  'a/.hidden.png': '',
  'a/.cache/thumb.png': '',
  'b/[1].png': '',
  'empty/readme.md': '',
});
symlinkSync(join(root, 'a'), join(root, 'a/sub/circle'));
symlinkSync(join(root, 'b'), join(root, 'a/linked'));
symlinkSync(join(root, 'b'), join(root, 'a/sub/linked'));

async function listed(...inputs: string[]): Promise<string[]> {
  const paths = await listImages(inputs.map((input) => join(root, input)));
  return paths.map((path) => relative(root, path));
}

t.test('a folder gives all images below it by the bytes of their paths, each file once', async (t) => {
  t.same(await listed('a'), [
    'a/Z.JPEG',
    'a/linked/[1].png',
    'a/sub/deep/x.webp',
    'a/sub/y.png',
    'a/z.jpg',
    'a/ä.png',
  ]);
  t.same(await listed('b', 'a/linked'), ['b/[1].png'], 'a link leads to the same file');
});

t.test('files keep their order, and one that comes up again is left out', async (t) => {
  t.same(
    await listed('a/z.jpg', 'absent.png', 'a/sub/deep', 'a/z.jpg', './a/sub/deep/x.webp', 'a/sub/y.png'),
    ['a/z.jpg', 'absent.png', 'a/sub/deep/x.webp', 'a/sub/y.png'],
  );
});

t.test('globs match names or, by **, whole paths; a file of that very name is a file', async (t) => {
  t.same(await listed('a/*.{jpg,png}'), ['a/z.jpg', 'a/ä.png']);
  t.same(await listed('a/*/*.png'), ['a/linked/[1].png', 'a/sub/y.png']);
  t.same(await listed('**/y.*'), ['a/sub/y.png']);
  t.same(await listed('b/[1].png'), ['b/[1].png']);
});

t.test('pictures that this package wrote are photographs only where they are asked for', async (t) => {
  const refused = ({ code }: { code: string }) => code;
  t.same(await listed('a/*/*/000001-z.png').catch(refused), 'DATASET');
  t.same(await listed('a/features_csv_files'), ['a/features_csv_files/overlays/000001-z.png']);
  t.same(await listed('a/out').catch(refused), 'DATASET');
  t.same(await listed('a/out/z_segmentation/original.png'), ['a/out/z_segmentation/original.png']);
});

t.test('folders and globs without images are refused', async (t) => {
  t.same(await listImages([]), []);
  await t.rejects(listed('empty'), {
    code: 'DATASET',
    message: /No images \(.*\) in the folder .*empty or its sub-folders/,
  });
  await t.rejects(listed('a/*.gif'), { code: 'DATASET', message: /No images \(.*\) match/ });
  await t.rejects(listed('nowhere/*.png'), { code: 'FILE_NOT_FOUND', message: /nowhere does not exist/ });
});

t.test('names have the order of their bytes in UTF-8', async (t) => {
  const names = ['\u{1f600}', '\uffee', 'ä', 'b', 'B', 'b/a', 'b.', ''];
  const bytes = [...names].sort((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)));
  t.same(names.sort(compareNames), bytes);
});
