import t from 'tap';
import { KeptOutputs } from '../../lib/compare/kept-outputs.js';
import { Tensor } from '../../lib/model/tensor.js';

const outputs = (value: number, masked = true) => ({
  logits: Tensor.from(Float32Array.of(value, NaN, 2, -3, 1e-30, Infinity), [1, 3, 2]),
  masks: masked ? Tensor.from(Float32Array.of(4, value), [1, 1, 1, 2]) : undefined,
  map: Tensor.from(Uint8Array.of(1, value, 3), [1, 1, 3]),
  [Symbol.dispose]: () => {},
});

t.test('outputs come back as they were, in any order', async (t) => {
  for (const masked of [true, false]) {
    await using kept = await KeptOutputs.create();
    await Promise.all([3, 0, 2].map((place) => kept.put(place, outputs(place, masked), 4)));
    for (const place of [0, 3, 2]) {
      using read = await kept.read(place);
      const expected = outputs(place, masked);
      for (const part of ['logits', 'masks', 'map'] as const) {
        t.same(read[part]?.shape, expected[part]?.shape);
        t.same(await read[part]?.data(), await expected[part]?.data());
      }
    }
  }
});

t.test('too many images for the disk are refused at the first', async (t) => {
  await using kept = await KeptOutputs.create();
  await t.rejects(kept.put(0, outputs(0), 1e15), {
    code: 'DISK_FULL',
    message: /need .* TiB in .* Set TMPDIR to a folder with more space, or compare fewer images/,
  });
});
