/** What stands about at the roadside. */
import { pick, shade, vary } from './choose.js';
import { person } from './people.js';
import { Sketch } from './sketch.js';
import type { DrawObject } from './sketch.js';
import { filled } from './svg.js';
import type { Paint } from './svg.js';

const cloths: readonly Paint[] = [
  [204, 60, 50],
  [54, 110, 170],
  [230, 186, 60],
  [70, 140, 90],
];

/** A kiosk with a striped roof and goods, and someone who sells. */
export const stall: DrawObject = (view, place, stream) => {
  const { lateral, depth } = place;
  const sketch = new Sketch(view, lateral, depth);
  const half = stream.uniform(0.9, 1.3);
  const counter = sketch.box(-half, 0, 2 * half, 0.95);
  const posts = sketch.bar([-half, 0.9], [-half, 2.1], 0.09) + sketch.bar([half, 0.9], [half, 2.1], 0.09);
  const roof = sketch.shape([-half - 0.25, 1.95], [-half, 2.5], [half, 2.5], [half + 0.25, 1.95]);
  const cloth = vary(stream, pick(stream, cloths), 14);
  let [stripes, goods] = ['', ''];
  for (let x = -half; x < half; x += 0.6)
    stripes += sketch.shape([x - 0.1, 1.95], [x, 2.5], [x + 0.3, 2.5], [x + 0.26, 1.95]);
  for (let x = -half + 0.2; x < half; x += 0.35) goods += sketch.ball(x, 0.98, 0.16, 0.13);
  return [
    view.shadow(lateral, depth, half),
    ...person(view, { ...place, depth: depth + 0.5 }, stream).slice(1),
    {
      thing: 'stall',
      outline: counter + posts + roof + goods,
      fill: sketch.paint([134, 106, 76]),
      details:
        filled(roof, sketch.paint(cloth)) +
        filled(stripes, sketch.paint([236, 230, 216]), 0.8) +
        filled(sketch.box(-half, 0.35, 2 * half, 0.4), sketch.paint(shade(cloth, 0.8))) +
        filled(goods, sketch.paint(pick(stream, cloths))),
    },
  ];
};

/** One to three drums. */
export const barrels: DrawObject = (view, { lateral, depth }, stream) => {
  const sketch = new Sketch(view, lateral, depth);
  const count = 1 + stream.below(3);
  let [drums, rings] = ['', ''];
  for (let i = 0; i < count; i++) {
    const left = (i - count / 2) * 0.64;
    drums += sketch.box(left, 0, 0.6, 0.92, 0.08);
    rings += sketch.box(left, 0.28, 0.6, 0.06) + sketch.box(left, 0.6, 0.6, 0.06);
  }
  const paint = vary(
    stream,
    pick(stream, [
      [40, 80, 140],
      [196, 90, 40],
      [90, 94, 96],
    ] as const),
    14,
  );
  return [
    view.shadow(lateral, depth, 0.35 * count),
    {
      thing: 'barrel',
      outline: drums,
      fill: sketch.paint(paint),
      details: filled(rings, sketch.paint(shade(paint, 1.5))),
    },
  ];
};

/** One to three litter bins with lids. */
export const bins: DrawObject = (view, { lateral, depth }, stream) => {
  const sketch = new Sketch(view, lateral, depth);
  const count = 1 + stream.below(3);
  let [bodies, lids] = ['', ''];
  for (let i = 0; i < count; i++) {
    const left = (i - count / 2) * 0.68;
    bodies += sketch.shape([left, 0.95], [left + 0.62, 0.95], [left + 0.54, 0], [left + 0.08, 0]);
    lids += sketch.box(left - 0.02, 0.93, 0.66, 0.16, 0.07);
  }
  const paint = vary(
    stream,
    pick(stream, [
      [50, 84, 58],
      [62, 64, 68],
      [60, 76, 120],
    ] as const),
    12,
  );
  return [
    view.shadow(lateral, depth, 0.35 * count),
    {
      thing: 'bin',
      outline: bodies + lids,
      fill: sketch.paint(paint),
      details: filled(lids, sketch.paint(shade(paint, 1.35))),
    },
  ];
};

export const bench: DrawObject = (view, { lateral, depth }, stream) => {
  const sketch = new Sketch(view, lateral, depth);
  const half = stream.uniform(0.8, 1.1);
  const legs = sketch.box(-half * 0.85, 0, 0.12, 0.45) + sketch.box(half * 0.85 - 0.12, 0, 0.12, 0.45);
  const seat = sketch.box(-half, 0.4, 2 * half, 0.16);
  const back = sketch.box(-half, 0.62, 2 * half, 0.18) + sketch.box(-half, 0.84, 2 * half, 0.14);
  const stiles = sketch.box(-half * 0.8, 0.5, 0.1, 0.45) + sketch.box(half * 0.8 - 0.1, 0.5, 0.1, 0.45);
  return [
    view.shadow(lateral, depth, half),
    {
      thing: 'bench',
      outline: legs + seat + back + stiles,
      fill: sketch.paint(vary(stream, [134, 92, 56], 14)),
      details: filled(legs + stiles, sketch.paint([54, 54, 56])),
    },
  ];
};

/** A stack of crates. */
export const crates: DrawObject = (view, { lateral, depth }, stream) => {
  const sketch = new Sketch(view, lateral, depth);
  const rows = 1 + stream.below(3);
  let [boxes, slats] = ['', ''];
  for (let row = 0; row < rows; row++)
    for (let i = 0; i < 2; i++) {
      const [left, bottom] = [(i - 1) * 0.62 + stream.uniform(-0.03, 0.03), row * 0.4];
      boxes += sketch.box(left, bottom, 0.6, 0.4);
      slats +=
        sketch.box(left + 0.04, bottom + 0.08, 0.52, 0.08) +
        sketch.box(left + 0.04, bottom + 0.24, 0.52, 0.08);
    }
  const wood = vary(
    stream,
    pick(stream, [
      [168, 130, 84],
      [70, 110, 160],
      [190, 70, 56],
    ] as const),
    14,
  );
  return [
    view.shadow(lateral, depth, 0.65),
    {
      thing: 'crate',
      outline: boxes,
      fill: sketch.paint(shade(wood, 0.7)),
      details: filled(slats, sketch.paint(wood)),
    },
  ];
};

/** Cones in a row. */
export const cones: DrawObject = (view, { lateral, depth }, stream) => {
  const count = 1 + stream.below(3);
  return Array.from({ length: count }, (_, i) => {
    const sketch = new Sketch(view, lateral, depth + 1.6 * (count - 1 - i));
    const outline =
      sketch.shape([-0.2, 0.05], [-0.05, 0.75], [0.05, 0.75], [0.2, 0.05]) + sketch.box(-0.27, 0, 0.54, 0.08);
    const band = sketch.shape([-0.14, 0.3], [-0.1, 0.48], [0.1, 0.48], [0.14, 0.3]);
    return {
      thing: 'cone',
      outline,
      fill: sketch.paint([230, 92, 30]),
      details: filled(band, sketch.paint([240, 236, 228])),
    };
  });
};
