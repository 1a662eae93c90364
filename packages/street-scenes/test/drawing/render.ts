import t from 'tap';
import { renderSvg } from '../../../../lib/data/decode.js';
import { random } from '../../../../lib/data/random.js';
import { composeScene } from '../../lib/drawing/compose.js';
import {
  labelOf,
  leastVisiblePixels,
  renderPicture,
  renderTopmost,
  visibleObjects,
} from '../../lib/drawing/render.js';
import { rect } from '../../lib/drawing/svg.js';
import { things } from '../../lib/drawing/things.js';
import type { Thing } from '../../lib/drawing/things.js';
import type { Shape } from '../../lib/drawing/view.js';

/** A unit is a pixel. */
const hundred = { width: 100, height: 100, units: 100 };
const fills = { sky: '#102030', car: '#ff0000', person: '#00ff00' };

function box(thing: keyof typeof fills, x: number, y: number, width: number, height: number): Shape {
  return { thing, outline: rect(x, y, width, height), fill: fills[thing] };
}

const sky = box('sky', 0, 0, 100, 100);

t.test('the pixel is of the last shape over it, in the picture and in both labels', async (t) => {
  const shadow: Shape = { thing: null, outline: rect(0, 0, 100, 100), fill: 'rgba(0,0,0,0)' };
  const shapes = [sky, box('car', 10, 20, 40, 30), box('person', 30, 10, 10, 70), shadow];
  const topmost = await renderTopmost(shapes, hundred);
  const { data } = await renderPicture(shapes, hundred);
  const [idd, ade] = [labelOf(topmost, shapes, 'idd'), labelOf(topmost, shapes, 'ade')];
  for (let y = 0; y < 100; y++)
    for (let x = 0; x < 100; x++) {
      const inside = (left: number, top: number, width: number, height: number): boolean =>
        x >= left && x < left + width && y >= top && y < top + height;
      const thing = inside(30, 10, 10, 70) ? 'person' : inside(10, 20, 40, 30) ? 'car' : 'sky';
      const i = y * 100 + x;
      const [r, g, b] = [data[3 * i]!, data[3 * i + 1]!, data[3 * i + 2]!];
      const color = `#${((r << 16) | (g << 8) | b).toString(16).padStart(6, '0')}`;
      if (idd[i] !== things[thing].idd || ade[i] !== things[thing].ade || color !== fills[thing])
        return t.fail(`x ${x}, y ${y}: IDD ${idd[i]}, ADE20K ${ade[i]}, ${color} instead of ${thing}`);
    }
});

t.test('boxes hold what is seen of a thing', async (t) => {
  const shapes = [
    sky,
    box('car', 10, 20, 40, 30),
    box('person', 5, 15, 20, 70),
    box('car', 60, 60, 3, 4),
    box('car', 60, 70, 1, leastVisiblePixels - 1),
    box('person', 80, 10, 10, 10),
    box('car', 78, 8, 14, 14),
    box('car', 95, 90, 20, 20),
  ];
  const objects = visibleObjects(await renderTopmost(shapes, hundred), shapes, 100);
  t.same(objects, [
    { className: 'car', id: 3, box: [25, 20, 50, 50], visiblePixels: 25 * 30 },
    { className: 'person', id: 1, box: [5, 15, 25, 85], visiblePixels: 20 * 70 },
    { className: 'car', id: 3, box: [60, 60, 63, 64], visiblePixels: 12 },
    // The one with a pixel too few and the person behind a car are not among them.
    { className: 'car', id: 3, box: [78, 8, 92, 22], visiblePixels: 14 * 14 },
    { className: 'car', id: 3, box: [95, 90, 100, 100], visiblePixels: 50 },
  ]);
});

t.test('a pixel that nothing covers is a fault that is reported', async (t) => {
  await t.rejects(renderTopmost([box('car', 10, 0, 90, 100)], hundred), {
    code: 'INTERNAL',
    message: /x 0, y 0 .* shape -1, which is none of the 1 shapes/,
  });
});

t.test('a whole scene rendered shape by shape gives the same map', async (t) => {
  const canvas = { width: 80, height: 60, units: 400 / 3 };
  const alone = async (outline: string): Promise<Uint8Array> =>
    (
      await renderSvg(
        `<svg xmlns="http://www.w3.org/2000/svg" width="80" height="60" viewBox="0 0 ${canvas.units} 100" ` +
          `preserveAspectRatio="none" shape-rendering="crispEdges"><rect width="200" height="100" fill="#000"/>` +
          `<g fill="#fff">${outline}</g></svg>`,
      )
    ).data;
  for (const seed of [1, 2, 3]) {
    const { shapes } = composeScene(canvas.units, random(seed));
    const topmost = await renderTopmost(shapes, canvas);
    const expected = new Int32Array(topmost.length).fill(-1);
    for (const [place, { thing, outline }] of shapes.entries()) {
      if (thing === null) continue;
      const covered = await alone(outline);
      for (let i = 0; i < expected.length; i++) {
        const value = covered[3 * i]!;
        if (value !== 0 && value !== 255) return t.fail(`${thing} has a blended pixel: ${value}`);
        if (value === 255) expected[i] = place;
      }
    }
    const differing = expected.findIndex((place, i) => place !== topmost[i]);
    t.equal(differing, -1, `scene ${seed}: ${new Set(expected).size} shapes are seen`);
    const names = new Set<Thing | null>(Array.from(topmost, (place) => shapes[place]!.thing));
    t.ok(names.size >= 8, [...names].join(', '));
  }
});
