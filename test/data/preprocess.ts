/** Decoding, resizing and normalising against arrays recorded with PyTorch and PIL. */
import { join } from 'node:path';
import t from 'tap';
import { decodeImage, decodeLabel } from '../../lib/data/decode.js';
import { normalizations } from '../../lib/model/normalization.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { close } from '../helpers/close.js';
import { readSafetensors } from '../helpers/safetensors.js';
import { shared, skipWithout } from '../helpers/temporary.js';

const e = engine();
const size = { width: 224, height: 224, device: 'cpu' };
const normalization = normalizations.lvd;

t.test(
  'images and labels are prepared as the reference prepares them',
  { skip: skipWithout('golden/preprocess/ade20k-224.safetensors') },
  async (t) => {
    const golden = readSafetensors(join(shared, 'golden/preprocess/ade20k-224.safetensors')).tensors;
    for (const number of [1, 3]) {
      const sample = join(shared, 'data/ade20k-sample');
      const name = `ADE_val_0000000${number}`;
      const prepared = Tensor.wrap(
        await e.prepareImages([await decodeImage(join(sample, 'images', `${name}.jpg`))], {
          ...size,
          normalization,
        }),
      );
      const values = await prepared.floats();
      for (const how of ['tensor_resize', 'pil_resize'])
        close(t, `image ${number}, ${how}`, values, golden[`ade${number}.${how}`]!.data as Float32Array, {
          atol: 0.02,
          shape: [3, 224, 224],
        });
      const label = await decodeLabel(join(sample, 'annotations', `${name}.png`));
      const resized = Tensor.wrap(
        await e.prepareLabels([{ ...label, data: Uint8Array.from(label.data) }], size),
      );
      t.same(await resized.data(), golden[`ade${number}.label_nearest`]!.data, `label ${number}`);
    }
  },
);

const pixels = (fill: (x: number, y: number, channel: number) => number, width = 8, height = 4) => ({
  data: Uint8Array.from({ length: width * height * 3 }, (_, i) =>
    fill(Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3),
  ),
  width,
  height,
});
const { mean, std: deviation } = normalization;

/** Channels 3×H×W in 0…255, undoing the normalisation. */
async function prepared(image: ReturnType<typeof pixels>, augmentation: object): Promise<number[]> {
  const options = { width: image.width, height: image.height, device: 'cpu' };
  const augmentations = [{ flip: false, jitter: null, ...augmentation }];
  const tensor = Tensor.wrap(await e.prepareImages([image], { ...options, augmentations, normalization }));
  const plane = image.width * image.height;
  return Array.from(await tensor.floats(), (value, i) => {
    const channel = Math.floor(i / plane);
    return 255 * (value * deviation[channel]! + mean[channel]!);
  });
}

const plain = { order: [0, 1, 2, 3], brightness: 1, contrast: 1, saturation: 1, hue: 0 };

t.test('flip mirrors image and label alike', async (t) => {
  const image = pixels((x) => x * 10);
  close(t, 'image', (await prepared(image, { flip: true })).slice(0, 8), [70, 60, 50, 40, 30, 20, 10, 0], {
    atol: 1e-3,
  });
  const label = { data: Uint8Array.from({ length: 32 }, (_, i) => i % 8), width: 8, height: 4 };
  const options = { width: 8, height: 4, device: 'cpu', augmentations: [{ flip: true, jitter: null }] };
  const flipped = Tensor.wrap(await e.prepareLabels([label], options));
  t.same([...((await flipped.data()) as Uint8Array)].slice(0, 8), [7, 6, 5, 4, 3, 2, 1, 0]);
});

t.test('jitter does what its names say', async (t) => {
  const image = pixels((x, _y, c) => [200, 100, 50][c]! + x);
  const flat = pixels((_x, _y, c) => [200, 100, 50][c]!);
  const first = (values: number[]) => [0, 32, 64].map((i) => values[i]!);
  const grey = 0.2989 * 200 + 0.587 * 100 + 0.114 * 50;
  const cases: [string, object, number[]][] = [
    ['neutral factors change nothing', plain, [200, 100, 50]],
    ['brightness scales', { ...plain, brightness: 0.5 }, [100, 50, 25]],
    ['brightness stops at white', { ...plain, brightness: 1.3 }, [255, 130, 65]],
    ['contrast 0 gives the mean grey', { ...plain, contrast: 0 }, [grey, grey, grey]],
    ['saturation 0 gives each grey', { ...plain, saturation: 0 }, [grey, grey, grey]],
    // 200/100/50 is hue 20°, value 200, chroma 150; a third of a turn rotates the channels.
    ['a third of a turn of hue rotates the channels', { ...plain, hue: 1 / 3 }, [50, 200, 100]],
    [
      'steps run in the order given',
      { ...plain, order: [1, 0, 2, 3], brightness: 2, contrast: 0 },
      [2 * grey, 2 * grey, 2 * grey],
    ],
  ];
  for (const [name, jitter, expected] of cases)
    close(t, name, first(await prepared(flat, { jitter })), expected, { atol: 0.02 });
  const shifted = await prepared(image, { jitter: { ...plain, hue: 0.2 } });
  const back = await prepared(
    {
      ...image,
      data: Uint8Array.from({ length: image.data.length }, (_, i) =>
        Math.round(shifted[(i % 3) * 32 + Math.floor(i / 3)]!),
      ),
    },
    { jitter: { ...plain, hue: -0.2 } },
  );
  close(t, 'hue turns back', back, await prepared(image, {}), { atol: 2.5 });
});

t.test('bad pixels and options are refused', async (t) => {
  const image = pixels(() => 0);
  const ask = (given: object, options: object) =>
    e.prepareImages([{ ...image, ...given }], { ...size, normalization, ...options });
  await t.rejects(ask({ width: 9 }, {}), { code: 'SHAPE' }, 'bytes that do not fit the size');
  await t.rejects(
    ask({ data: new Float32Array(96) as never }, {}),
    { code: 'INVALID_ARGUMENT' },
    'not bytes',
  );
  await t.rejects(ask({}, { width: 0 }), { code: 'INVALID_ARGUMENT' }, 'no width');
  await t.rejects(
    ask({}, { augmentations: [] }),
    { code: 'INVALID_ARGUMENT' },
    'augmentations of other images',
  );
  await t.rejects(
    ask({}, { normalization: { ...normalization, std: [0.2, 0, 0.2] } }),
    { code: 'INVALID_ARGUMENT' },
    'a deviation of 0',
  );
  await t.rejects(ask({}, { device: 'tpu' }), { code: 'DEVICE' }, 'an unknown device');
  await t.rejects(e.prepareImages([], { ...size, normalization }), { code: 'INVALID_ARGUMENT' }, 'no image');
});
