/** prepare_pixels: fused kernels and plain libtorch against a float64 reference, on every device. */
import t from 'tap';
import { engine } from '../../lib/native/engine.js';
import { close } from '../helpers/close.js';
import { onDevice, opDevices, valuesOf } from '../helpers/op-devices.js';
import { createRandom } from '../helpers/random-values.js';
import { columnsOf, preparePixels } from '../helpers/operators.js';

const mean = [0.485, 0.456, 0.406];
const std = [0.229, 0.224, 0.225];

/** Weights of an antialiased resize: a triangle as wide as a target value, at least one source value. */
function weights(from: number, to: number, position: number): [index: number, weight: number][] {
  const scale = from / to;
  const support = Math.max(scale, 1);
  const centre = scale * (position + 0.5);
  const all: [number, number][] = [];
  for (let i = 0; i < from; i++) {
    const weight = 1 - Math.abs(i + 0.5 - centre) / support;
    if (weight > 0) all.push([i, weight]);
  }
  const total = all.reduce((sum, [, weight]) => sum + weight, 0);
  return all.map(([i, weight]) => [i, weight / total]);
}

type Size = readonly [height: number, width: number];

function reference(pixels: Uint8Array, [h, w]: Size, [height, width]: Size): Float64Array {
  const out = new Float64Array(3 * height * width);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (const [row, down] of weights(h, height, y))
          for (const [column, across] of weights(w, width, x))
            sum += down * across * pixels[(row * w + column) * 3 + c]!;
        out[(c * height + y) * width + x] = (sum / 255 - mean[c]!) / std[c]!;
      }
  return out;
}

const cases: [from: Size, to: Size][] = [
  [
    [40, 60],
    [16, 16],
  ],
  [
    [17, 23],
    [8, 11],
  ],
  [
    [5, 7],
    [16, 19],
  ],
  [
    [32, 9],
    [7, 30],
  ],
  [
    [12, 13],
    [12, 13],
  ],
  [
    [1, 1],
    [4, 3],
  ],
  [
    [64, 2],
    [1, 1],
  ],
];

for (const { device, skip } of opDevices)
  t.test(`pixels on ${device} are prepared as in the reference`, { skip }, async (t) => {
    for (const [from, to] of cases)
      await t.test(`${from.join('×')} to ${to.join('×')}`, async (t) => {
        const random = createRandom(from[0]);
        const pixels = Uint8Array.from({ length: from[0] * from[1] * 3 }, () => random() * 256);
        const expected = reference(pixels, from, to);
        const placed = await onDevice(pixels, [...from, 3], device);
        // The same image as the colours of one with four channels.
        const four = Uint8Array.from({ length: from[0] * from[1] * 4 }, (_, i) =>
          i % 4 === 3 ? 255 : pixels[Math.floor(i / 4) * 3 + (i % 4)]!,
        );
        const colours = await columnsOf(await onDevice(four, [...from, 4], device), 0, 3);
        const [height, width] = to;
        for (const plain of [false, true])
          for (const given of [placed, colours]) {
            const result = await preparePixels(given, { height, width, mean, std, plain });
            t.same(engine().tensorInfo(result), {
              shape: [3, height, width],
              dtype: 'float32',
              device: engine().tensorInfo(placed).device,
            });
            const values = (await valuesOf(result)) as Float32Array;
            close(t, plain ? 'plain' : 'fused', values, expected, { rtol: 2e-6 });
          }
      });
  });

t.test('pixels that do not fit are refused', async (t) => {
  const e = engine();
  const pixels = e.tensor(new Uint8Array(48), [4, 4, 3]);
  const four = e.tensor(new Uint8Array(64), [4, 4, 4]);
  const floats = e.tensor(new Float32Array(48), [4, 4, 3]);
  for (const plain of [false, true]) {
    const options = { height: 2, width: 2, mean, std, plain };
    await t.rejects(preparePixels(four, options), {
      code: 'SHAPE',
      message: /expected pixels H×W×3 uint8/,
    });
    await t.rejects(preparePixels(floats, options), { code: 'SHAPE', message: /expected pixels/ });
    await t.rejects(preparePixels(pixels, { ...options, width: 0 }), { code: 'SHAPE', message: /sides/ });
    await t.rejects(preparePixels(pixels, { ...options, std: [1] }), {
      code: 'SHAPE',
      message: /three means/,
    });
  }
});
