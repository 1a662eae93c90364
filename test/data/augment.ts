import t from 'tap';
import { drawAugmentation, noAugmentation, recipeAugmentation } from '../../lib/data/augment.js';

t.test('a sample gets the same augmentation whenever it is asked for', async (t) => {
  const key = { seed: 1, epoch: 2, index: 3 };
  t.same(drawAugmentation(key, recipeAugmentation), drawAugmentation({ ...key }, recipeAugmentation));
  for (const other of [{ seed: 2 }, { epoch: 3 }, { index: 4 }])
    t.notSame(
      drawAugmentation({ ...key, ...other }, recipeAugmentation),
      drawAugmentation(key, recipeAugmentation),
      JSON.stringify(other),
    );
});

t.test('the factors lie in their ranges and reach near their ends', async (t) => {
  const low = { brightness: 9, contrast: 9, saturation: 9, hue: 9 };
  const high = { brightness: -9, contrast: -9, saturation: -9, hue: -9 };
  let flips = 0;
  const orders = new Map<string, number>();
  for (let index = 0; index < 4800; index++) {
    const { flip, jitter } = drawAugmentation({ seed: 0, epoch: 0, index }, recipeAugmentation);
    flips += flip ? 1 : 0;
    orders.set(jitter!.order.join(''), (orders.get(jitter!.order.join('')) ?? 0) + 1);
    for (const name of ['brightness', 'contrast', 'saturation', 'hue'] as const) {
      low[name] = Math.min(low[name], jitter![name]);
      high[name] = Math.max(high[name], jitter![name]);
    }
  }
  for (const name of ['brightness', 'contrast', 'saturation'] as const) {
    t.ok(low[name] >= 0.7 && low[name] < 0.702, `${name} from ${low[name]}`);
    t.ok(high[name] <= 1.3 && high[name] > 1.298, `${name} to ${high[name]}`);
  }
  t.ok(low.hue >= -0.1 && low.hue < -0.0995 && high.hue <= 0.1 && high.hue > 0.0995, 'hue in ±0.1');
  t.ok(Math.abs(flips / 4800 - 0.5) < 0.03, `${flips} of 4800 flipped`);
  t.equal(orders.size, 24, 'every order of the four steps occurs');
  t.ok(Math.min(...orders.values()) > 140, 'and none is rare');
});

t.test('a strength above 1 never makes a factor negative', async (t) => {
  const jitter = { brightness: 3, contrast: 0, saturation: 0, hue: 0 };
  for (let index = 0; index < 200; index++) {
    const drawn = drawAugmentation({ seed: 0, epoch: 0, index }, { flip: 0, jitter });
    if (drawn.jitter!.brightness < 0 || drawn.flip || drawn.jitter!.contrast !== 1)
      t.fail(JSON.stringify(drawn));
  }
  t.pass('200 draws');
});

t.test('leaving out the jitter does not change which samples are flipped', async (t) => {
  for (let index = 0; index < 50; index++) {
    const key = { seed: 4, epoch: 1, index };
    const { flip } = drawAugmentation(key, recipeAugmentation);
    if (drawAugmentation(key, { flip: 0.5, jitter: null }).flip !== flip) t.fail(`sample ${index}`);
  }
  t.same(drawAugmentation({ seed: 4, epoch: 1, index: 0 }, { flip: 0, jitter: null }), noAugmentation);
});
