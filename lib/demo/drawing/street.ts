/** The parts of a scene that do not move: sky, ground, buildings, trees, poles. */
import type { RandomStream } from '../../data/random.js';
import { css, ellipse, filled, num, pick, polygon, rect, vary } from './view.js';
import type { Paint, Shape, View } from './view.js';

/** Lateral places in metres; the same on both sides of the street. */
export interface Street {
  readonly roadHalf: number;
  /** Width of a parking strip on the right, 0 for none. */
  readonly parking: number;
  readonly curb: number;
  readonly sidewalk: number;
}

const wallPaints: readonly Paint[] = [
  [176, 160, 142],
  [150, 108, 88],
  [196, 186, 168],
  [128, 132, 140],
  [188, 150, 112],
  [164, 172, 166],
  [206, 196, 186],
];

export function drawStreet(stream: RandomStream): Street {
  return {
    roadHalf: stream.uniform(3, 4.4),
    parking: stream.float() < 0.3 ? 2.1 : 0,
    curb: 0.28,
    sidewalk: stream.uniform(1.8, 3),
  };
}

/** Where the sidewalk of a side (−1 left, 1 right) begins and ends. */
export function sidewalkEdges(street: Street, side: number): [inner: number, outer: number] {
  const inner = street.roadHalf + street.curb + (side > 0 ? street.parking : 0);
  return [side * inner, side * (inner + street.sidewalk)];
}

export function sky(view: View, stream: RandomStream): Shape {
  const { skyTop, skyBottom, clouds } = view.light;
  const gradient =
    `<linearGradient id="sky" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="${css(skyTop)}"/>` +
    `<stop offset="1" stop-color="${css(skyBottom)}"/></linearGradient>`;
  let puffs = '';
  for (let i = 0; i < clouds; i++) {
    const [x, y] = [stream.uniform(0, view.width), stream.uniform(2, view.horizon * 0.7)];
    for (let j = 0; j < 4; j++)
      puffs += ellipse(
        x + stream.uniform(-9, 9),
        y + stream.uniform(-1.5, 1.5),
        stream.uniform(5, 12),
        stream.uniform(1.5, 3.5),
      );
  }
  const cloudPaint: Paint = [skyBottom[0] * 0.4 + 150, skyBottom[1] * 0.4 + 150, skyBottom[2] * 0.4 + 150];
  return {
    thing: 'sky',
    outline: rect(0, 0, view.width, 100),
    fill: 'url(#sky)',
    details: gradient + filled(puffs, css(cloudPaint), 0.35),
  };
}

/** Far houses and trees along the horizon. */
export function skyline(view: View, stream: RandomStream): Shape[] {
  let houses = '';
  let trees = '';
  for (let x = -5; x < view.width + 5;) {
    const width = stream.uniform(4, 14);
    if (stream.float() < 0.55) {
      const height = stream.uniform(3, 15);
      houses += rect(x, view.horizon - height, width, height + 3);
    } else trees += ellipse(x + width / 2, view.horizon, width * 0.8, stream.uniform(3, 7));
    x += width * 0.8;
  }
  return [
    { thing: 'building', outline: houses, fill: view.paint([132, 128, 126], 26) },
    { thing: 'tree', outline: trees, fill: view.paint([74, 98, 60], 20) },
  ];
}

function laneMarks(view: View, street: Street, stream: RandomStream): string {
  const white = view.paint([226, 224, 214]);
  const middle = pick(stream, [-0.4, 0, 0.4]);
  let marks = '';
  const phase = stream.uniform(0, 0.6);
  for (let depth = 0.75 + phase; depth < 22; depth *= 1.5)
    marks += polygon([
      view.at(middle - 0.08, depth),
      view.at(middle + 0.08, depth),
      view.at(middle + 0.08, depth * 1.22),
      view.at(middle - 0.08, depth * 1.22),
    ]);
  for (const edge of [-street.roadHalf + 0.3, street.roadHalf - 0.3])
    marks += view.strip(edge - 0.06, edge + 0.06);
  if (stream.float() < 0.25) {
    const depth = stream.uniform(1.6, 3);
    for (let x = -street.roadHalf + 0.4; x < street.roadHalf - 0.6; x += 0.9)
      marks += polygon([
        view.at(x, depth),
        view.at(x + 0.45, depth),
        view.at(x + 0.45, depth * 1.3),
        view.at(x, depth * 1.3),
      ]);
  }
  return filled(marks, white, 0.85);
}

function patches(view: View, street: Street, stream: RandomStream): string {
  let marks = '';
  for (let i = 0; i < 5; i++) {
    const [x, y] = view.at(stream.uniform(-street.roadHalf, street.roadHalf), stream.uniform(1, 4));
    marks += ellipse(x, y, stream.uniform(4, 14), stream.uniform(0.6, 2));
  }
  return filled(marks, view.paint([52, 52, 54]), 0.3);
}

