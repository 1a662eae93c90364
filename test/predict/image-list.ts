import { join } from 'node:path';
import t from 'tap';
import { listImages, outputNames } from '../../lib/predict/image-list.js';
import { writeTree } from '../helpers/temporary.js';

t.test('folders stand for the images in them, and a file that is named twice counts once', async (t) => {
  const root = await writeTree(t, {
    'a/2.png': '',
    'a/1.JPG': '',
    'a/notes.txt': '',
    'b.png': '',
    'c/x.txt': '',
  });
  const at = (name: string) => join(root, name);
  t.same(await listImages([at('b.png'), at('a'), at('a/2.png')]), [
    at('b.png'),
    at('a/1.JPG'),
    at('a/2.png'),
  ]);
  t.same(await listImages([at('absent.png')]), [at('absent.png')], 'absent files are reported when opened');
  await t.rejects(listImages([at('c')]), { code: 'DATASET', message: /holds no image/ });
});

t.test('images of one name get names of their own', async (t) => {
  const cases: [string[], string[]][] = [
    [
      ['/d/a.png', '/d/b.jpg'],
      ['a', 'b'],
    ],
    [
      ['/d/x/1.png', '/d/y/1.png', '/d/y/2.png'],
      ['x_1', 'y_1', '2'],
    ],
    [
      ['/d/1.png', '/d/1.jpg'],
      ['1.png', '1.jpg'],
    ],
    [
      ['/d/A.png', '/d/x/a.png'],
      ['A', 'x_a'],
    ],
    [
      ['/d/a_b/c.png', '/d/a/b_c.png', '/d/c.png', '/d/b_c.png'],
      ['a_b_c', 'a_b_c.png', 'c', 'b_c'],
    ],
  ];
  for (const [paths, names] of cases) {
    const actual = outputNames(paths);
    t.equal(
      new Set(actual.map((name) => name.toLowerCase())).size,
      paths.length,
      `${actual.join(', ')} differ`,
    );
    t.notOk(actual.some((name) => name.includes('/')));
    if (!paths[0]!.includes('a_b')) t.same(actual, names);
  }
});
