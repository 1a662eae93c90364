/** Poles and what hangs on them. */
import { chance, pick, vary } from './choose.js';
import { Sketch } from './sketch.js';
import type { DrawObject } from './sketch.js';
import { filled } from './svg.js';
import type { Paint } from './svg.js';
import { vehiclePaints } from './vehicle-parts.js';
import type { Shape } from './view.js';

const metal: Paint = [118, 120, 122];

function post(sketch: Sketch, height: number, thickness = 0.14, paint: Paint = metal): Shape {
  return { thing: 'pole', outline: sketch.bar([0, 0], [0, height], thickness), fill: sketch.paint(paint) };
}

/** A pole of wood or concrete with cross arms. */
export const utilityPole: DrawObject = (view, { lateral, depth }, stream) => {
  const sketch = new Sketch(view, lateral, depth);
  const height = stream.uniform(6, 8.5);
  const pole = post(
    sketch,
    height,
    0.26,
    pick(stream, [
      [120, 96, 74],
      [150, 148, 142],
    ] as const),
  );
  const arms =
    sketch.bar([-0.8, height - 0.5], [0.8, height - 0.5], 0.14) +
    sketch.bar([-0.6, height - 1.1], [0.6, height - 1.1], 0.14);
  const box = chance(stream, 0.3) ? sketch.box(-0.3, height - 2.6, 0.6, 0.9) : '';
  return [{ ...pole, outline: pole.outline + arms + box }];
};

/** A lamp post with an arm over the road. */
export const streetlight: DrawObject = (view, { lateral, depth, side }, stream) => {
  const sketch = new Sketch(view, lateral, depth, side);
  const height = stream.uniform(5.5, 8);
  const pole = sketch.bar([0, 0], [0, height], 0.18);
  const arm = sketch.bar([0, height - 0.05], [-1.6, height + 0.2], 0.12);
  const head = sketch.box(-2.1, height + 0.08, 0.8, 0.24, 0.08);
  const on = view.light.lamps > 0.3;
  return [
    {
      thing: 'streetlight',
      outline: pole + arm + head,
      fill: sketch.paint(metal),
      ...(on && { details: filled(head, '#ffeec0') }),
    },
    ...view.glow(sketch.at(-1.7, height + 0.15), 1.5 * sketch.metre, [255, 226, 160]),
  ];
};

export const trafficSign: DrawObject = (view, { lateral, depth }, stream) => {
  const sketch = new Sketch(view, lateral, depth);
  const [up, r] = [stream.uniform(2.2, 2.7), stream.uniform(0.4, 0.55)];
  const red: Paint = [204, 34, 38];
  const blue: Paint = [32, 84, 168];
  const light: Paint = [240, 238, 228];
  const corners = (size: number, count: number, turn: number): string =>
    sketch.shape(
      ...Array.from({ length: count }, (_, i) => {
        const angle = ((i + turn) / count) * 2 * Math.PI;
        return [size * Math.sin(angle), up + size * Math.cos(angle)] as const;
      }),
    );
  const kind = stream.below(6);
  const pole = post(sketch, up);
  const sign = (outline: string, fill: Paint, details: string): Shape[] => [
    pole,
    { thing: 'trafficSign', outline, fill: sketch.paint(fill), details },
  ];
  if (kind === 0) {
    const details = filled(sketch.box(-r * 0.7, up - r * 0.18, r * 1.4, r * 0.36), sketch.paint(light));
    return [pole, { thing: 'stopSign', outline: corners(r * 1.1, 8, 0.5), fill: sketch.paint(red), details }];
  }
  if (kind === 1)
    return sign(corners(r * 1.2, 3, 0), red, filled(corners(r * 0.75, 3, 0), sketch.paint(light)));
  if (kind === 2)
    return sign(sketch.ball(0, up, r), red, filled(sketch.ball(0, up, r * 0.68), sketch.paint(light)));
  if (kind === 3)
    return sign(
      sketch.ball(0, up, r),
      blue,
      filled(sketch.bar([0, up - r * 0.6], [0, up + r * 0.6], 0.14), sketch.paint(light)),
    );
  if (kind === 4)
    return sign(
      sketch.box(-r, up - r, 2 * r, 2 * r, 0.08),
      blue,
      filled(sketch.box(-r * 0.5, up - r * 0.5, r, r), sketch.paint(light)),
    );
  return sign(corners(r * 1.25, 4, 0), [232, 190, 40], filled(corners(r * 0.6, 4, 0), '#202020'));
};