/** Verge, sidewalks, curbs, parking strip and road. */
export function ground(view: View, street: Street, stream: RandomStream): Shape[] {
  const shapes: Shape[] = [
    {
      thing: 'tree',
      outline: rect(0, view.horizon, view.width, 101 - view.horizon),
      fill: view.paint(vary(stream, [92, 110, 62], 12), 3),
    },
  ];
  const slabs = vary(stream, [158, 150, 142], 14);
  for (const side of [-1, 1]) {
    const [inner, outer] = sidewalkEdges(street, side);
    let joints = '';
    for (let depth = 0.95; depth < 14; depth *= 1.16)
      joints += polygon([
        view.at(inner, depth),
        view.at(outer, depth),
        view.at(outer, depth * 1.012),
        view.at(inner, depth * 1.012),
      ]);
    shapes.push({
      thing: 'sidewalk',
      outline: view.strip(inner, outer),
      fill: view.paint(slabs, 2),
      details: filled(joints, view.paint([96, 92, 88]), 0.5),
    });
    shapes.push({
      thing: 'curb',
      outline: view.strip(inner - side * street.curb, inner),
      fill: view.paint([196, 192, 186], 2),
    });
  }
  if (street.parking > 0)
    shapes.push({
      thing: 'parking',
      outline: view.strip(street.roadHalf, street.roadHalf + street.parking),
      fill: view.paint([128, 118, 112], 2),
    });
  shapes.push({
    thing: 'road',
    outline: view.strip(-street.roadHalf, street.roadHalf),
    fill: view.paint(vary(stream, [88, 88, 92], 14), 1.5),
    details: patches(view, street, stream) + laneMarks(view, street, stream),
  });
  return shapes;
}

/** Windows on the wall along the street, floor by floor. */
function windows(
  view: View,
  lateral: number,
  near: number,
  far: number,
  height: number,
  stream: RandomStream,
): string {
  const dark = view.paint([58, 68, 82], near);
  const lit = css([250, 206, 128]);
  const columns = Math.max(2, Math.min(7, Math.round((far - near) * 2.2)));
  // Even steps of 1/depth look even on a wall that runs away from the camera.
  const depthAt = (t: number): number => 1 / (1 / near + (1 / far - 1 / near) * t);
  let panes = '';
  for (let floor = 0.9; floor + 1.6 < height; floor += 2.9)
    for (let column = 0; column < columns; column++) {
      const [a, b] = [depthAt((column + 0.22) / columns), depthAt((column + 0.78) / columns)];
      const pane = polygon([
        view.at(lateral, a, floor),
        view.at(lateral, b, floor),
        view.at(lateral, b, floor + 1.6),
        view.at(lateral, a, floor + 1.6),
      ]);
      panes += filled(pane, stream.float() < view.light.litWindows ? lit : dark, 0.9);
    }
  return panes;
}

/** A house between two depths: the wall along the street and the one that faces the camera. */
function house(view: View, lateral: number, near: number, far: number, stream: RandomStream): Shape {
  const height = stream.uniform(5, 15);
  const outer = lateral * 3;
  const color = vary(stream, pick(stream, wallPaints), 16);
  const along = polygon([
    view.at(lateral, near),
    view.at(lateral, far),
    view.at(lateral, far, height),
    view.at(lateral, near, height),
  ]);
  const front = polygon([
    view.at(lateral, near),
    view.at(outer, near),
    view.at(outer, near, height),
    view.at(lateral, near, height),
  ]);
  const shade: Paint = [color[0] * 0.72, color[1] * 0.72, color[2] * 0.74];
  const roof = polygon([
    view.at(lateral, near, height - 0.5),
    view.at(lateral, far, height - 0.5),
    view.at(lateral, far, height),
    view.at(lateral, near, height),
  ]);
  return {
    thing: 'building',
    outline: along + front,
    fill: view.paint(color, near),
    details:
      filled(front, view.paint(shade, near)) +
      filled(roof, view.paint([70, 62, 58], near), 0.7) +
      windows(view, lateral, near, far, height, stream),
  };
}

function lowBarrier(view: View, thing: 'wall' | 'fence', lateral: number, near: number, far: number): Shape {
  const height = thing === 'wall' ? 2.2 : 1.3;
  const outline = polygon([
    view.at(lateral, near),
    view.at(lateral, far),
    view.at(lateral, far, height),
    view.at(lateral, near, height),
  ]);
  let bars = '';
  for (let depth = near; depth < far; depth *= 1.06) {
    const [x, y] = view.at(lateral, depth);
    bars += rect(x - 0.15, y - height * view.metre(depth), 0.3, height * view.metre(depth));
  }
  if (thing === 'wall') return { thing, outline, fill: view.paint([142, 132, 126], near) };
  return {
    thing,
    outline,
    fill: view.paint([150, 134, 118], near),
    details: filled(bars, '#3a3a38', 0.6),
  };
}

/** Both rows of houses, with gaps, walls and fences between them; far ones first. */
export function rows(view: View, street: Street, stream: RandomStream): Shape[] {
  const shapes: { depth: number; shape: Shape }[] = [];
  for (const side of [-1, 1]) {
    const lateral = sidewalkEdges(street, side)[1] + side * stream.uniform(0, 0.8);
    for (let near = stream.uniform(0.55, 0.95); near < 16;) {
      const far = near * stream.uniform(1.35, 2.1);
      const kind = stream.float();
      if (kind < 0.72) shapes.push({ depth: near, shape: house(view, lateral, near, far, stream) });
      else if (kind < 0.82) shapes.push({ depth: near, shape: lowBarrier(view, 'wall', lateral, near, far) });
      else if (kind < 0.92)
        shapes.push({ depth: near, shape: lowBarrier(view, 'fence', lateral, near, far) });
      near = far * 1.02;
    }
  }
  return shapes.sort((a, b) => b.depth - a.depth).map(({ shape }) => shape);
}

/** Shadow of the row of houses on one side; none under a dull sky. */
export function streetShadow(view: View, street: Street, stream: RandomStream): Shape[] {
  if (view.light.shadow < 0.2) return [];
  const side = pick(stream, [-1, 1]);
  const reach = street.roadHalf * stream.uniform(-0.2, 0.7);
  const outline = view.strip(side * reach, sidewalkEdges(street, side)[1]);
  return [{ thing: null, outline, fill: `rgba(12,16,34,${num(view.light.shadow)})` }];
}
