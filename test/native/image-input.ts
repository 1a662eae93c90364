/** Every way to give an image, and scores as an array. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import t from 'tap';
import { encodePng } from '../../lib/data/decode.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { writeFormulaModel } from '../helpers/network.js';
import { picture } from '../helpers/tiny-network.js';
import { Tensor } from '../../lib/model/tensor.js';

const root = t.testdir();
const model = await SegmentationModel.load(await writeFormulaModel(root));
const rgb = picture(90, 70);
const options = { imageSize: 64 } as const;

t.test('a path, a buffer, a sharp instance and pixels give the same map', async (t) => {
  const expected = await model.segment(rgb, options);
  const png = await encodePng(rgb.data, rgb.width, rgb.height, 3);
  const path = join(root, 'picture.png');
  writeFileSync(path, png);
  const instance = sharp(png);
  const inputs = { path, buffer: png, bytes: new Uint8Array(png), instance, again: instance };
  for (const [name, input] of Object.entries(inputs))
    t.same(await model.segment(input, options), expected, name);
  const resized = await model.segment(sharp(png).resize(45, 35), options);
  t.match(resized, { width: 45, height: 35 }, 'a pipeline is run');
});

t.test('grey is taken for all three channels, alpha is dropped', async (t) => {
  const grey = picture(90, 70, 1);
  const tripled = {
    ...grey,
    channels: 3 as const,
    data: Uint8Array.from(rgb.data, (_, i) => grey.data[(i / 3) | 0]!),
  };
  t.same(await model.segment(grey, options), await model.segment(tripled, options));
  const alpha = Uint8Array.from({ length: 90 * 70 * 4 }, (_, i) =>
    i % 4 === 3 ? i & 255 : rgb.data[((i / 4) | 0) * 3 + (i % 4)]!,
  );
  const rgba = { data: alpha, width: 90, height: 70, channels: 4 as const };
  t.same(await model.segment(rgba, options), await model.segment(rgb, options));
  const slide = { ...options, mode: 'slide' as const };
  t.same(await model.segment(rgba, slide), await model.segment(rgb, slide));
});

t.test('what is no image, or of another size than it says, is refused', async (t) => {
  await t.rejects(model.segment({ ...rgb, width: 91 }, options), {
    code: 'SHAPE',
    message: /height × width/,
  });
  await t.rejects(model.segment({ ...rgb, channels: 2 } as never, options), { code: 'SHAPE' });
  await t.rejects(model.segment({} as never, options), {
    code: 'INVALID_ARGUMENT',
    message: /a sharp instance/,
  });
  await t.rejects(model.segment(Buffer.from('no image'), options), { code: 'IMAGE' });
});

t.test('the best of the scores is the class map', async (t) => {
  const map = await model.segment(rgb, options);
  const { data, classes, width, height } = await model.scores(rgb, options);
  t.match({ classes, width, height }, { classes: 150, width: 90, height: 70 });
  t.equal(data.length, 150 * 90 * 70);
  const best = map.data.map((_, i) => {
    let k = 0;
    for (let c = 1; c < classes; c++) if (data[c * 6300 + i]! > data[k * 6300 + i]!) k = c;
    return k;
  });
  t.same(best, map.data);
  const small = await model.scores(rgb, {
    ...options,
    outputSize: { width: 20, height: 10 },
    scoring: 'recipe',
  });
  t.match({ ...small, data: small.data.length }, { data: 151 * 200, classes: 151, width: 20, height: 10 });
  await t.rejects(model.scores(rgb, { ...options, outputSize: 4096 }), { code: 'SHAPE', message: /2 GiB/ });
});

t.test('taken values are the tensor’s, which is gone then', async (t) => {
  const values = Float32Array.of(1, 2, 3, 4);
  const tensor = Tensor.from(values, [2, 2]);
  t.same(await tensor.take(), values);
  t.throws(() => tensor.handle, { code: 'DISPOSED' });
  await t.rejects(tensor.take(), { code: 'DISPOSED' });
  using decoded = await model.decode(Tensor.from(new Float32Array(3 * 64 * 64), [1, 3, 64, 64]));
  const copy = await decoded.queries.data();
  t.same(await decoded.queries.take(), copy);
});

t.teardown(() => model.dispose());
