/** Bridges over the road and level crossings. */
import type { RandomStream } from '../../../../lib/data/random.js';
import { chance, pick, shade, vary } from './choose.js';
import { Sketch } from './sketch.js';
import { filled, polygon, rect } from './svg.js';
import type { Paint } from './svg.js';
import type { Shape, View } from './view.js';

/** Shapes that stand at a depth: whatever is nearer covers them. */
export interface Standing {
  readonly depth: number;
  readonly shapes: readonly Shape[];
}

const concrete: readonly Paint[] = [
  [158, 154, 148],
  [136, 134, 132],
  [150, 108, 84],
  [96, 112, 128],
];

/** A bridge across the whole picture with piers at `lateral` metres to both sides. */
export function overpass(view: View, depth: number, lateral: number, stream: RandomStream): Standing {
  const [clear, thick] = [stream.uniform(4.8, 5.8), stream.uniform(1.1, 1.9)];
  const color = vary(stream, pick(stream, concrete), 12);
  const [wide, back] = [80, 7];
  const deck = view.front(-wide, wide, depth, clear, clear + thick);
  const [[, lower], [, upper]] = [view.at(0, depth, clear), view.at(0, depth + back, clear)];
  const underside = rect(-5, Math.min(lower, upper), view.width + 10, Math.abs(upper - lower));
  let piers = '';
  for (const at of [-lateral - 7, -lateral, lateral, lateral + 7])
    piers += view.front(at - 0.6, at + 0.6, depth, 0, clear);
  let bars = '';
  const rail = view.front(-wide, wide, depth, clear + thick, clear + thick + 1);
  for (let x = -30; x < 30; x += 1.5) bars += view.front(x, x + 0.2, depth, clear + thick, clear + thick + 1);
  return {
    depth,
    shapes: [
      {
        thing: 'bridge',
        outline: underside + piers + deck,
        fill: view.paint(color, depth),
        details:
          filled(underside, view.paint(shade(color, 0.45), depth)) +
          filled(piers, view.paint(shade(color, 0.8), depth)) +
          filled(deck, view.paint(color, depth)) +
          filled(view.front(-wide, wide, depth, clear, clear + 0.25), view.paint(shade(color, 0.7), depth)),
      },
      {
        thing: 'guardRail',
        outline: rail,
        fill: view.paint([120, 124, 128], depth),
        details: filled(bars, view.paint([176, 178, 180], depth)),
      },
    ],
  };
}

/** A road on piers along the street, over it, from `near` on. */
export function flyover(
  view: View,
  left: number,
  right: number,
  near: number,
  stream: RandomStream,
): Standing[] {
  const [clear, thick] = [stream.uniform(5.5, 7), 1.5];
  const color = vary(stream, pick(stream, concrete), 12);
  const middle = (left + right) / 2;
  const standing: Standing[] = [];
  for (let from = near; from < 130; from += 14) {
    const to = from + 14.1;
    const underside = polygon([
      view.at(left, from, clear),
      view.at(left, to, clear),
      view.at(right, to, clear),
      view.at(right, from, clear),
    ]);
    const sides =
      view.panel(left, from, to, clear, clear + thick) + view.panel(right, from, to, clear, clear + thick);
    const pier =
      view.front(middle - 0.8, middle + 0.8, from + 7, 0, clear) +
      view.front(left + 0.8, right - 0.8, from + 7, clear - 0.9, clear);
    standing.push({
      depth: from + 7,
      shapes: [
        {
          thing: 'bridge',
          outline: sides + underside + pier,
          fill: view.paint(color, from),
          details:
            filled(sides, view.paint(color, from)) +
            filled(underside, view.paint(shade(color, 0.55), from)) +
            filled(pier, view.paint(shade(color, 0.85), from + 7)),
        },
      ],
    });
  }
  return standing;
}

/** Rails across the street, from `near` to `far` metres: on the land beside the road, and as lines on the road itself. */
export function crossingTracks(view: View, near: number, far: number): { land: Shape; lines: string } {
  const [, top] = view.at(0, far);
  const [, bottom] = view.at(0, near);
  let [rails, sleepers] = ['', ''];
  const count = Math.max(1, Math.round((far - near) / 4));
  for (let i = 0; i < count; i++)
    for (const offset of [1.2, 2.7]) {
      const [, y] = view.at(0, near + i * 4 + offset);
      rails += rect(-5, y, view.width + 10, Math.max(0.3, 0.09 * view.metre(near)));
    }
  for (let x = -60; x < 60; x += 0.75)
    sleepers += polygon([
      view.at(x, near + 0.6),
      view.at(x + 0.28, near + 0.6),
      view.at(x + 0.28, far - 0.4),
      view.at(x, far - 0.4),
    ]);
  const lines = filled(rails, view.paint([178, 180, 186], near));
  return {
    land: {
      thing: 'track',
      outline: rect(-5, top, view.width + 10, bottom - top),
      fill: view.paint([122, 108, 98], near),
      details: filled(sleepers, view.paint([76, 64, 58], near), 0.75) + lines,
    },
    lines,
  };
}

/** The barrier of a level crossing at a side of the road: raised, or down across half of it. */
export function crossingGate(
  view: View,
  depth: number,
  side: -1 | 1,
  roadHalf: number,
  closed: boolean,
  stream: RandomStream,
): Standing {
  const sketch = new Sketch(view, side * (roadHalf + 0.5), depth, side);
  const reach = closed ? roadHalf : 1.2;
  const rise = closed ? 0.1 : 4.2;
  const boom = sketch.bar([0.3, 1.05], [-reach, 1.05 + rise], 0.2);
  let bands = '';
  for (let t = 0.1; t < 1; t += 0.25)
    bands += sketch.bar([-reach * t, 1.05 + rise * t], [-reach * (t + 0.12), 1.05 + rise * (t + 0.12)], 0.22);
  const lights = sketch.ball(-0.24, 2.5, 0.14) + sketch.ball(0.24, 2.5, 0.14);
  return {
    depth,
    shapes: [
      {
        thing: 'pole',
        outline: sketch.bar([0.05, 0], [0.05, 2.9], 0.18),
        fill: sketch.paint([200, 200, 196]),
      },
      {
        thing: 'trafficLight',
        outline: sketch.box(-0.45, 2.25, 0.9, 0.5, 0.1),
        fill: sketch.paint([28, 28, 30]),
        details: filled(lights, closed || chance(stream, 0.2) ? '#ff3226' : '#521512'),
      },
      {
        thing: 'gate',
        outline: sketch.box(-0.25, 0, 0.6, 1.25) + boom,
        fill: sketch.paint([236, 234, 228]),
        details: filled(bands, sketch.paint([204, 40, 40])),
      },
    ],
  };
}
