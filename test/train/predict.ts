import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import t from 'tap';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { encodePng } from '../../lib/data/decode.js';
import { ClassHead } from '../../lib/model/class-head.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { predictionFiles } from '../../lib/report/prediction-files.js';
import { predict } from '../../lib/train/predict.js';
import { writeFormulaModel } from '../helpers/network.js';
import { writeTree } from '../helpers/temporary.js';

const root = await writeTree(t, {
  'in/a.png': await encodePng(new Uint8Array(50 * 40 * 3).fill(90), 50, 40, 3),
  'in/broken.png': randomBytes(100),
  'in/c.jpg': await sharp({ create: { width: 33, height: 70, channels: 3, background: 'red' } })
    .jpeg()
    .toBuffer(),
});
const model = await SegmentationModel.load(await writeFormulaModel(root));
const classSet = await loadClassSet('idd26');
const head = ClassHead.create({ hidden: model.hidden, classes: classSet });

t.test('every image gets its five files; one that cannot be read does not stop the others', async (t) => {
  const output = join(root, 'out');
  const seen: number[] = [];
  const inputs = [join(root, 'in'), join(root, 'absent.png')];
  const onProgress = (done: number) => seen.push(done);
  const result = await predict(model, inputs, { head, classSet, output, imageSize: 64, onProgress });
  t.same(
    result.failed.map(({ image, error }) => [image, error.code]),
    [
      [join(root, 'in/broken.png'), 'IMAGE'],
      [join(root, 'absent.png'), 'FILE_NOT_FOUND'],
    ],
  );
  t.same(
    result.written.map(({ folder }) => folder),
    [join(output, 'a_segmentation'), join(output, 'c_segmentation')],
  );
  for (const { folder } of result.written)
    for (const name of predictionFiles) t.ok(existsSync(join(folder, name)), name);
  t.same(seen, [1, 2, 3, 4]);
  const { width, height } = await sharp(join(output, 'c_segmentation/segmentation_colored.png')).metadata();
  t.same([width, height], [33, 70], "the original's size");
  const npy = await readFile(join(output, 'c_segmentation/segmentation_raw.npy'));
  t.match(npy.toString('latin1', 0, 128), /'shape': \(70, 33\)/);
});

t.test("without a head the network's own class_embed scores, as ADE20K", async (t) => {
  const output = join(root, 'ade');
  const ade = await loadClassSet('ade150');
  const images = [join(root, 'in/a.png'), join(root, 'in/c.jpg')];
  const { written } = await predict(model, images, { classSet: ade, output, imageSize: 64 });
  t.same(
    written.map(({ folder }) => folder),
    [join(output, 'a_segmentation'), join(output, 'c_segmentation')],
  );
});

t.test('a class set of another size is refused', async (t) => {
  const wrong = predict(model, [join(root, 'in')], {
    head,
    classSet: await loadClassSet('ade150'),
    output: root,
  });
  await t.rejects(wrong, {
    code: 'HEAD_MISMATCH',
    message: /26 outputs, the class set "ade150" has 150 classes/,
  });
  const scoring = predict(model, [join(root, 'in')], { head, classSet, output: root, scoring: 'ade20k' });
  await t.rejects(scoring, { code: 'HEAD_MISMATCH', message: /27 outputs for ade20k/ });
});
