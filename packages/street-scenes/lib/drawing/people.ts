/** People on foot, and people on two wheels with what they ride. */
import type { RandomStream } from '../../../../lib/data/random.js';
import { chance, pick, vary } from './choose.js';
import { Sketch } from './sketch.js';
import type { DrawObject, Place } from './sketch.js';
import { filled } from './svg.js';
import type { Paint } from './svg.js';
import { vehiclePaints } from './vehicle-parts.js';
import type { Shape, View } from './view.js';

const clothes: readonly Paint[] = [
  [176, 48, 52],
  [44, 70, 128],
  [216, 206, 190],
  [62, 62, 66],
  [72, 118, 78],
  [206, 144, 52],
  [188, 96, 150],
  [60, 150, 160],
];
const skins: readonly Paint[] = [
  [208, 164, 132],
  [142, 98, 70],
  [96, 66, 50],
];
const hairs: readonly Paint[] = [
  [30, 24, 22],
  [70, 48, 32],
  [120, 118, 114],
];

/** A person on foot, from before or behind: trousers, or a long dress. */
export const person: DrawObject = (view, place, stream) => {
  const { lateral, depth } = place;
  const sketch = new Sketch(view, lateral, depth);
  const h = chance(stream, 0.12) ? stream.uniform(1, 1.35) : stream.uniform(1.5, 1.85);
  const w = h * stream.uniform(0.25, 0.3);
  const stride = stream.uniform(0.02, 0.2);
  const swing = stream.uniform(0.02, 0.2);
  const dress = chance(stream, 0.3);
  const leg = (side: -1 | 1): string =>
    sketch.bar([side * w * 0.22, h * 0.5], [side * (stride + 0.02), 0.03], 0.17);
  const legs = dress
    ? sketch.shape([-w * 0.35, h * 0.55], [w * 0.35, h * 0.55], [w * 0.6, 0.06], [-w * 0.6, 0.06])
    : leg(-1) + leg(1);
  const arms =
    sketch.bar([-w * 0.46, h * 0.79], [-w * 0.5 - swing, h * 0.48], 0.11) +
    sketch.bar([w * 0.46, h * 0.79], [w * 0.5 + swing, h * 0.48], 0.11);
  const torso = sketch.box(-w * 0.5, h * 0.46, w, h * 0.38, 0.12);
  const head = sketch.ball(0, h * 0.92, h * 0.066, h * 0.08);
  const hair = sketch.ball(0, h * 0.955, h * 0.062, h * 0.05);
  const top = vary(stream, pick(stream, clothes), 18);
  const below =
    dress && chance(stream, 0.6)
      ? top
      : vary(
          stream,
          pick(stream, [
            [52, 56, 72],
            [90, 84, 76],
            [40, 40, 44],
            [190, 184, 170],
          ] as const),
          16,
        );
  const skin = pick(stream, skins);
  return [
    view.shadow(lateral, depth, 0.3),
    {
      thing: 'person',
      outline: legs + arms + torso + head + hair,
      fill: sketch.paint(top),
      details:
        filled(legs, sketch.paint(below)) +
        filled(arms, sketch.paint(chance(stream, 0.5) ? skin : top)) +
        filled(torso, sketch.paint(top)) +
        filled(head, sketch.paint(skin)) +
        filled(hair, sketch.paint(pick(stream, hairs))),
    },
  ];
};

/** Someone who sits on a two-wheeler that is seen end on; `lift` metres is the saddle. */
function riderEndOn(sketch: Sketch, lift: number, helmet: boolean, stream: RandomStream): Shape {
  const legs =
    sketch.bar([-0.1, lift + 0.05], [-0.3, lift - 0.15], 0.17) +
    sketch.bar([-0.3, lift - 0.12], [-0.24, 0.28], 0.14) +
    sketch.bar([0.1, lift + 0.05], [0.3, lift - 0.15], 0.17) +
    sketch.bar([0.3, lift - 0.12], [0.24, 0.28], 0.14);
  const arms =
    sketch.bar([-0.2, lift + 0.5], [-0.36, lift + 0.18], 0.11) +
    sketch.bar([0.2, lift + 0.5], [0.36, lift + 0.18], 0.11);
  const torso = sketch.box(-0.24, lift - 0.05, 0.48, 0.65, 0.12);
  const head = sketch.ball(0, lift + 0.74, 0.13, 0.16);
  const top = vary(stream, pick(stream, clothes), 18);
  return {
    thing: 'rider',
    outline: legs + arms + torso + head,
    fill: sketch.paint(top),
    details:
      filled(legs, sketch.paint(vary(stream, [56, 58, 70], 18))) +
      filled(head, sketch.paint(helmet ? pick(stream, vehiclePaints) : pick(stream, skins))),
  };
}

