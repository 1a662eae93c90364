import t from 'tap';
import { chooseView, viewAugmentation, viewCount, viewSettings } from '../../lib/cache/views.js';
import { drawAugmentation } from '../../lib/data/augment.js';

const strengths = { brightness: 0.3, contrast: 0.2, saturation: 0.4, hue: 0.1 };
const settings = viewSettings({ flip: 0.5, views: 3, seed: 7, ...strengths });

t.test('there is a view for each version, and one for each flipped', async (t) => {
  const count = (flip: number, views: number) =>
    viewCount(viewSettings({ flip, views, seed: 7, ...strengths }));
  t.same([count(0, 0), count(0.5, 0), count(0, 3), count(0.1, 3)], [1, 2, 3, 6]);
});

t.test('seed and strengths count only where something is jittered', async (t) => {
  const plain = viewSettings({ flip: 0.5, views: 0, seed: 7, ...strengths });
  t.same(plain, viewSettings({ flip: 0.9, views: 0, seed: 8, ...strengths, hue: 0.5 }));
  t.not(settings.seed, viewSettings({ flip: 0.5, views: 3, seed: 8, ...strengths }).seed);
});

t.test('without jitter the views are the unchanged image and the same flipped', async (t) => {
  const plain = viewSettings({ flip: 0.5, views: 0, seed: 7, ...strengths });
  t.same(viewAugmentation(plain, 'a/1', 0), { flip: false, jitter: null });
  t.same(viewAugmentation(plain, 'a/1', 1), { flip: true, jitter: null });
});

t.test('a view depends on the seed, the image’s name and the view alone', async (t) => {
  const jitter = (name: string, view: number, seed = 7) =>
    JSON.stringify(viewAugmentation({ ...settings, seed }, name, view).jitter);
  t.equal(jitter('a/1', 2), jitter('a/1', 2));
  const others = [
    jitter('a/2', 2),
    jitter('b/1', 2),
    jitter('a/1', 0),
    jitter('a/1', 4),
    jitter('a/1', 2, 8),
  ];
  t.equal(new Set([jitter('a/1', 2), ...others]).size, 6);
  t.same(viewAugmentation({ ...settings, jittered: 9 }, 'a/1', 2), viewAugmentation(settings, 'a/1', 2));
  t.equal(jitter('a/1', 3), jitter('a/1', 2), 'a flipped version is jittered as the other one');
  t.equal(
    JSON.stringify(viewAugmentation({ ...settings, flip: false }, 'a/1', 1).jitter),
    jitter('a/1', 2),
    'the versions are the same with and without flips',
  );
  t.same(
    [0, 1, 2, 3, 4, 5].map((view) => viewAugmentation(settings, 'a/1', view).flip),
    [...[false, true, false, true, false, true]],
  );
});

t.test('jitter is spread over its range', async (t) => {
  const drawn = Array.from({ length: 2000 }, (_, i) => viewAugmentation(settings, `scene/${i}`, 0).jitter!);
  for (const [name, from, to] of [
    ['brightness', 0.7, 1.3],
    ['contrast', 0.8, 1.2],
    ['saturation', 0.6, 1.4],
    ['hue', -0.1, 0.1],
  ] as const) {
    const values = drawn.map((jitter) => jitter[name]);
    t.ok(Math.min(...values) >= from && Math.max(...values) <= to, name);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    t.ok(Math.abs(mean - (from + to) / 2) < 0.05 * (to - from), `mean ${name} ${mean}`);
  }
});

t.test('an epoch flips the images that live training flips', async (t) => {
  const plain = viewSettings({ flip: 0.5, views: 0, seed: 7, ...strengths });
  let flips = 0;
  for (let epoch = 1; epoch <= 20; epoch++)
    for (let index = 0; index < 50; index++) {
      const key = { seed: 3, epoch, index };
      const live = drawAugmentation(key, { flip: 0.3, jitter: strengths }).flip;
      flips += Number(live);
      for (const views of [plain, settings])
        if ((chooseView(views, 0.3, key) % 2 === 1) !== live) t.fail(`${JSON.stringify(key)}`);
    }
  t.ok(Math.abs(flips / 1000 - 0.3) < 0.05, `${flips} of 1000`);
});

t.test('any version is as likely as another, flipped or not', async (t) => {
  const counts = new Array<number>(6).fill(0);
  for (let index = 0; index < 6000; index++)
    counts[chooseView(settings, 0.5, { seed: 3, epoch: index % 7, index })]!++;
  t.ok(
    counts.every((count) => Math.abs(count - 1000) < 120),
    counts.join(', '),
  );
  const unflipped = viewSettings({ flip: 0, views: 3, seed: 7, ...strengths });
  const chosen = Array.from({ length: 100 }, (_, index) =>
    chooseView(unflipped, 0, { seed: 3, epoch: 1, index }),
  );
  t.same([...new Set(chosen)].sort(), [0, 1, 2]);
});