/** A board with directions, on two posts. */
export const directionBoard: DrawObject = (view, { lateral, depth }, stream) => {
  const sketch = new Sketch(view, lateral, depth);
  const [half, up, high] = [stream.uniform(1.1, 1.8), stream.uniform(2.4, 3.4), stream.uniform(1, 1.5)];
  const lines = [0.25, 0.6]
    .map((y) => sketch.box(-half * 0.8, up + high * y, half * stream.uniform(0.7, 1.5), high * 0.14))
    .join('');
  const color: Paint = pick(stream, [
    [26, 96, 66],
    [34, 82, 160],
  ] as const);
  return [
    {
      thing: 'pole',
      outline:
        sketch.bar([-half * 0.7, 0], [-half * 0.7, up], 0.16) +
        sketch.bar([half * 0.7, 0], [half * 0.7, up], 0.16),
      fill: sketch.paint(metal),
    },
    {
      thing: 'trafficSign',
      outline: sketch.box(-half, up, 2 * half, high, 0.1),
      fill: sketch.paint(vary(stream, color, 8)),
      details: filled(lines, sketch.paint([236, 236, 230])),
    },
  ];
};

/** Signals on a post, often a second set on an arm over the road. */
export const trafficLight: DrawObject = (view, { lateral, depth, side }, stream) => {
  const sketch = new Sketch(view, lateral, depth, side);
  const on = stream.below(3);
  const colors: readonly Paint[] = [
    [255, 59, 48],
    [255, 194, 26],
    [53, 224, 106],
  ];
  const lamp = (right: number, bottom: number): Shape[] => [
    {
      thing: 'trafficLight',
      outline: sketch.box(right - 0.27, bottom, 0.54, 1.3, 0.06),
      fill: sketch.paint([30, 32, 34]),
      details: colors
        .map((color, i) =>
          filled(
            sketch.ball(right, bottom + 1.05 - 0.4 * i, 0.16),
            `rgb(${color.join()})`,
            i === on ? 1 : 0.2,
          ),
        )
        .join(''),
    },
    ...view.glow(sketch.at(right, bottom + 1.05 - 0.4 * on), 0.6 * sketch.metre, colors[on]!),
  ];
  const arm = chance(stream, 0.5);
  const pole = post(sketch, arm ? 5.9 : 3.2, 0.18);
  const reach = stream.uniform(2.4, 4);
  const beam = arm ? sketch.bar([0, 5.7], [-reach, 5.7], 0.16) : '';
  return [{ ...pole, outline: pole.outline + beam }, ...lamp(0, 2.4), ...(arm ? lamp(-reach, 4.5) : [])];
};

/** An advertisement on posts. */
export const billboard: DrawObject = (view, { lateral, depth }, stream) => {
  const sketch = new Sketch(view, lateral, depth);
  const [half, up, high] = [stream.uniform(1.4, 2.8), stream.uniform(2.5, 4.5), stream.uniform(1.5, 2.6)];
  const lines = [0.15, 0.4, 0.65]
    .map((y) => sketch.box(-half * 0.85, up + high * y, half * stream.uniform(0.5, 1.6), high * 0.13))
    .join('');
  const blob = sketch.ball(half * stream.uniform(0.1, 0.6), up + high * 0.5, high * 0.3);
  return [
    {
      thing: 'pole',
      outline:
        sketch.bar([-half * 0.5, 0], [-half * 0.5, up], 0.2) +
        sketch.bar([half * 0.5, 0], [half * 0.5, up], 0.2),
      fill: sketch.paint(metal),
    },
    {
      thing: 'billboard',
      outline: sketch.box(-half, up, 2 * half, high),
      fill: sketch.paint(vary(stream, pick(stream, vehiclePaints), 24)),
      details:
        filled(blob, sketch.paint(pick(stream, vehiclePaints)), 0.8) +
        filled(lines, sketch.paint([244, 238, 218]), 0.9),
    },
  ];
};