/** The same from the side, looking right. */
function riderFromSide(sketch: Sketch, lift: number, helmet: boolean, stream: RandomStream): Shape {
  const legs =
    sketch.bar([-0.15, lift], [0.22, lift - 0.12], 0.19) + sketch.bar([0.22, lift - 0.1], [0.08, 0.3], 0.15);
  const torso = sketch.bar([-0.15, lift - 0.02], [0, lift + 0.58], 0.36);
  const arms = sketch.bar([0, lift + 0.5], [0.42, lift + 0.24], 0.11);
  const head = sketch.ball(0.06, lift + 0.76, 0.14, 0.16);
  const top = vary(stream, pick(stream, clothes), 18);
  return {
    thing: 'rider',
    outline: legs + arms + torso + head,
    fill: sketch.paint(top),
    details:
      filled(legs, sketch.paint(vary(stream, [56, 58, 70], 18))) +
      filled(head, sketch.paint(helmet ? pick(stream, vehiclePaints) : pick(stream, skins))),
  };
}

/** Rides along the street. */
function endOn(thing: 'motorcycle' | 'bicycle', view: View, place: Place, stream: RandomStream): Shape[] {
  const { lateral, depth, toward } = place;
  const sketch = new Sketch(view, lateral, depth);
  const motor = thing === 'motorcycle';
  const wide = motor ? 0.11 : 0.05;
  const wheel = sketch.box(-wide, 0, 2 * wide, 0.68, wide);
  const frame = motor ? sketch.box(-0.22, 0.5, 0.44, 0.42, 0.1) : sketch.bar([0, 0.6], [0, 0.95], 0.06);
  const bar = sketch.bar([-0.36, 0.98], [0.36, 0.98], 0.08);
  const lamp = sketch.ball(0, 0.82, 0.1);
  const rider = riderEndOn(sketch, 0.82, motor && chance(stream, 0.6), stream);
  const bike: Shape = {
    thing,
    outline: wheel + frame + bar,
    fill: sketch.paint([40, 42, 48]),
    details:
      filled(frame, sketch.paint(pick(stream, vehiclePaints))) +
      (motor ? filled(lamp, toward ? '#fff3cf' : '#d81f1f') : ''),
  };
  const glow = motor
    ? view.glow(
        sketch.at(0, 0.82),
        (toward ? 0.8 : 0.3) * sketch.metre,
        toward ? [255, 240, 200] : [255, 50, 40],
      )
    : [];
  return [view.shadow(lateral, depth, 0.35), ...(toward ? [rider, bike] : [bike, rider]), ...glow];
}

/** Crosses, or stands with its side to the camera; `ridden` or parked. */
function fromSide(
  thing: 'motorcycle' | 'bicycle',
  ridden: boolean,
  view: View,
  place: Place,
  stream: RandomStream,
): Shape[] {
  const { lateral, depth } = place;
  const sketch = new Sketch(view, lateral, depth, place.side);
  const motor = thing === 'motorcycle';
  const [radius, base, thick] = motor ? [0.3, 0.62, 0.12] : [0.34, 0.52, 0.05];
  const tyres = sketch.ball(-base, radius, radius) + sketch.ball(base, radius, radius);
  const hubs = sketch.ball(-base, radius, radius - thick) + sketch.ball(base, radius, radius - thick);
  const body = motor
    ? sketch.shape([-0.75, 0.7], [-0.6, 0.85], [0.1, 0.8], [0.3, 0.95], [0.42, 0.8], [0.3, 0.4], [-0.4, 0.35])
    : sketch.bar([-base, radius], [-0.15, 0.85], 0.06) +
      sketch.bar([-0.15, 0.78], [0.38, 0.82], 0.06) +
      sketch.bar([-0.05, 0.32], [0.38, 0.82], 0.06) +
      sketch.bar([-0.05, 0.32], [-base, radius], 0.06) +
      sketch.box(-0.28, 0.86, 0.26, 0.07);
  const fork =
    sketch.bar([base, radius], [0.38, 1], motor ? 0.1 : 0.06) + sketch.bar([0.38, 1], [0.26, 1.06], 0.07);
  return [
    view.shadow(lateral, depth, 0.7),
    {
      thing,
      outline: tyres + body + fork,
      fill: sketch.paint([34, 35, 40]),
      details:
        filled(hubs, sketch.paint([120, 120, 122]), 0.7) +
        filled(body, sketch.paint(pick(stream, vehiclePaints))),
    },
    ...(ridden ? [riderFromSide(sketch, motor ? 0.85 : 0.95, motor && chance(stream, 0.6), stream)] : []),
  ];
}

function twoWheeler(thing: 'motorcycle' | 'bicycle'): DrawObject {
  return (view, place, stream) =>
    chance(stream, 0.78) ? endOn(thing, view, place, stream) : fromSide(thing, true, view, place, stream);
}

export const motorcycle = twoWheeler('motorcycle');
export const bicycle = twoWheeler('bicycle');

export const parkedMotorcycle: DrawObject = (view, place, stream) =>
  fromSide('motorcycle', false, view, place, stream);
export const parkedBicycle: DrawObject = (view, place, stream) =>
  fromSide('bicycle', false, view, place, stream);
