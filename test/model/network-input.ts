/** Inputs of a network that are made before its pass: the same bits, and only those that fit. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { encodePng } from '../../lib/data/decode.js';
import { classShares } from '../../lib/model/class-shares.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { engine } from '../../lib/native/engine.js';
import { sameBits } from '../helpers/close.js';
import { writeFormulaModel } from '../helpers/network.js';
import { preparePixels } from '../helpers/operators.js';
import { valuesOf } from '../helpers/op-devices.js';
import { picture } from '../helpers/tiny-network.js';

const root = t.testdir();
const model = await SegmentationModel.load(await writeFormulaModel(root));
t.teardown(() => model.dispose());
const e = engine();
const { normalization } = model;
const image = picture(90, 70);
const size = { width: 96, height: 64 };
const options = { ...size, device: 'cpu', normalization };
const table = Uint8Array.from({ length: 256 }, (_, k) => (k < 150 ? k % 26 : 255));
const layer = { head: model.ownHead(), scoring: 'ade20k' as const, table };
const counting = { imageSize: size, places: 26, soft: false };

t.test('an input has the bits of what a pass makes of the pixels', async (t) => {
  const input = (await valuesOf(await e.networkInput(image, options))) as Float32Array;
  const pixels = e.tensor(image.data, [70, 90, 3]);
  const expected = await valuesOf(await preparePixels(pixels, { ...size, ...normalization }));
  t.equal(input.length, 3 * 64 * 96);
  t.ok(sameBits(input, expected as Float32Array));
});

t.test('images of files, whose inputs are made before, have the shares of their pixels', async (t) => {
  const files = [picture(90, 70), picture(33, 120)];
  const paths = files.map((_, i) => join(root, `${i}.png`));
  for (const [i, { data, width, height }] of files.entries())
    await writeFile(paths[i]!, await encodePng(data, width, height, 3));
  for (const soft of [false, true]) {
    const shares = (images: Parameters<typeof classShares>[2]) =>
      classShares(model, [layer], images, { ...counting, soft }, {});
    const expected = await shares(files);
    t.same(await shares(paths), expected, 'all of them');
    t.same(await shares([paths[0]!, files[1]!]), expected, 'one of them');
    const pixels = expected.map((share) => share.reduce((sum, value) => sum + value, 0));
    if (!soft) t.same(pixels, [90 * 70, 33 * 120]);
  }
});

t.test('an input of another size is refused', async (t) => {
  const input = await e.networkInput(image, { ...options, width: 64 });
  const given = { input, width: image.width, height: image.height };
  const layers = [{ head: layer.head.handle, scoring: layer.scoring, table }];
  const shares = (images: object[]) =>
    e.classShares(model.handle, layers, images as never, { ...size, columns: 26, soft: false });
  await t.rejects(shares([given]), { code: 'SHAPE', message: /expected an image made for 96×64/ });
  await t.rejects(shares([{ ...given, width: 0 }]), { code: 'INVALID_ARGUMENT' });
  await t.rejects(e.networkInput(image, { ...options, width: 0 }), { code: 'INVALID_ARGUMENT' });
  await t.rejects(e.networkInput({ ...image, width: 91 }, options), { code: 'SHAPE' });
});
