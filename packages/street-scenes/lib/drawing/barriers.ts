/** What runs along the street between it and the land: walls, fences, hedges and rails. */
import { chance, pick, shade, vary } from './choose.js';
import type { DrawStretch, Stretch } from './buildings.js';
import { filled } from './svg.js';
import type { Paint } from './svg.js';
import { vehiclePaints } from './vehicle-parts.js';
import type { Shape, View } from './view.js';

/** Upright bars along a stretch, `every` metres. */
function uprights(
  view: View,
  { lateral, near, far }: Stretch,
  height: number,
  every: number,
  thick: number,
): string {
  let bars = '';
  for (let depth = Math.max(near, view.nearest * 0.5); depth < far; depth += every)
    bars += view.panel(lateral, depth, Math.min(far, depth + thick), 0, height);
  return bars;
}

/** A wall, sometimes with posters. */
export const wall: DrawStretch = (view, stretch, stream) => {
  const { lateral, near, far } = stretch;
  const height = stream.uniform(1.6, 2.8);
  const color = vary(
    stream,
    pick(stream, [
      [148, 138, 130],
      [164, 112, 88],
      [190, 184, 172],
      [170, 160, 130],
    ] as const),
    14,
  );
  const cap = view.panel(lateral, near, far, height - 0.22, height);
  const shapes: Shape[] = [
    {
      thing: 'wall',
      outline: view.panel(lateral, near, far, 0, height),
      fill: view.paint(color, near),
      details:
        filled(cap, view.paint(shade(color, 0.7), near)) +
        filled(uprights(view, stretch, height, 3.2, 0.3), view.paint(shade(color, 0.82), near)),
    },
  ];
  const flush = lateral - Math.sign(lateral) * 0.04;
  if (chance(stream, 0.35))
    for (
      let depth = Math.max(near, view.nearest * 0.8) + 0.5;
      depth + 1.6 < far && depth < 22;
      depth += 2.2
    ) {
      const bottom = stream.uniform(0.5, 0.7);
      const paint = vary(stream, pick(stream, vehiclePaints), 24);
      shapes.push({
        thing: 'poster',
        outline: view.panel(flush, depth, depth + 1.5, bottom, Math.min(height - 0.3, bottom + 1.2)),
        fill: view.paint(paint, depth),
        details: filled(
          view.panel(flush, depth + 0.2, depth + 1.2, bottom + 0.25, bottom + 0.5),
          view.paint([240, 236, 220], depth),
        ),
      });
    }
  return shapes;
};

/** A fence of boards, bars or mesh; what is behind it is not seen. */
export const fence: DrawStretch = (view, stretch, stream) => {
  const { lateral, near, far } = stretch;
  const height = stream.uniform(1.1, 1.9);
  const boards = chance(stream, 0.5);
  const color: Paint = vary(stream, boards ? [150, 116, 84] : [108, 122, 112], 18);
  const rails =
    view.panel(lateral, near, far, height * 0.25, height * 0.33) +
    view.panel(lateral, near, far, height * 0.8, height * 0.88);
  return [
    {
      thing: 'fence',
      outline: view.panel(lateral, near, far, 0, height),
      fill: view.paint(boards ? color : shade(color, 0.75), near),
      details:
        filled(
          uprights(view, stretch, height, boards ? 0.5 : 0.28, boards ? 0.1 : 0.07),
          view.paint(shade(color, boards ? 0.6 : 1.5), near),
          0.85,
        ) + filled(rails, view.paint(shade(color, boards ? 0.75 : 1.4), near)),
    },
  ];
};

export const hedge: DrawStretch = (view, { lateral, near, far }, stream) => {
  const height = stream.uniform(0.8, 1.7);
  const green = vary(stream, [58, 92, 46], 16);
  return [
    {
      thing: 'bush',
      outline:
        view.panel(lateral, near, far, 0, height) +
        view.front(lateral, lateral + Math.sign(lateral) * 1.2, near, 0, height),
      fill: view.paint(green, near),
      details: filled(
        view.panel(lateral, near, far, height * 0.7, height),
        view.paint(shade(green, 1.3), near),
        0.6,
      ),
    },
  ];
};

/** A steel band on posts. */
export const guardRail: DrawStretch = (view, stretch) => {
  const { lateral, near, far } = stretch;
  const band = view.panel(lateral, near, far, 0.38, 0.82);
  const posts = uprights(view, stretch, 0.8, 3, 0.14);
  return [
    {
      thing: 'guardRail',
      outline: posts + band,
      fill: view.paint([160, 164, 168], near),
      details:
        filled(posts, view.paint([104, 106, 108], near)) +
        filled(band, view.paint([172, 176, 180], near)) +
        filled(view.panel(lateral, near, far, 0.54, 0.64), view.paint([116, 120, 126], near)),
    },
  ];
};

/** A railing of painted bars, as along water and on bridges; taken as one surface. */
export const railing: DrawStretch = (view, stretch, stream) => {
  const { lateral, near, far } = stretch;
  const color = pick(stream, [
    [96, 100, 106],
    [60, 90, 130],
    [206, 204, 196],
  ] as const);
  return [
    {
      thing: 'guardRail',
      outline: view.panel(lateral, near, far, 0, 1.05),
      fill: view.paint(shade(color, 0.62), near),
      details:
        filled(uprights(view, stretch, 1.05, 0.55, 0.1), view.paint(color, near)) +
        filled(view.panel(lateral, near, far, 0.92, 1.05), view.paint(shade(color, 1.2), near)),
    },
  ];
};

/** Nothing: the ground goes on. */
export const gap: DrawStretch = () => [];
