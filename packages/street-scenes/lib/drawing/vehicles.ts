/** Cars and autorickshaws. */
import { pick, shade, vary } from './choose.js';
import { prism, sideWheel, Sketch } from './sketch.js';
import type { DrawObject } from './sketch.js';
import { filled } from './svg.js';
import { glassPaint, glows, lamps, seenSide, tyre, vehiclePaints, wheels } from './vehicle-parts.js';

/** A car: a body and a narrower cabin that stands on its middle. */
export const car: DrawObject = (view, place, stream) => {
  const { lateral, depth, toward } = place;
  const sketch = new Sketch(view, lateral, depth);
  const half = stream.uniform(0.82, 0.95);
  const height = stream.uniform(1.38, 1.75);
  const length = stream.uniform(3.6, 4.6);
  const waist = height * 0.58;
  const body = prism(view, lateral, depth, depth + length, [
    [-half, 0.22],
    [-half, waist - 0.08],
    [-half * 0.93, waist, 0.1],
    [half * 0.93, waist, 0.1],
    [half, waist - 0.08],
    [half, 0.22],
  ]);
  const cabinAt = depth + (toward ? 1.1 : 0.3);
  const cabin = prism(view, lateral, cabinAt, depth + length - (toward ? 0.4 : 1.2), [
    [-half * 0.9, waist - 0.05],
    [-half * 0.72, height, 0.5],
    [half * 0.72, height, 0.5],
    [half * 0.9, waist - 0.05],
  ]);
  const tyres = wheels(view, place, half, 0.31, [0.75, length - 0.8]);
  const color = vary(stream, pick(stream, vehiclePaints), 14);
  const glass = prism(view, lateral, cabinAt, cabinAt + 0.01, [
    [-half * 0.83, waist],
    [-half * 0.69, height - 0.09, 0.44],
    [half * 0.69, height - 0.09, 0.44],
    [half * 0.83, waist],
  ]).face;
  return [
    view.shadow(lateral, depth + 0.1, half),
    {
      thing: 'car',
      outline: tyres + body.outline + cabin.outline,
      fill: view.paint(color, depth),
      details:
        filled(cabin.sides, view.paint(shade(glassPaint, 0.8), depth)) +
        filled(cabin.roof, view.paint(shade(color, 1.1), depth)) +
        filled(cabin.face, view.paint(color, depth)) +
        filled(glass, view.paint(glassPaint, depth)) +
        filled(body.sides, view.paint(shade(color, 0.72), depth)) +
        filled(body.roof, view.paint(shade(color, 1.12), depth)) +
        filled(body.face, view.paint(shade(color, 0.92), depth)) +
        filled(tyres, tyre) +
        filled(sketch.box(-half * 0.95, 0.22, half * 1.9, 0.18), view.paint([44, 44, 48], depth)) +
        filled(sketch.box(-0.24, 0.42, 0.48, 0.13), view.paint([232, 230, 214], depth)) +
        lamps(sketch, half * 0.8, waist * 0.78, 0.13, toward),
    },
    ...glows(view, sketch, half * 0.8, waist * 0.78, toward),
  ];
};

/** A three-wheeler with a rounded roof, yellow over green or black. */
export const autorickshaw: DrawObject = (view, place, stream) => {
  const { lateral, depth, toward } = place;
  const sketch = new Sketch(view, lateral, depth);
  const roofPaint = vary(
    stream,
    pick(stream, [
      [232, 186, 40],
      [236, 200, 60],
      [40, 40, 40],
    ] as const),
    10,
  );
  const bodyPaint = vary(
    stream,
    pick(stream, [
      [46, 106, 62],
      [222, 178, 44],
      [34, 96, 60],
    ] as const),
    10,
  );
  const lean = toward ? 0.35 : 0;
  const roof = prism(view, lateral, depth + 0.15, depth + 2.5, [
    [-0.64, 1],
    [-0.6, 1.5, lean * 0.6],
    [-0.42, 1.72, lean],
    [0.42, 1.72, lean],
    [0.6, 1.5, lean * 0.6],
    [0.64, 1],
  ]);
  const body = prism(view, lateral, depth, depth + 2.6, [
    [-0.6, 0.22],
    [-0.66, 1.02],
    [0.66, 1.02],
    [0.6, 0.22],
  ]);
  const tyres = toward
    ? sketch.box(-0.09, 0, 0.18, 0.42, 0.06) +
      sideWheel(view, lateral + seenSide(view, lateral) * 0.6, depth + 2, 0.22)
    : wheels(view, place, 0.62, 0.24, [0.4]);
  const opening = toward ? sketch.box(-0.48, 1.06, 0.96, 0.46, 0.1) : sketch.box(-0.3, 1.2, 0.6, 0.24, 0.05);
  return [
    view.shadow(lateral, depth + 0.1, 0.65),
    {
      thing: 'autorickshaw',
      outline: tyres + roof.outline + body.outline,
      fill: view.paint(roofPaint, depth),
      details:
        filled(roof.sides, view.paint(shade([60, 56, 50], 0.8), depth)) +
        filled(roof.roof, view.paint(shade(roofPaint, 1.06), depth)) +
        filled(roof.face, view.paint(roofPaint, depth)) +
        filled(body.sides, view.paint(shade(bodyPaint, 0.75), depth)) +
        filled(body.roof, view.paint([50, 44, 40], depth)) +
        filled(body.face, view.paint(bodyPaint, depth)) +
        filled(tyres, tyre) +
        filled(opening, view.paint(toward ? [70, 82, 90] : [36, 38, 40], depth)) +
        filled(sketch.box(-0.2, 0.35, 0.4, 0.12), view.paint([226, 204, 90], depth)) +
        lamps(sketch, toward ? 0.28 : 0.52, 0.72, 0.1, toward),
    },
    ...glows(view, sketch, toward ? 0.28 : 0.52, 0.72, toward),
  ];
};
