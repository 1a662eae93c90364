import { join } from 'node:path';
import t from 'tap';
import { listImages } from '../../lib/images/list-images.js';
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
