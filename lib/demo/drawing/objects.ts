/** People, two-wheelers and what stands at the roadside. */
import type { RandomStream } from '../../data/random.js';
import { shadow, vehiclePaints } from './vehicles.js';
import type { DrawObject } from './vehicles.js';
import { ellipse, filled, pick, polygon, rect, vary } from './view.js';
import type { Paint, Shape, View } from './view.js';

const clothes: readonly Paint[] = [
  [176, 48, 52],
  [44, 70, 128],
  [216, 206, 190],
  [62, 62, 66],
  [72, 118, 78],
  [206, 144, 52],
];

interface BodySize {
  readonly height: number;
  readonly width: number;
}

function figure(
  view: View,
  x: number,
  y: number,
  m: number,
  size: BodySize,
  depth: number,
  stream: RandomStream,
): Omit<Shape, 'thing'> {
  const { height: h, width: w } = size;
  const stride = stream.uniform(0.02, 0.16);
  const legs =
    polygon([
      [x - w * 0.4 * m, y - h * 0.5 * m],
      [x, y - h * 0.5 * m],
      [x - (stride - 0.02) * m, y],
      [x - (stride + 0.14) * m, y],
    ]) +
    polygon([
      [x, y - h * 0.5 * m],
      [x + w * 0.4 * m, y - h * 0.5 * m],
      [x + (stride + 0.14) * m, y],
      [x + (stride - 0.02) * m, y],
    ]);
  const torso = rect(x - w * 0.5 * m, y - h * 0.84 * m, w * m, h * 0.4 * m, 0.12 * m);
  const head = ellipse(x, y - h * 0.92 * m, 0.12 * m, 0.15 * m);
  return {
    outline: legs + torso + head,
    fill: view.paint(vary(stream, pick(stream, clothes), 18), depth),
    details:
      filled(legs, view.paint(vary(stream, [52, 56, 72], 20), depth)) +
      filled(
        head,
        view.paint(
          pick(stream, [
            [208, 164, 132],
            [142, 98, 70],
            [96, 66, 50],
          ] as const),
          depth,
        ),
      ),
  };
}

export const person: DrawObject = (view, lateral, depth, stream) => {
  const [x, y] = view.at(lateral, depth);
  const size = { height: stream.uniform(1.45, 1.85), width: stream.uniform(0.42, 0.55) };
  return [
    shadow(view, lateral, depth, 0.3),
    { thing: 'person', ...figure(view, x, y, view.metre(depth), size, depth, stream) },
  ];
};

/** A two-wheeler seen end on, with its rider. */
function twoWheeler(thing: 'motorcycle' | 'bicycle'): DrawObject {
  return (view, lateral, depth, stream) => {
    const [x, y] = view.at(lateral, depth);
    const m = view.metre(depth);
    const wide = thing === 'motorcycle' ? 0.16 : 0.07;
    const wheel = rect(x - wide * m, y - 0.68 * m, 2 * wide * m, 0.68 * m, wide * m);
    const frame = rect(x - wide * 1.5 * m, y - 0.95 * m, 3 * wide * m, 0.4 * m, 0.05 * m);
    const bar = rect(x - 0.36 * m, y - 1.06 * m, 0.72 * m, 0.09 * m);
    const size = { height: 1.3, width: 0.46 };
    return [
      shadow(view, lateral, depth, 0.35),
      { thing: 'rider', ...figure(view, x, y - 0.42 * m, m, size, depth, stream) },
      {
        thing,
        outline: wheel + frame + bar,
        fill: view.paint([40, 42, 48], depth),
        details: filled(frame, view.paint(pick(stream, vehiclePaints), depth)),
      },
    ];
  };
}

export const motorcycle = twoWheeler('motorcycle');
export const bicycle = twoWheeler('bicycle');

