import t from 'tap';
import { checkImageSize } from '../../lib/model/image-size.js';

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
