/** The ground: the road and the strips beside it. */
import type { RandomStream } from '../../../../lib/data/random.js';
import { chance, pick, vary } from './choose.js';
import { css, ellipse, filled, num, polygon, rect, verticalGradient } from './svg.js';
import type { Paint } from './svg.js';
import type { Thing } from './things.js';
import type { Shape, View } from './view.js';

/** What the ground beside the road is made of, from the road outward. */
export type StripThing = Extract<
  Thing,
  'curb' | 'parking' | 'sidewalk' | 'shoulder' | 'verge' | 'track' | 'water' | 'road'
>;

/** A strip of ground along the road. */
export interface Strip {
  readonly thing: StripThing;
  /** Metres. */
  readonly width: number;
}

/** A strip and where it lies: `inner` is nearer to the road. */
export interface LaidStrip extends Strip {
  readonly inner: number;
  readonly outer: number;
}

/** The road and what lies beside it. */
export interface Street {
  /** Half the width of the road, metres. */
  readonly roadHalf: number;
  /** Lanes in each direction. */
  readonly lanes: 1 | 2;
  /** A zebra crossing. */
  readonly zebra: boolean;
  readonly left: readonly LaidStrip[];
  readonly right: readonly LaidStrip[];
}

const paints: Readonly<Record<StripThing, Paint>> = {
  curb: [196, 192, 186],
  parking: [124, 114, 110],
  sidewalk: [160, 151, 142],
  shoulder: [168, 138, 102],
  verge: [96, 116, 62],
  track: [118, 104, 94],
  water: [78, 104, 118],
  road: [92, 92, 96],
};

/** Lays strips side by side from the edge of the road. */
export function laid(strips: readonly Strip[], roadHalf: number, side: -1 | 1): LaidStrip[] {
  let inner = roadHalf;
  return strips.map((strip) => {
    const from = inner;
    inner += strip.width;
    return { ...strip, inner: side * from, outer: side * inner };
  });
}

/** A colour near the camera that fades into the haze far away. */
function fade(view: View, id: string, color: Paint): { gradient: string; fill: string } {
  const far = view.paint(color, 120);
  return {
    gradient: verticalGradient(id, [view.horizon, far], [100, view.paint(color, 3)]),
    fill: `url(#${id})`,
  };
}

/** Lines across a strip at even distances. */
function crossLines(
  view: View,
  from: number,
  to: number,
  every: number,
  thick: number,
  last: number,
): string {
  let lines = '';
  for (let depth = view.nearest * 0.9; depth < last; depth += every)
    lines += polygon([
      view.at(from, depth),
      view.at(to, depth),
      view.at(to, depth + thick),
      view.at(from, depth + thick),
    ]);
  return lines;
}

function stripDetails(view: View, strip: LaidStrip, stream: RandomStream): string {
  const { inner, outer, thing, width } = strip;
  switch (thing) {
    case 'sidewalk':
      return filled(crossLines(view, inner, outer, 1.1, 0.07, 26), view.paint([96, 92, 88]), 0.5);
    case 'curb': {
      if (!chance(stream, 0.4)) return '';
      let marks = '';
      for (let depth = view.nearest * 0.9; depth < 60; depth += 2.4)
        marks += view.strip(inner, outer, depth, depth + 1.2);
      return filled(
        marks,
        view.paint(
          pick(stream, [
            [40, 40, 42],
            [206, 160, 40],
          ] as const),
        ),
        0.8,
      );
    }
    case 'parking': {
      const white = view.paint([226, 224, 214]);
      return (
        filled(crossLines(view, inner, outer, 5.2, 0.16, 60), white, 0.85) +
        filled(view.strip(inner, inner + Math.sign(inner) * 0.12), white, 0.85)
      );
    }
    case 'shoulder': {
      let ruts = '';
      for (let i = 1; i < 3; i++) {
        const at = inner + ((outer - inner) * i) / 3;
        ruts += view.strip(at, at + 0.25);
      }
      return filled(ruts, view.paint([128, 104, 78]), 0.4);
    }
    case 'verge': {
      let tufts = '';
      for (let i = 0; i < 14; i++) {
        const depth = view.nearest * stream.uniform(1, 7);
        const [x, y] = view.at(inner + (outer - inner) * stream.float(), depth);
        tufts += ellipse(x, y, view.metre(depth) * stream.uniform(0.2, 0.6), view.metre(depth) * 0.08);
      }
      return filled(tufts, view.paint([70, 92, 46]), 0.5);
    }
    case 'track': {
      const middle = (inner + outer) / 2;
      const sleepers = crossLines(view, middle - 1.3, middle + 1.3, 0.7, 0.28, 30);
      const rails = [-0.78, 0.78].map((x) => view.strip(middle + x - 0.05, middle + x + 0.05)).join('');
      return (
        filled(width > 2 ? sleepers : '', view.paint([74, 62, 56]), 0.75) +
        filled(rails, view.paint([176, 178, 184]))
      );
    }
    case 'water': {
      let waves = '';
      for (let i = 0; i < 16; i++) {
        const depth = view.nearest * stream.uniform(1, 8);
        const [x, y] = view.at(inner + (outer - inner) * stream.float(), depth);
        waves += rect(
          x,
          y,
          view.metre(depth) * stream.uniform(0.6, 2),
          Math.max(0.25, view.metre(depth) * 0.05),
        );
      }
      return filled(waves, css(view.light.skyBottom), 0.4);
    }
    case 'road':
      return '';
  }
}

