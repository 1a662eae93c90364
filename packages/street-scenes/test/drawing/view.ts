import t from 'tap';
import { random } from '../../../../lib/data/random.js';
import { pickWeighted } from '../../lib/drawing/choose.js';
import { laid } from '../../lib/drawing/ground.js';
import { chooseLight, lightNames } from '../../lib/drawing/light.js';
import { prism, Sketch } from '../../lib/drawing/sketch.js';
import { View } from '../../lib/drawing/view.js';
import { close } from '../../../../test/helpers/close.js';

const exact = { atol: 1e-9 };
/** Attributes are written with two decimals. */
const rounded = { atol: 0.03 };

function numbers(elements: string): number[] {
  return [...elements.matchAll(/-?\d+(?:\.\d+)?/g)].map(([text]) => Number(text));
}

function view(seed: number, bend = 0): View {
  const stream = random(seed);
  return new View(133, chooseLight(stream), { lateral: 1.5, bend }, stream);
}

t.test('the camera is a pinhole: sizes go with 1/depth, and its own height is the horizon', (t) => {
  for (const seed of [1, 2, 3]) {
    const camera = view(seed);
    t.equal(camera.at(9, 30, camera.height)[1], camera.horizon);
    close(t, 'twice as far', [camera.metre(20)], [camera.metre(10) / 2], exact);
    const [[x0, y0], [x1, y1]] = [camera.at(1.5, camera.nearest), camera.at(2.5, camera.nearest, 1)];
    close(t, 'straight ahead', [y0, x0], [100, camera.vanishingX], exact);
    const metre = camera.metre(camera.nearest);
    close(t, 'a metre', [x1 - x0, y0 - y1], [metre, metre], exact);
  }
  t.end();
});

t.test('a bend moves what is far aside, and nothing near or upright', (t) => {
  const bent = Array.from({ length: 16 }, (_, seed) => view(seed + 1, 20));
  const aside = (camera: View, depth: number): number => camera.at(1.5, depth)[0] - camera.vanishingX;
  for (const camera of bent) {
    t.equal(aside(camera, camera.nearest), 0);
    t.equal(aside(camera, camera.nearest / 2), 0);
    t.ok(Math.abs(aside(camera, 300)) <= 20);
    t.equal(camera.at(4, 30)[0], camera.at(4, 30, 7)[0]);
  }
  t.ok(bent.some((camera) => Math.abs(aside(camera, 300)) > 3));
  t.ok(
    bent.some((camera) => aside(camera, 300) === 0),
    'some streets are straight',
  );
  t.end();
});

t.test('colours fade into the haze', (t) => {
  const camera = view(4);
  const { haze } = camera.light;
  const difference = (depth: number): number =>
    camera.lit([255, 0, 0], depth).reduce((sum, value, i) => sum + Math.abs(value - haze[i]!), 0);
  t.ok(difference(0) > difference(50) && difference(50) > difference(500));
  t.ok(difference(5000) < 1);
  t.end();
});

t.test('a mirrored sketch is the other way round about its foot', (t) => {
  const camera = view(5);
  const [right, left] = [new Sketch(camera, 2, 10, 1), new Sketch(camera, 2, 10, -1)];
  const [x] = camera.at(2, 10);
  close(t, 'a point', [left.at(1, 0.5)[0] - x], [x - right.at(1, 0.5)[0]], exact);
  const [x0, , width] = numbers(right.box(0.2, 0, 1, 1)) as [number, number, number];
  const [mirrored] = numbers(left.box(0.2, 0, 1, 1)) as [number];
  close(t, 'a box', [mirrored + width - x], [x - x0], rounded);
  t.end();
});

t.test('a bar is never too thin to be in the labels', (t) => {
  const far = new Sketch(view(6), 0, 500);
  const xs = numbers(far.bar([0, 0], [0, 20], 0.01)).filter((_, i) => i % 2 === 0);
  t.ok(Math.max(...xs) - Math.min(...xs) > 0.7, `${xs.join()} units`);
  t.end();
});

t.test('a prism is drawn out to its far end, which is the smaller one', (t) => {
  const camera = view(7);
  const { face, sides, roof, outline } = prism(camera, 6, 8, 16, [
    [-1, 0],
    [-1, 2],
    [1, 2],
    [1, 0],
  ]);
  t.ok([face, sides, roof].every((part) => part !== '' && outline.includes(part)));
  const points = numbers(face);
  close(t, 'the face', [points[4]! - points[2]!], [2 * camera.metre(8)], rounded);
  const [end] = outline.split('/>') as [string];
  const far = numbers(end);
  close(t, 'the far end', [far[4]! - far[2]!], [2 * camera.metre(16)], rounded);
  t.end();
});

t.test('strips lie side by side from the edge of the road outward', (t) => {
  const strips = [
    { thing: 'curb', width: 0.5 },
    { thing: 'sidewalk', width: 2 },
  ] as const;
  t.same(
    laid(strips, 3, -1).map(({ inner, outer }) => [inner, outer]),
    [
      [-3, -3.5],
      [-3.5, -5.5],
    ],
  );
  t.end();
});

t.test('weights say how often an item is picked', (t) => {
  const stream = random(8);
  const counts = { a: 0, b: 0, never: 0 };
  for (let i = 0; i < 4000; i++)
    counts[
      pickWeighted(stream, [
        ['a', 3],
        ['never', 0],
        ['b', 1],
      ] as const)
    ]++;
  t.equal(counts.never, 0);
  t.ok(Math.abs(counts.a / 4000 - 0.75) < 0.03, `${counts.a} of 4000`);
  t.equal(new Set(lightNames).size, lightNames.length);
  t.end();
});
