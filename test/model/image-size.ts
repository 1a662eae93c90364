import t from 'tap';
import { checkImageSize, detectorInputSize } from '../../lib/model/image-size.js';

t.test('multiples of 32 pass', async () => {
  for (const size of [32, 64, 96, 2048]) checkImageSize(size, 64);
});

t.test('other sizes are refused with the nearest that work', async (t) => {
  const cases: [number, number, RegExp][] = [
    [100, 64, /width 96 or 128 instead of 100\.$/],
    [64, 20, /height 32 instead of 20\.$/],
    [33, 31, /width 32 or 64 instead of 33, height 32 instead of 31\.$/],
    [0, 32, /width 32 instead of 0/],
    [64.5, 32, /width 64 or 96 instead of 64\.5/],
  ];
  for (const [width, height, message] of cases)
    t.throws(() => checkImageSize(width, height), { code: 'SHAPE', message }, `${width}×${height}`);
});

t.test('a detector sees an image in its own shape, in multiples of 16', async (t) => {
  const cases: [[number, number], number, [number, number]][] = [
    [[640, 480], 480, [640, 480]],
    [[640, 427], 800, [1200, 800]],
    [[427, 640], 800, [800, 1200]],
    [[100, 100], 1536, [1536, 1536]],
    [[4000, 500], 800, [1600, 208]],
    [[3, 5000], 100, [80, 208]],
  ];
  for (const [[width, height], size, [w, h]] of cases)
    t.same(
      detectorInputSize({ width, height }, size),
      { width: w, height: h },
      `${width}×${height} at ${size}`,
    );
  t.same(detectorInputSize({ width: 9, height: 9 }, { width: 160, height: 80 }), { width: 160, height: 80 });
});