function laneMarks(view: View, { roadHalf, lanes, zebra }: Street, stream: RandomStream): string {
  const white = view.paint(
    pick(stream, [
      [226, 224, 214],
      [226, 224, 214],
      [222, 190, 96],
    ] as const),
  );
  let marks = '';
  const dashed = (lateral: number): void => {
    for (let depth = view.nearest * 0.8 + stream.uniform(0, 4); depth < 90; depth += 7)
      marks += view.strip(lateral - 0.07, lateral + 0.07, depth, depth + 3);
  };
  if (lanes === 2) {
    dashed(-roadHalf / 2);
    dashed(roadHalf / 2);
    marks += view.strip(-0.2, -0.08) + view.strip(0.08, 0.2);
  } else dashed(0);
  for (const edge of [-roadHalf + 0.3, roadHalf - 0.3]) marks += view.strip(edge - 0.06, edge + 0.06);
  if (zebra) {
    const depth = stream.uniform(5, 14);
    for (let x = -roadHalf + 0.4; x < roadHalf - 0.6; x += 1)
      marks += view.strip(x, x + 0.5, depth, depth + 2.6);
  }
  return filled(marks, white, chance(stream, 0.2) ? 0.25 : 0.85);
}

function patches(view: View, { roadHalf }: Street, stream: RandomStream): string {
  let marks = '';
  for (let i = 0; i < 6; i++) {
    const depth = view.nearest * stream.uniform(1, 5);
    const [x, y] = view.at(stream.uniform(-roadHalf, roadHalf), depth);
    marks += ellipse(
      x,
      y,
      view.metre(depth) * stream.uniform(0.3, 1.1),
      view.metre(depth) * stream.uniform(0.05, 0.14),
    );
  }
  return filled(
    marks,
    view.paint(
      pick(stream, [
        [52, 52, 54],
        [120, 116, 110],
      ] as const),
    ),
    0.35,
  );
}

/** What a wet road mirrors. */
function wetness(view: View, stream: RandomStream): string {
  let streaks = '';
  for (let i = 0; i < 12; i++) {
    const y = view.horizon + stream.uniform(1, 30);
    streaks += rect(stream.uniform(0, view.width), y, stream.uniform(1, 5), stream.uniform(6, 26), 1);
  }
  return filled(streaks, css(view.light.skyBottom), 0.14 * view.light.rain);
}

/** The ground: `base` everywhere, the strips from the outside in, the road. */
export function ground(view: View, street: Street, base: StripThing, stream: RandomStream): Shape[] {
  const land = fade(view, 'base', vary(stream, paints[base], 14));
  const shapes: Shape[] = [
    {
      thing: base,
      outline: rect(0, view.horizon, view.width, 101 - view.horizon),
      fill: land.fill,
      details: land.gradient,
    },
  ];
  // A wet or dry summer on both sides alike.
  const shades = new Map<StripThing, Paint>();
  for (const strips of [street.left, street.right])
    strips.forEach((strip, i) => {
      const color = shades.get(strip.thing) ?? vary(stream, paints[strip.thing], 14);
      shades.set(strip.thing, color);
      const { gradient, fill } = fade(view, `strip${num(strip.inner).replace(/[-.]/g, '_')}_${i}`, color);
      shapes.push({
        thing: strip.thing,
        outline: view.strip(strip.inner, strip.outer),
        fill,
        details: gradient + stripDetails(view, strip, stream),
      });
    });
  const asphalt = vary(
    stream,
    pick(stream, [
      [88, 88, 92],
      [104, 100, 96],
      [76, 78, 84],
    ] as const),
    12,
  );
  const { gradient, fill } = fade(
    view,
    'road',
    view.light.rain > 0 ? [asphalt[0] * 0.7, asphalt[1] * 0.72, asphalt[2] * 0.78] : asphalt,
  );
  shapes.push({
    thing: 'road',
    outline: view.strip(-street.roadHalf, street.roadHalf),
    fill,
    details:
      gradient +
      patches(view, street, stream) +
      laneMarks(view, street, stream) +
      (view.light.rain > 0 ? wetness(view, stream) : ''),
  });
  return shapes;
}

/** Shadow of the houses on one side; none under a dull sky. */
export function streetShadow(view: View, street: Street, stream: RandomStream): Shape[] {
  if (view.light.shadow < 0.2 || chance(stream, 0.3)) return [];
  const side = pick(stream, [-1, 1] as const);
  const outer = (side < 0 ? street.left : street.right).at(-1)?.outer ?? side * street.roadHalf;
  const outline = view.strip(side * street.roadHalf * stream.uniform(-0.2, 0.7), outer);
  return [{ thing: null, outline, fill: `rgba(12,16,34,${num(view.light.shadow)})` }];
}

/** Streaks of rain over everything. */
export function rain(view: View, stream: RandomStream): Shape[] {
  if (view.light.rain === 0) return [];
  let streaks = '';
  const slant = stream.uniform(-1.2, 1.2);
  for (let i = 0; i < 110; i++) {
    const [x, y, long] = [stream.uniform(-5, view.width + 5), stream.uniform(-5, 100), stream.uniform(3, 9)];
    streaks += polygon([
      [x, y],
      [x + 0.22, y],
      [x + 0.22 + slant, y + long],
      [x + slant, y + long],
    ]);
  }
  return [{ thing: null, outline: streaks, fill: `rgba(222,228,236,${num(0.3 * view.light.rain)})` }];
}
