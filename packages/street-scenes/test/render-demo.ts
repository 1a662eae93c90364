/** The scenes of models/street-scenes against drawing them again. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { decodeImage } from '../../../lib/data/decode.js';
import { writeShippedScenes } from '../../../lib/demo/shipped-scenes.js';
import { drawScene } from '../lib/scenes.js';
import { writeDemoDataset } from '../lib/write-dataset.js';

t.test('the shipped scenes are those that are drawn, file by file', async (t) => {
  const folder = t.testdir();
  const [drawn, shipped] = [join(folder, 'drawn'), join(folder, 'shipped')];
  await writeDemoDataset(drawn, { train: 0, val: 3, seed: 8 });
  await writeShippedScenes(shipped, 'unseen', { val: 3 });
  const names = ['README.txt', 'annotations/instances_val.json'];
  for (const frame of ['000000', '000001', '000002'])
    names.push(
      `leftImg8bit/val/scene/${frame}_leftImg8bit.png`,
      `gtFine/val/scene/${frame}_gtFine_labellevel3Ids.png`,
      `gtFine/val/scene/${frame}_gtFine_ade150Ids.png`,
    );
  for (const name of names)
    t.ok((await readFile(join(shipped, name))).equals(await readFile(join(drawn, name))), name);
});

t.test('those to train on are of another seed, and those to choose by come after them', async (t) => {
  const root = join(t.testdir(), 'shipped');
  await writeShippedScenes(root, 'data', { train: 1, val: 1 });
  for (const [split, index] of [
    ['train', 0],
    ['val', 100],
  ] as const) {
    const frame = String(index).padStart(6, '0');
    const { data } = await decodeImage(join(root, `leftImg8bit/${split}/scene/${frame}_leftImg8bit.png`));
    const { image } = await drawScene({ seed: 7, index, width: 256, height: 192 });
    t.ok(Buffer.from(data).equals(Buffer.from(image.data)), split);
  }
});
