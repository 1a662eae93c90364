import t from 'tap';
import { idd26Classes } from '../../lib/data/sets/idd26.js';
import { drawScene } from '../../lib/demo/scenes.js';

const size = { width: 256, height: 192 };
const index = (name: string): number => idd26Classes.findIndex(([one]) => one === name);

t.test('a scene is the same for the same seed and index, and another for others', async (t) => {
  const first = await drawScene({ seed: 1, index: 0, ...size });
  const again = await drawScene({ seed: 1, index: 0, ...size });
  t.ok(Buffer.from(first.image.data).equals(Buffer.from(again.image.data)));
  t.ok(Buffer.from(first.label).equals(Buffer.from(again.label)));
  for (const other of [
    { seed: 2, index: 0 },
    { seed: 1, index: 1 },
  ])
    t.notOk(Buffer.from((await drawScene({ ...other, ...size })).label).equals(Buffer.from(first.label)));
});

t.test('every pixel has a class, and the scenes hold what a street does', async (t) => {
  const counts = new Float64Array(26);
  const scenes = 24;
  const seen = new Set<string>();
  for (let i = 0; i < scenes; i++) {
    const { image, label, light } = await drawScene({ seed: 0, index: i, ...size });
    seen.add(light);
    t.same([image.width, image.height, label.length], [256, 192, 256 * 192]);
    const present = new Set(label);
    for (const value of label) counts[value]!++;
    for (const name of ['road', 'sidewalk', 'building', 'sky', 'vegetation'])
      if (!present.has(index(name))) t.fail(`scene ${i} has no ${name}`);
  }
  for (const name of [
    'car',
    'person',
    'traffic sign',
    'pole',
    'curb',
    'truck',
    'bus',
    'traffic light',
    'rider',
  ])
    t.ok(counts[index(name)]! > 100, `${name}: ${counts[index(name)]} pixels in ${scenes} scenes`);
  t.ok(seen.size >= 4, `light: ${[...seen].join(', ')}`);
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
  await t.rejects(drawScene({ seed: 0, index: 0, width: 31, height: 64 }), {
    code: 'INVALID_ARGUMENT',
    message: /width.*from 32 to 4096, not 31/,
  });
});
