/** Polygons as pixels: cpp/core/polygon_raster.cpp against rasters that ask every pixel by itself. */
import t from 'tap';
import { runJob } from '../../lib/native/job.js';
import { engine } from '../../lib/native/engine.js';
import type { LabelCanvas } from '../../lib/native/bindings/engine.js';
import { referenceRaster, type Drawn, type Point, type Size } from '../helpers/polygons.js';

function fill(drawn: readonly Drawn[], canvas: Size & Partial<LabelCanvas>): Promise<Uint8Array> {
  return engine().fillPolygons(
    {
      points: new Float64Array(drawn.flatMap(({ polygon }) => polygon.flat())),
      counts: Uint32Array.from(drawn, ({ polygon }) => polygon.length),
      values: Uint8Array.from(drawn, ({ value }) => value),
    },
    { background: 255, margin: 0, ...canvas },
  );
}

/** Numbers from 0 to 1, the same on every run. */
function random(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

const size = { width: 37, height: 29 };
const next = random(5);
const between = (low: number, high: number) => low + (high - low) * next();
const anywhere = (): Point => [between(-9, size.width + 9), between(-9, size.height + 9)];
const whole = (): Point => [Math.floor(between(0, size.width)), Math.floor(between(0, size.height))];
const onFew = (): Point => [4 * Math.floor(between(-1, 10)), 4 * Math.floor(between(-1, 8))];
const farAway = (): Point => [between(-1e6, 1e6), between(-1e6, 1e6)];
const below = (): Point => [between(0, size.width), between(0, 3e4)];

const corners: Record<string, () => Point> = {
  'corners in fractions of pixels, some outside': anywhere,
  'corners on pixels': whole,
  'corners and edges that coincide': onFew,
  'corners far outside': farAway,
  'edges that are far longer than the image': below,
};
for (const [title, corner] of Object.entries(corners))
  t.test(`${title}: each pixel is as the rule says, also where outlines cross themselves`, async (t) => {
    for (const count of [1, 2, 3, 4, 5, 8, 21]) {
      let wrong = 0;
      for (let round = 0; round < 12; round++) {
        const polygon = Array.from({ length: count }, corner);
        const drawn = [{ polygon, value: 3 }];
        const expected = referenceRaster(drawn, size);
        const actual = await fill(drawn, size);
        wrong += actual.filter((value, i) => value !== expected[i]).length;
        if (wrong > 0) t.comment(JSON.stringify(polygon));
      }
      t.equal(wrong, 0, `12 polygons of ${count} corners, ${12 * size.width * size.height} pixels`);
    }
  });

const square = (from: number, to: number): Point[] => [
  [from, from],
  [to, from],
  [to, to],
  [from, to],
];

t.test('edges belong to a polygon, and the later of two neighbours has the common one', async (t) => {
  const canvas = { width: 6, height: 1 };
  const strip = (from: number, to: number): Point[] => [
    [from, -1],
    [to, -1],
    [to, 1],
    [from, 1],
  ];
  t.same([...(await fill([{ polygon: strip(1, 3), value: 1 }], canvas))], [255, 1, 1, 1, 255, 255]);
  const both = [
    { polygon: strip(1, 3), value: 1 },
    { polygon: strip(3, 4), value: 2 },
  ];
  t.same([...(await fill(both, canvas))], [255, 1, 1, 2, 2, 255]);
  t.same([...(await fill(both.toReversed(), canvas))], [255, 1, 1, 1, 2, 255]);
});

t.test('corners are taken to the pixel that they lie in', async (t) => {
  const canvas = { width: 5, height: 5 };
  const drawn = (from: number, to: number) => [{ polygon: square(from, to), value: 1 }];
  t.same(await fill(drawn(1.99, 3.99), canvas), await fill(drawn(1, 3), canvas));
  t.same(await fill(drawn(-0.99, 1), canvas), await fill(drawn(0, 1), canvas));
});

t.test('what is drawn later lies on top, the background where nothing is', async (t) => {
  const drawn = [
    { polygon: square(0, 4), value: 1 },
    { polygon: square(1, 2), value: 2 },
    { polygon: square(2, 3), value: 255 },
  ];
  const label = await fill(drawn, { width: 6, height: 5, background: 9 });
  // prettier-ignore
  t.same([...label], [
    1, 1, 1, 1, 1, 9,
    1, 2, 2, 1, 1, 9,
    1, 2, 255, 255, 1, 9,
    1, 1, 255, 255, 1, 9,
    1, 1, 1, 1, 1, 9,
  ]);
});

t.test('a margin of zeros stands before each row', async (t) => {
  const drawn = [{ polygon: square(-3, 1), value: 1 }];
  t.same(
    [...(await fill(drawn, { width: 3, height: 3, margin: 2 }))],
    [0, 0, 1, 1, 255, 0, 0, 1, 1, 255, 0, 0, 255, 255, 255],
  );
});

t.test('nothing to draw is all background; the smallest image has one pixel', async (t) => {
  t.same([...(await fill([], { width: 2, height: 1 }))], [255, 255]);
  t.same([...(await fill([{ polygon: [], value: 1 }], { width: 1, height: 1 }))], [255]);
  t.same([...(await fill([{ polygon: [[0.5, 0.5]], value: 1 }], { width: 1, height: 1 }))], [1]);
});

t.test('what cannot be drawn is refused', async (t) => {
  const one = {
    points: new Float64Array([0, 0, 1, 1]),
    counts: new Uint32Array([2]),
    values: new Uint8Array(1),
  };
  const canvas = { width: 4, height: 4, background: 255, margin: 0 };
  const cases: [title: string, polygons: object, canvas: object, code: string, message: RegExp][] = [
    [
      'NaN',
      { points: new Float64Array([0, 0, 1, NaN]) },
      {},
      'INVALID_ARGUMENT',
      /polygon 0 has the coordinate nan/,
    ],
    ['infinity', { points: new Float64Array([0, 0, Infinity, 1]) }, {}, 'INVALID_ARGUMENT', /coordinate inf/],
    [
      'far away',
      { points: new Float64Array([0, 0, 1, -1000001]) },
      {},
      'INVALID_ARGUMENT',
      /from -1e\+06 to 1e\+06/,
    ],
    [
      'fewer points',
      { counts: new Uint32Array([3]) },
      {},
      'INVALID_ARGUMENT',
      /should have 3 corners, but only 2 are left/,
    ],
    [
      'more points',
      { counts: new Uint32Array([1]) },
      {},
      'INVALID_ARGUMENT',
      /expected 2 coordinates, got 4/,
    ],
    [
      'other values',
      { values: new Uint8Array(2) },
      {},
      'INVALID_ARGUMENT',
      /one value per polygon: 1 polygons, 2 values/,
    ],
    [
      'other arrays',
      { points: new Float32Array(4) },
      {},
      'INVALID_ARGUMENT',
      /points must be a Float64Array/,
    ],
    ['no height', {}, { height: 0 }, 'SHAPE', /at least 1×1 pixels/],
    ['a negative margin', {}, { margin: -1 }, 'SHAPE', /margin of at least 0/],
    [
      'a background of 256',
      {},
      { background: 256 },
      'INVALID_ARGUMENT',
      /background must be from 0 to 255, got 256/,
    ],
    ['a fractional width', {}, { width: 1.5 }, 'INVALID_ARGUMENT', /width must be a whole number, got 1.5/],
  ];
  for (const [title, polygons, given, code, message] of cases)
    await t.rejects(
      engine().fillPolygons({ ...one, ...polygons }, { ...canvas, ...given }),
      { name: 'DinoSegError', code, message },
      title,
    );
});

t.test('a job stops between and inside of polygons', async (t) => {
  // Long enough to be stopped on any machine: 40,000 edges cross every row.
  const zigzag = Float64Array.from({ length: 80_000 }, (_, i) =>
    i % 2 ? (i % 4 === 1 ? -10 : 20_000) : i / 4,
  );
  const counts = new Uint32Array([40_000]);
  const controller = new AbortController();
  const reason = new Error('enough');
  const canvas = { width: 10_000, height: 10_000, background: 255, margin: 0 };
  const job = runJob({ signal: controller.signal }, (handle) =>
    engine().fillPolygons({ points: zigzag, counts, values: new Uint8Array(1) }, canvas, handle),
  );
  setTimeout(() => controller.abort(reason), 50);
  t.equal(await job.catch((error: unknown) => error), reason);
});