/** A trunk and a crown of overlapping balls, all one class. */
export const tree: DrawObject = (view, lateral, depth, stream) => {
  const [x, y] = view.at(lateral, depth);
  const m = view.metre(depth);
  const [trunk, crown] = [stream.uniform(1.8, 2.8), stream.uniform(1.1, 1.9)];
  const stem = rect(x - 0.13 * m, y - (trunk + 0.5) * m, 0.26 * m, (trunk + 0.5) * m);
  let balls = '';
  let bright = '';
  for (let i = 0; i < 9; i++) {
    const [dx, dy] = [stream.uniform(-0.8, 0.8) * crown, stream.uniform(-0.5, 0.9) * crown];
    const size = stream.uniform(0.45, 0.75) * crown;
    balls += ellipse(x + dx * m, y - (trunk + crown * 0.6 + dy) * m, size * m, size * 0.85 * m);
    bright += ellipse(
      x + (dx - 0.15) * m,
      y - (trunk + crown * 0.7 + dy) * m,
      size * 0.5 * m,
      size * 0.4 * m,
    );
  }
  const green = vary(stream, [70, 104, 48], 16);
  return [
    shadow(view, lateral, depth, crown * 0.7),
    {
      thing: 'tree',
      outline: stem + balls,
      fill: view.paint(green, depth),
      details:
        filled(stem, view.paint([84, 64, 46], depth)) +
        filled(balls, view.paint(green, depth)) +
        filled(bright, view.paint([green[0] + 34, green[1] + 38, green[2] + 18], depth), 0.55),
    },
  ];
};

function post(view: View, lateral: number, depth: number, height: number, half = 0.07): Shape {
  const [x, y] = view.at(lateral, depth);
  const m = view.metre(depth);
  // Never thinner than a pixel or so, or it would be in the picture and not in the label.
  const wide = Math.max(half * m, 0.45);
  return {
    thing: 'pole',
    outline: rect(x - wide, y - height * m, 2 * wide, height * m),
    fill: view.paint([118, 120, 122], depth),
  };
}

/** A lamp post with an arm over the road. */
export const lampPost: DrawObject = (view, lateral, depth) => {
  const pole = post(view, lateral, depth, 6.2);
  const [x, y] = view.at(lateral, depth, 6.2);
  const m = view.metre(depth);
  const reach = -Math.sign(lateral) * 1.4 * m;
  const arm = rect(Math.min(x, x + reach), y, Math.abs(reach), Math.max(0.14 * m, 0.9));
  return [{ ...pole, outline: pole.outline + arm }];
};

export const trafficSign: DrawObject = (view, lateral, depth, stream) => {
  const [x, y] = view.at(lateral, depth, 2.6);
  const m = view.metre(depth);
  const round = stream.float() < 0.5;
  const r = 0.42 * m;
  const triangle = (size: number): string =>
    polygon([
      [x, y - size],
      [x + size * 0.95, y + size * 0.75],
      [x - size * 0.95, y + size * 0.75],
    ]);
  const [outline, inner] = round
    ? [ellipse(x, y, r), ellipse(x, y, r * 0.68)]
    : [triangle(r), triangle(r * 0.6)];
  const blue = round && stream.float() < 0.4;
  return [
    post(view, lateral, depth, 2.6),
    {
      thing: 'trafficSign',
      outline,
      fill: view.paint(blue ? [32, 84, 168] : [204, 34, 38], depth),
      details: filled(inner, view.paint(blue ? [70, 128, 206] : [240, 238, 228], depth)),
    },
  ];
};

export const trafficLight: DrawObject = (view, lateral, depth, stream) => {
  const [x, y] = view.at(lateral, depth, 3.9);
  const m = view.metre(depth);
  const on = stream.below(3);
  const bulbs = ['#ff3b30', '#ffc21a', '#35e06a']
    .map((color, i) => filled(ellipse(x, y + (0.2 + 0.3 * i) * m, 0.12 * m), color, i === on ? 1 : 0.2))
    .join('');
  return [
    post(view, lateral, depth, 3.6),
    {
      thing: 'trafficLight',
      outline: rect(x - 0.22 * m, y, 0.44 * m, 1 * m, 0.05 * m),
      fill: '#1c1e20',
      details: bulbs,
    },
  ];
};

export const billboard: DrawObject = (view, lateral, depth, stream) => {
  const [x, y] = view.at(lateral, depth, 5.4);
  const m = view.metre(depth);
  const lines = [0.4, 0.9, 1.3]
    .map((up) => rect(x - 1.2 * m, y + up * m, stream.uniform(1, 2.3) * m, 0.22 * m))
    .join('');
  return [
    post(view, lateral, depth, 4, 0.1),
    {
      thing: 'billboard',
      outline: rect(x - 1.5 * m, y, 3 * m, 1.8 * m),
      fill: view.paint(vary(stream, pick(stream, vehiclePaints), 20), depth),
      details: filled(lines, view.paint([240, 234, 214], depth), 0.9),
    },
  ];
};
