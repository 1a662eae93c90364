/** What the pixel decoder beside a bfloat16 backbone computes in. */
import t from 'tap';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { close, sameBits } from '../helpers/close.js';

type Options = Omit<Parameters<typeof SegmentationModel.init>[0], 'arch'>;

async function masksOf(options: Options): Promise<Float32Array> {
  using model = await SegmentationModel.init({ arch: 'tiny', seed: 1, ...options });
  using images = Tensor.from(
    Float32Array.from({ length: 3 * 64 * 96 }, (_, i) => Math.sin(i / 40) * 2),
    [1, 3, 64, 96],
  );
  using decoded = await model.decode(images);
  return decoded.masks.floats();
}

t.test(
  'on the CPU float16, the default, is tf32, which is near reference, and fast is something else',
  async (t) => {
    const dtype = 'bfloat16';
    const [given, tf32, float16, reference, fast] = await Promise.all([
      masksOf({ dtype }),
      masksOf({ dtype, precision: 'tf32' }),
      masksOf({ dtype, precision: 'float16' }),
      masksOf({ dtype, precision: 'reference' }),
      masksOf({ dtype, precision: 'fast' }),
    ]);
    t.ok(sameBits(given, tf32));
    t.ok(sameBits(float16, tf32));
    // Products are multiplied out (folded-chains.ts), and less is rounded to bfloat16.
    close(t, 'tf32', tf32, reference, { rtol: 0.02 });
    t.notOk(sameBits(fast, reference));
    const largest = reference.reduce((most, value, i) => Math.max(most, Math.abs(value - fast[i]!)), 0);
    const scale = reference.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    t.ok(largest < 0.2 * scale, `${largest} of ${scale}`);
  },
);

t.test('a float32 network is float32 in every precision', async (t) => {
  const [fast, tf32, reference] = await Promise.all([
    masksOf({ precision: 'fast' }),
    masksOf({ precision: 'tf32' }),
    masksOf({ precision: 'reference' }),
  ]);
  t.ok(sameBits(fast, tf32));
  close(t, 'reference', tf32, reference, { rtol: 1e-5 });
});

t.test('another precision is refused', async (t) => {
  const wrong = { dtype: 'float32', precision: 'half' } as unknown as Options;
  await t.rejects(masksOf(wrong), {
    code: 'INVALID_ARGUMENT',
    message: /one of float16, tf32, reference, fast, fp8, not "half"/,
  });
});

t.test("a network's parts are timed on their own", async (t) => {
  using model = await SegmentationModel.init({ arch: 'tiny' });
  using images = Tensor.from(new Float32Array(3 * 64 * 64), [1, 3, 64, 64]);
  const times = await engine().partTimes(model.handle, images.handle, { repeat: 2 });
  t.same(Object.keys(times), ['backbone', 'adapter', 'pixel_decoder', 'predictor']);
  for (const [part, milliseconds] of Object.entries(times)) t.ok(milliseconds > 0, part);
});

t.test('memory of the CPU is not counted', (t) => {
  t.throws(() => engine().memoryStats('cpu'), { code: 'DEVICE', message: /expected a CUDA device/ });
  t.end();
});
