/** Sky, and what closes the view at the horizon. */
import type { RandomStream } from '../../../../lib/data/random.js';
import { chance, pickWeighted, vary } from './choose.js';
import type { Weighted } from './choose.js';
import { css, ellipse, filled, polygon, rect, verticalGradient } from './svg.js';
import type { Paint, Point } from './svg.js';
import type { Shape, View } from './view.js';

/** What stands at the horizon. */
export type Distant = 'building' | 'tower' | 'tree';

export function sky(view: View, stream: RandomStream): Shape {
  const { skyTop, skyBottom, clouds } = view.light;
  const gradient = verticalGradient('sky', [0, css(skyTop)], [view.horizon, css(skyBottom)]);
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
  const [x, y] = [view.width * stream.uniform(0.1, 0.9), view.horizon * stream.uniform(0.4, 0.8)];
  const sun = view.light.sun
    ? filled(ellipse(x, y, 26), 'rgba(255,232,180,0.25)') +
      filled(ellipse(x, y, 12), 'rgba(255,240,200,0.45)') +
      filled(ellipse(x, y, 4), '#fffbe8')
    : '';
  return {
    thing: 'sky',
    outline: rect(0, 0, view.width, 100),
    fill: 'url(#sky)',
    details: gradient + filled(puffs, css(cloudPaint), 0.35) + sun,
  };
}

/** Wooded hills. */
export function hills(view: View, stream: RandomStream): Shape {
  const points: Point[] = [[-5, view.horizon + 3]];
  let y = view.horizon - stream.uniform(4, 14);
  for (let x = -5; x < view.width + 14; x += stream.uniform(7, 14)) {
    points.push([x, y]);
    y = Math.min(view.horizon - 2, Math.max(view.horizon - 24, y + stream.uniform(-6, 6)));
  }
  points.push([view.width + 20, view.horizon + 3]);
  return { thing: 'hill', outline: polygon(points), fill: view.paint(vary(stream, [84, 100, 88], 14), 90) };
}

/** Far houses, towers and trees along the horizon. */
export function skyline(view: View, kinds: Weighted<Distant>, stream: RandomStream): Shape[] {
  const outlines: Record<Distant, string> = { tower: '', building: '', tree: '' };
  let panes = '';
  for (let x = -5; x < view.width + 5;) {
    const width = stream.uniform(4, 13);
    const kind = pickWeighted(stream, kinds);
    if (kind === 'tree')
      outlines.tree += ellipse(x + width / 2, view.horizon, width * 0.8, stream.uniform(2.5, 6));
    else {
      const wide = kind === 'tower' ? width * 0.7 : width;
      const height = kind === 'tower' ? stream.uniform(14, 34) : stream.uniform(3, 12);
      outlines[kind] += rect(x, view.horizon - height, wide, height + 3);
      if (kind === 'tower')
        for (let up = 2; up < height - 1; up += 2.2)
          panes += rect(x + 0.6, view.horizon - up - 1, wide - 1.2, 0.9);
    }
    x += width * 0.8;
  }
  const glass = css(chance(stream, view.light.litWindows) ? [236, 196, 128] : view.lit([84, 96, 110], 60));
  const shapes: Shape[] = [
    {
      thing: 'tower',
      outline: outlines.tower,
      fill: view.paint(vary(stream, [142, 146, 152], 20), 90),
      details: filled(panes, glass, 0.5),
    },
    {
      thing: 'building',
      outline: outlines.building,
      fill: view.paint(vary(stream, [132, 128, 126], 14), 75),
    },
    { thing: 'tree', outline: outlines.tree, fill: view.paint(vary(stream, [74, 98, 60], 12), 60) },
  ];
  return shapes.filter(({ outline }) => outline !== '');
}
