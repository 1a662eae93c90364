/** Houses along the street. */
import type { RandomStream } from '../../../../lib/data/random.js';
import { chance, pick, shade, vary } from './choose.js';
import { css, filled, polygon } from './svg.js';
import type { Paint } from './svg.js';
import { vehiclePaints } from './vehicle-parts.js';
import type { Shape, View } from './view.js';

/** Fills a stretch of one side of the street: from `near` to `far` metres along it, at its lateral place. */
export interface Stretch {
  readonly lateral: number;
  readonly near: number;
  readonly far: number;
}

/** Draws a stretch, far parts first. */
export type DrawStretch = (view: View, stretch: Stretch, stream: RandomStream) => Shape[];

const plasters: readonly Paint[] = [
  [176, 160, 142],
  [150, 108, 88],
  [196, 186, 168],
  [128, 132, 140],
  [188, 150, 112],
  [164, 172, 166],
  [206, 196, 186],
  [196, 170, 120],
  [150, 170, 186],
  [200, 152, 150],
];
const tiles: readonly Paint[] = [
  [128, 66, 50],
  [84, 66, 62],
  [70, 74, 82],
  [150, 88, 60],
];

/** The side that ends away from the street: its lateral place, `metres` further out. */
function outward(lateral: number, metres: number): number {
  return lateral + Math.sign(lateral) * metres;
}

/** Windows of a wall along the street, floor by floor. */
function windows(view: View, stretch: Stretch, from: number, to: number, stream: RandomStream): string {
  const { lateral, near, far } = stretch;
  const start = Math.max(near, view.nearest * 0.5);
  const columns = Math.max(1, Math.min(9, Math.round((far - start) / 2.6)));
  const step = (far - start) / columns;
  let [dark, lit] = ['', ''];
  for (let floor = from; floor + 1.6 < to; floor += 3)
    for (let column = 0; column < columns; column++) {
      const a = start + (column + 0.25) * step;
      const pane = view.panel(lateral, a, a + 0.5 * step, floor, floor + 1.5);
      if (chance(stream, view.light.litWindows)) lit += pane;
      else dark += pane;
    }
  return filled(dark, view.paint([58, 68, 82], near), 0.9) + filled(lit, css([250, 206, 128]), 0.95);
}

/** Windows of a wall that faces the camera. */
function frontWindows(
  view: View,
  from: number,
  to: number,
  depth: number,
  bottom: number,
  top: number,
): string {
  let panes = '';
  const columns = Math.max(1, Math.floor(Math.abs(to - from) / 2.6));
  const step = (to - from) / columns;
  for (let floor = bottom; floor + 1.6 < top; floor += 3)
    for (let column = 0; column < columns; column++)
      panes += view.front(
        from + (column + 0.25) * step,
        from + (column + 0.7) * step,
        depth,
        floor,
        floor + 1.4,
      );
  return filled(panes, view.paint([66, 76, 90], depth), 0.85);
}

interface Block {
  readonly floors: number;
  readonly roof: number;
  readonly shops: boolean;
  readonly balconies: boolean;
}

function block(view: View, stretch: Stretch, style: Block, stream: RandomStream): Shape[] {
  const { lateral, near, far } = stretch;
  const height = style.floors * 3 + 0.8;
  const outer = outward(lateral, 9);
  const color = vary(stream, pick(stream, plasters), 16);
  const along = view.panel(lateral, near, far, 0, height);
  const front = view.front(lateral, outer, near, 0, height);
  const back = outward(lateral, 2.6);
  const slope =
    style.roof === 0
      ? ''
      : polygon([
          view.at(lateral, near, height),
          view.at(lateral, far, height),
          view.at(back, far, height + style.roof),
          view.at(back, near, height + style.roof),
        ]) +
        polygon([
          view.at(lateral, near, height),
          view.at(back, near, height + style.roof),
          view.at(outer, near, height),
        ]);
  const top = style.floors * 3 + 0.4;
  let balconies = '';
  if (style.balconies)
    for (let up = 3.4; up < height - 1; up += 3) balconies += view.panel(lateral, near, far, up, up + 0.5);
  const ground = style.shops ? view.panel(lateral, near, far, 0.1, 2.5) : '';
  const house: Shape = {
    thing: 'building',
    outline: along + front + slope,
    fill: view.paint(color, near),
    details:
      filled(slope, view.paint(pick(stream, tiles), near)) +
      filled(along, view.paint(color, near)) +
      filled(front, view.paint(shade(color, 0.72), near)) +
      filled(view.panel(lateral, near, far, height - 0.4, height), view.paint(shade(color, 0.6), near), 0.7) +
      windows(view, stretch, style.shops ? 3.9 : 1, top, stream) +
      frontWindows(view, outward(lateral, 0.8), outer, near, 3.9, top) +
      filled(balconies, view.paint(shade(color, 1.18), near)) +
      filled(
        ground,
        view.paint(
          pick(stream, [
            [70, 84, 96],
            [96, 88, 80],
            [60, 58, 56],
          ] as const),
          near,
        ),
      ),
  };
  return style.shops ? [house, ...signs(view, stretch, stream)] : [house];
}

