/** Which images files, folders and globs stand for. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import sharp from 'sharp';
import t from 'tap';
import { decodeImage } from '../../lib/data/decode.js';
import { imagesOfPaths } from '../../lib/images/images-of-paths.js';
import { leftOutText } from '../../lib/images/left-out.js';
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
  const { paths } = await listImages(inputs.map((input) => join(root, input)));
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
  t.same(await listImages([]), { paths: [], leftOut: { endings: {}, repeated: 0 } });
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

const jpeg = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#468' } })
  .jpeg()
  .toBuffer();
const heicFile = Buffer.concat([Buffer.from([0, 0, 0, 24]), Buffer.from('ftypheic\0\0\0\0mif1heic'), jpeg]);

t.test('first bytes decide for files without an image ending, and what is left out is counted', async (t) => {
  const folder = await writeTree(t, {
    'a.jpg': jpeg,
    'b.jfif': jpeg,
    'c.JPE': jpeg,
    'd.jpg_original': jpeg,
    e: jpeg,
    'f.heic': heicFile,
    'sub/g.HEIC': heicFile,
    'h.bmp': '',
    'notes.txt': 'text',
    LICENSE: 'text',
    'drawing.svg': '<svg></svg>',
    '._a.jpg': 'a resource fork',
    '.thumbs/a.jpg': jpeg,
  });
  symlinkSync(join(folder, 'a.jpg'), join(folder, '0-link.jpg'));
  const { paths, leftOut } = await listImages([folder]);
  t.same(
    paths.map((path) => relative(folder, path)),
    ['a.jpg', 'b.jfif', 'c.JPE', 'd.jpg_original', 'e', 'h.bmp'],
  );
  t.same(leftOut, { endings: { '.heic': 2, '': 1, '.svg': 1, '.txt': 1 }, repeated: 1 });
  t.equal(
    leftOutText(leftOut),
    '2 .heic, 1 without an ending, 1 .svg, 1 .txt, 1 link or path to images listed already ' +
      '(to convert HEIC: heif-convert photo.heic photo.jpg)',
  );
  const { leftOut: ofGlob } = await listImages([join(folder, '*.{jpg,heic}')]);
  t.same(ofGlob, { endings: { '.heic': 1 }, repeated: 1 }, 'of a glob, what matches it');
  t.equal(leftOutText({ endings: {}, repeated: 0 }), undefined);
  const many = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`.${i}`, 1]));
  t.match(leftOutText({ endings: many, repeated: 0 }), /1 \.9, 2 others$/);
  await t.rejects(listImages([join(folder, 'sub')]), { code: 'DATASET', message: /Left out: 1 \.heic \(/ });
});

t.test('folders that link to each other are walked once, and real paths are preferred', async (t) => {
  const folder = await writeTree(t, { 'z/1.jpg': jpeg, 'y/2.jpg': jpeg, 'outside.jpg': jpeg });
  const inside = join(folder, 'in');
  mkdirSync(inside);
  for (let i = 0; i < 12; i++) {
    mkdirSync(join(inside, `d${i}`));
    for (let j = 0; j < 12; j++) symlinkSync(join(inside, `d${j}`), join(inside, `d${i}`, `to${j}`));
  }
  symlinkSync(join(folder, 'z'), join(inside, 'a-link'));
  symlinkSync(join(folder, 'z'), join(inside, 'd5/z-again'));
  symlinkSync(join(folder, 'outside.jpg'), join(inside, 'one.jpg'));
  symlinkSync(join(folder, 'outside.jpg'), join(inside, 'two.jpg'));
  writeFileSync(join(inside, 'd7/own.jpg'), jpeg);
  const { paths, leftOut } = await listImages([inside]);
  t.same(
    paths.map((path) => relative(inside, path)),
    ['a-link/1.jpg', 'd7/own.jpg', 'one.jpg'],
  );
  t.same(leftOut, { endings: {}, repeated: 1 });
});

const notUtf8 = { skip: process.platform === 'linux' ? false : 'names are text on this system' };
t.test('names that are not UTF-8 lead to their files', notUtf8, async (t) => {
  const folder = await writeTree(t, { 'plain.jpg': jpeg });
  const name = Buffer.concat([Buffer.from(`${folder}/caf`), Buffer.from([0xe9]), Buffer.from('.jpg')]);
  writeFileSync(name, jpeg);
  const { entries } = await imagesOfPaths([folder]);
  t.same(
    entries.map(({ id }) => relative(folder, id)),
    ['caf\\xE9.jpg', 'plain.jpg'],
  );
  t.equal((await decodeImage(entries[0]!.path)).width, 8);
  const asArgument = name.toString('utf8');
  t.match(asArgument, '\ufffd');
  t.same((await listImages([asArgument])).paths, [entries[0]!.path], 'as Node.js gives an argument');
  await t.rejects(decodeImage(`${folder}/\ufffd.jpg`), { code: 'FILE_NOT_FOUND' });
});

t.test('pipes and devices are never opened', { skip: process.platform === 'win32' }, async (t) => {
  const folder = await writeTree(t, { 'a.jpg': jpeg });
  execFileSync('mkfifo', [join(folder, 'pipe.jpg')]);
  symlinkSync('/dev/zero', join(folder, 'zero.jpg'));
  const { paths, leftOut } = await listImages([folder]);
  t.same(paths, [join(folder, 'a.jpg')]);
  t.same(leftOut.endings, { '.jpg': 2 });
});
