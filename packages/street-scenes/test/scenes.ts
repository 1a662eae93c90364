import t from 'tap';
import { coco91Names } from '../../../lib/data/sets/coco91.js';
import { idd26Classes } from '../../../lib/data/sets/idd26.js';
import { streetKinds } from '../lib/drawing/kinds.js';
import { lightNames } from '../lib/drawing/light.js';
import { leastVisiblePixels } from '../lib/drawing/render.js';
import { things } from '../lib/drawing/things.js';
import { drawScene } from '../lib/scenes.js';

const size = { width: 256, height: 192 };
const index = (name: string): number => idd26Classes.findIndex(([one]) => one === name);

t.test('a scene is the same for the same seed and index, and another for others', async (t) => {
  const first = await drawScene({ seed: 1, index: 0, ...size });
  const again = await drawScene({ seed: 1, index: 0, ...size });
  t.ok(Buffer.from(first.image.data).equals(Buffer.from(again.image.data)));
  t.same({ ...first, image: null }, { ...again, image: null });
  for (const other of [
    { seed: 2, index: 0 },
    { seed: 1, index: 1 },
  ])
    t.notOk(Buffer.from((await drawScene({ ...other, ...size })).label).equals(Buffer.from(first.label)));
});

t.test(
  'the classes of a street occur often enough to be learned, in every light and kind of street',
  async (t) => {
    const scenes = 120;
    const least = 8;
    const [width, height] = [160, 120];
    const [shares, occurrences] = [new Float64Array(26), new Uint32Array(26)];
    const adeSeen = new Set<number>();
    const objectsSeen = new Set<string>();
    const [lightsSeen, kindsSeen] = [new Set<string>(), new Set<string>()];
    for (let i = 0; i < scenes; i++) {
      const { image, label, ade, objects, light, kind } = await drawScene({
        seed: 0,
        index: i,
        width,
        height,
      });
      lightsSeen.add(light);
      kindsSeen.add(kind);
      t.same(
        [image.width, image.height, label.length, ade.length],
        [width, height, width * height, width * height],
      );
      const counts = new Uint32Array(256);
      for (const value of label) counts[value]!++;
      if (label.some((value) => value > 25)) t.fail(`scene ${i} has pixels without an IDD class`);
      for (const value of ade) adeSeen.add(value);
      for (const { className } of objects) objectsSeen.add(className);
      for (let k = 0; k < 26; k++) {
        shares[k]! += counts[k]! / label.length / scenes;
        if (counts[k]! >= least) occurrences[k]!++;
      }
      for (const name of ['road', 'sky']) if (counts[index(name)] === 0) t.fail(`scene ${i} has no ${name}`);
    }
    idd26Classes.forEach(([name], k) => {
      t.ok(occurrences[k]! >= 0.12 * scenes, `${name} is in ${occurrences[k]} of ${scenes} scenes`);
      t.ok(shares[k]! > 0.001, `${name}: ${(100 * shares[k]!).toFixed(2)} % of the pixels`);
    });
    t.same([...lightsSeen].sort(), [...lightNames].sort());
    t.same([...kindsSeen].sort(), streetKinds.map(([{ name }]) => name).sort());
    const counted = [
      'car',
      'traffic light',
      'person',
      'bicycle',
      'truck',
      'bird',
      'bench',
      'dog',
      'boat',
      'motorcycle',
    ];
    for (const name of [...counted, 'cow', 'bus', 'train', 'stop sign']) t.ok(objectsSeen.has(name), name);
    t.ok(adeSeen.size >= 35, `${adeSeen.size} ADE20K classes`);
  },
);

t.test('both labels agree at every pixel, and boxes hold their class', async (t) => {
  const pairs = new Set(Object.values(things).map(({ idd, ade }) => `${idd} ${ade}`));
  const iddOfCoco = (name: string): Set<number> =>
    new Set(Object.values(things).flatMap(({ idd, coco }) => (coco?.name === name ? [idd] : [])));
  let checked = 0;
  for (let i = 0; i < 12; i++) {
    const { label, ade, objects } = await drawScene({ seed: 4, index: i, ...size });
    const strange = label.findIndex((value, k) => !pairs.has(`${value} ${ade[k]}`));
    t.equal(strange, -1, `scene ${i}`);
    for (const { className, id, box, visiblePixels } of objects) {
      const [x0, y0, x1, y1] = box;
      const classes = iddOfCoco(className);
      t.equal(coco91Names[id], className);
      t.ok(x0 >= 0 && y0 >= 0 && x1 <= 256 && y1 <= 192 && x0 < x1 && y0 < y1, `${className} ${box.join()}`);
      const has = (x: number, y: number): boolean => classes.has(label[y * 256 + x]!);
      const columns = Array.from({ length: x1 - x0 }, (_, k) => x0 + k);
      const lines = Array.from({ length: y1 - y0 }, (_, k) => y0 + k);
      // Tight: each edge of the box touches the thing.
      t.ok(columns.some((x) => has(x, y0)) && columns.some((x) => has(x, y1 - 1)), className);
      t.ok(lines.some((y) => has(x0, y)) && lines.some((y) => has(x1 - 1, y)), className);
      const within = lines.reduce((sum, y) => sum + columns.filter((x) => has(x, y)).length, 0);
      t.ok(visiblePixels >= leastVisiblePixels && visiblePixels <= within, `${visiblePixels} of ${within}`);
      checked++;
    }
  }
  t.ok(checked > 60, `${checked} boxes`);
});

t.test('scenes can be drawn in any order and several at a time', async (t) => {
  const options = [0, 1, 2, 3].map((i) => ({ seed: 9, index: i, width: 64, height: 48 }));
  const together = await Promise.all(options.map(drawScene));
  for (const i of [3, 0, 2, 1]) t.same(await drawScene(options[i]!), together[i], `scene ${i}`);
});

t.test('the picture is textured: even one class has no flat colour', async (t) => {
  const { image, label } = await drawScene({ seed: 0, index: 0, ...size });
  const reds = new Set<number>();
  label.forEach((value, i) => {
    if (value === index('road')) reds.add(image.data[3 * i]!);
  });
  t.ok(reds.size > 20, `${reds.size} shades of red in the road`);
});

t.test('any size is drawn, down to 32 pixels', async (t) => {
  for (const [width, height] of [
    [32, 32],
    [97, 61],
    [512, 256],
  ] as const) {
    const { image, label } = await drawScene({ seed: 3, index: 0, width, height });
    t.same([image.width, image.height, label.length], [width, height, width * height]);
  }
});

t.test('a size or a number that no scene has is refused', async (t) => {
  const scene = { seed: 0, index: 0, width: 64, height: 64 };
  for (const [wrong, message] of [
    [{ width: 31 }, /width .*from 32 to 4096, not 31/],
    [{ height: 4097 }, /height .*from 32 to 4096, not 4097/],
    [{ width: 64.5 }, /width .*whole number.*not 64\.5/],
    [{ index: -1 }, /index .*from 0 .*not -1/],
    [{ seed: NaN }, /seed .*not NaN/],
  ] as const)
    await t.rejects(drawScene({ ...scene, ...wrong }), { code: 'INVALID_ARGUMENT', message });
});