/** Boards over the shops. */
function signs(view: View, { lateral, near, far }: Stretch, stream: RandomStream): Shape[] {
  const shapes: Shape[] = [];
  const flush = lateral - Math.sign(lateral) * 0.05;
  const start = Math.max(near, view.nearest * 0.6);
  for (let a = start + 0.3; a + 2 < far && a < 45;) {
    const long = Math.min(stream.uniform(2.5, 5), far - a - 0.2);
    if (chance(stream, 0.62)) {
      const color = vary(stream, pick(stream, vehiclePaints), 22);
      shapes.push({
        thing: 'billboard',
        outline: view.panel(flush, a, a + long, 2.55, 3.55),
        fill: view.paint(color, a),
        details: filled(
          view.panel(flush, a + long * 0.15, a + long * 0.8, 2.9, 3.2),
          view.paint(color[0] + color[1] > 300 ? [60, 40, 40] : [240, 234, 214], a),
        ),
      });
    }
    a += long + 0.3;
  }
  return shapes.reverse();
}

/** A row house of an Indian city: flat roof, balconies, shops with boards. */
export const cityHouse: DrawStretch = (view, stretch, stream) =>
  block(
    view,
    stretch,
    { floors: 1 + stream.below(4), roof: 0, shops: chance(stream, 0.75), balconies: chance(stream, 0.5) },
    stream,
  );

/** A row house of a European city: steep roof, many windows. */
export const oldHouse: DrawStretch = (view, stretch, stream) =>
  block(
    view,
    stretch,
    {
      floors: 3 + stream.below(3),
      roof: stream.uniform(1.5, 3.4),
      shops: chance(stream, 0.3),
      balconies: chance(stream, 0.2),
    },
    stream,
  );

/** A house of its own with a gable, set back from the street. */
export const villa: DrawStretch = (view, { lateral, near, far }, stream) => {
  const setback = stream.uniform(2, 4.5);
  const depth = near + 1;
  const end = Math.max(depth + 3, far - 1);
  const [inner, outer] = [outward(lateral, setback), outward(lateral, setback + stream.uniform(7, 10))];
  const height = 3 * (1 + stream.below(2)) + 0.2;
  const peak = height + stream.uniform(2, 3.2);
  const middle = (inner + outer) / 2;
  const color = vary(stream, pick(stream, plasters), 18);
  const gable =
    view.front(inner, outer, depth, 0, height) +
    polygon([view.at(inner, depth, height), view.at(middle, depth, peak), view.at(outer, depth, height)]);
  const along = view.panel(inner, depth, end, 0, height);
  const roof = polygon([
    view.at(inner - Math.sign(inner) * 0.4, depth - 0.3, height - 0.3),
    view.at(inner - Math.sign(inner) * 0.4, end, height - 0.3),
    view.at(middle, end, peak),
    view.at(middle, depth - 0.3, peak + 0.15),
  ]);
  const door = view.front(middle - 0.6, middle + 0.6, depth, 0, 2.1);
  return [
    {
      thing: 'house',
      outline: gable + along + roof,
      fill: view.paint(color, near),
      details:
        filled(gable, view.paint(shade(color, 0.82), near)) +
        filled(along, view.paint(color, near)) +
        windows(view, { lateral: inner, near: depth, far: end }, 0.9, height, stream) +
        frontWindows(view, inner, outer, depth, 0.9, height) +
        filled(door, view.paint([96, 64, 44], near)) +
        filled(roof, view.paint(vary(stream, pick(stream, tiles), 12), near)),
    },
  ];
};

/** A small house with a thatched or sheet roof. */
export const hut: DrawStretch = (view, { lateral, near, far }, stream) => {
  const depth = near + stream.uniform(0, 2);
  const end = Math.min(far, depth + stream.uniform(4, 7));
  const inner = outward(lateral, stream.uniform(0.5, 4));
  const outer = outward(inner, stream.uniform(4, 6));
  const color = vary(
    stream,
    pick(stream, [
      [176, 136, 98],
      [196, 184, 160],
      [130, 150, 160],
    ] as const),
    16,
  );
  const front = view.front(inner, outer, depth, 0, 2.4);
  const along = view.panel(inner, depth, end, 0, 2.4);
  const roof = polygon([
    view.at(inner - Math.sign(inner) * 0.5, depth - 0.3, 2.2),
    view.at(outward(outer, 0.5), depth - 0.3, 2.2),
    view.at((inner + outer) / 2, depth + 0.4, 3.7),
    view.at((inner + outer) / 2, end, 3.7),
    view.at(inner - Math.sign(inner) * 0.5, end, 2.2),
  ]);
  return [
    {
      thing: 'house',
      outline: front + along + roof,
      fill: view.paint(color, near),
      details:
        filled(front, view.paint(shade(color, 0.8), near)) +
        filled(
          view.front((inner + outer) / 2 - 0.4, (inner + outer) / 2 + 0.5, depth, 0, 1.8),
          view.paint([60, 48, 40], near),
        ) +
        filled(
          roof,
          view.paint(
            vary(
              stream,
              pick(stream, [
                [150, 122, 74],
                [130, 124, 120],
                [140, 76, 54],
              ] as const),
              14,
            ),
            near,
          ),
        ),
    },
  ];
};
