/** What vehicles are made of. */
import { shade } from './choose.js';
import { prism, sideWheel, Sketch } from './sketch.js';
import type { FacePoint, Place } from './sketch.js';
import { filled } from './svg.js';
import type { Paint } from './svg.js';
import type { Thing } from './things.js';
import type { Shape, View } from './view.js';

export const vehiclePaints: readonly Paint[] = [
  [188, 30, 34],
  [222, 222, 220],
  [236, 236, 234],
  [34, 36, 42],
  [38, 74, 142],
  [150, 154, 158],
  [196, 164, 52],
  [44, 104, 82],
];
export const glassPaint: Paint = [58, 74, 90];
export const tyre = '#17171a';

/** The side of a vehicle that is seen: −1 its left, 1 its right. */
export function seenSide(view: View, lateral: number): -1 | 1 {
  return lateral < view.lateral ? 1 : -1;
}

/** Both wheels at the end that is seen, and those at the side that is seen; `axles` metres from that end. */
export function wheels(
  view: View,
  place: Place,
  half: number,
  radius: number,
  axles: readonly number[],
): string {
  const { lateral, depth } = place;
  const sketch = new Sketch(view, lateral, depth);
  const wide = Math.max(0.18, radius * 0.5);
  const ends = sketch.box(-half, 0, wide, radius) + sketch.box(half - wide, 0, wide, radius);
  // From straight behind, the sides are hidden by the end.
  if (Math.abs(lateral - view.lateral) < half) return ends;
  const side = lateral + seenSide(view, lateral) * half;
  return ends + axles.map((back) => sideWheel(view, side, depth + back, radius)).join('');
}

/** Both lamps at the end that is seen: white in front, red behind. */
export function lamps(sketch: Sketch, half: number, up: number, size: number, toward: boolean): string {
  const pair = sketch.ball(-half, up, size, size * 0.7) + sketch.ball(half, up, size, size * 0.7);
  return filled(pair, toward ? '#fff3cf' : '#d81f1f');
}

/** The halos of both lamps in the dark. */
export function glows(view: View, sketch: Sketch, half: number, up: number, toward: boolean): Shape[] {
  const color: Paint = toward ? [255, 240, 200] : [255, 50, 40];
  const radius = (toward ? 1 : 0.45) * sketch.metre;
  return [-half, half].flatMap((right) => view.glow(sketch.at(right, up), radius, color));
}

/** A vehicle that is a box on wheels. Lengths are metres. */
export interface BoxBody {
  readonly thing: Thing;
  readonly half: number;
  readonly bottom: number;
  readonly height: number;
  readonly length: number;
  readonly paint: Paint;
  /** Adds to the picture of the face. */
  readonly face: (sketch: Sketch, view: View) => string;
  /** Windows along the side, between two heights; none where absent. */
  readonly windows?: readonly [bottom: number, top: number];
  readonly axles: readonly number[];
  readonly lampUp: number;
}

/** Draws a box on wheels. */
export function boxVehicle(view: View, place: Place, box: BoxBody): Shape[] {
  const { lateral, depth, toward } = place;
  const { half, bottom, height, length, paint } = box;
  const sketch = new Sketch(view, lateral, depth);
  const corners: FacePoint[] = [
    [-half, bottom],
    [-half, height - 0.1],
    [-half + 0.15, height],
    [half - 0.15, height],
    [half, height - 0.1],
    [half, bottom],
  ];
  const body = prism(view, lateral, depth, depth + length, corners);
  const tyres = wheels(view, place, half, 0.46, box.axles);
  // Without it the body would float between its wheels.
  const chassis = prism(view, lateral, depth + 0.1, depth + length, [
    [-half * 0.9, 0.28],
    [-half * 0.9, bottom + 0.1],
    [half * 0.9, bottom + 0.1],
    [half * 0.9, 0.28],
  ]).outline;
  const side = lateral + seenSide(view, lateral) * half;
  let panes = '';
  if (box.windows)
    for (let back = 0.4; back + 1 < length; back += 1.3)
      panes += view.panel(side, depth + back, depth + back + 1, ...box.windows);
  return [
    view.shadow(lateral, depth + 0.1, half),
    {
      thing: box.thing,
      outline: tyres + chassis + body.outline,
      fill: view.paint(paint, depth),
      details:
        filled(chassis, '#222326') +
        filled(body.sides, view.paint(shade(paint, 0.7), depth)) +
        filled(panes, view.paint(shade(glassPaint, 0.8), depth)) +
        filled(body.roof, view.paint(shade(paint, 1.1), depth)) +
        filled(body.face, view.paint(paint, depth)) +
        box.face(sketch, view) +
        filled(tyres, tyre) +
        lamps(sketch, half * 0.82, box.lampUp, 0.13, toward),
    },
    ...glows(view, sketch, half * 0.82, box.lampUp, toward),
  ];
}
