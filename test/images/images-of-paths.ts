/** The images of a table by paths. */
import { join } from 'node:path';
import t from 'tap';
import { imagesOfPaths } from '../../lib/images/images-of-paths.js';
import { writeTree } from '../helpers/temporary.js';

t.test('an image is called by its path as given', async (t) => {
  const root = await writeTree(t, { 'a/sub/y.png': '' });
  const path = join(root, 'a/sub/y.png');
  t.same(await imagesOfPaths([join(root, 'a')]), {
    carried: [],
    entries: [{ id: path, path, carried: [] }],
    leftOut: { endings: {}, repeated: 0 },
  });
});

t.test('a table of nothing is refused', async (t) => {
  await t.rejects(imagesOfPaths([]), { code: 'DATASET', message: /No images were given/ });
});
