/** Trees, palms and bushes. */
import { shade, vary } from './choose.js';
import { Sketch } from './sketch.js';
import type { DrawObject } from './sketch.js';
import { filled } from './svg.js';

/** A trunk and a crown of overlapping balls, all one class. */
export const tree: DrawObject = (view, place, stream) => {
  const { lateral, depth } = place;
  const sketch = new Sketch(view, lateral, depth);
  const [trunk, crown] = [stream.uniform(1.6, 2.8), stream.uniform(1.2, 2.3)];
  const stem = sketch.bar([0, 0], [stream.uniform(-0.2, 0.2), trunk + 0.6], stream.uniform(0.22, 0.4));
  let [balls, bright] = ['', ''];
  for (let i = 0; i < 9; i++) {
    const [dx, dy] = [stream.uniform(-0.8, 0.8) * crown, stream.uniform(-0.5, 0.9) * crown];
    const size = stream.uniform(0.45, 0.75) * crown;
    balls += sketch.ball(dx, trunk + crown * 0.6 + dy, size, size * 0.85);
    bright += sketch.ball(dx - 0.15, trunk + crown * 0.7 + dy, size * 0.5, size * 0.4);
  }
  const green = vary(stream, [70, 104, 48], 18);
  return [
    view.shadow(lateral, depth, crown * 0.7),
    {
      thing: 'tree',
      outline: stem + balls,
      fill: sketch.paint(green),
      details:
        filled(stem, sketch.paint([84, 64, 46])) +
        filled(balls, sketch.paint(green)) +
        filled(bright, sketch.paint([green[0] + 30, green[1] + 34, green[2] + 16]), 0.55),
    },
  ];
};

/** A palm: a leaning trunk with a fan of leaves. */
export const palm: DrawObject = (view, place, stream) => {
  const { lateral, depth } = place;
  const sketch = new Sketch(view, lateral, depth);
  const [height, lean] = [stream.uniform(4, 7), stream.uniform(-0.7, 0.7)];
  const stem =
    sketch.bar([0, 0], [lean * 0.4, height * 0.55], 0.3) +
    sketch.bar([lean * 0.4, height * 0.5], [lean, height], 0.24);
  let leaves = sketch.ball(lean, height, 0.35);
  for (let i = 0; i < 9; i++) {
    const angle = (i / 8) * Math.PI * 1.3 - 0.15 * Math.PI;
    const [dx, dy] = [Math.cos(angle), Math.sin(angle)];
    const long = stream.uniform(1.5, 2.3);
    leaves += sketch.shape(
      [lean, height],
      [lean + dx * long * 0.5 - dy * 0.2, height + dy * long * 0.5 + 0.3],
      [lean + dx * long, height + dy * long * 0.7 - 0.5],
      [lean + dx * long * 0.5 + dy * 0.2, height + dy * long * 0.4 - 0.05],
    );
  }
  const green = vary(stream, [84, 122, 58], 16);
  return [
    view.shadow(lateral, depth, 1),
    {
      thing: 'palm',
      outline: stem + leaves,
      fill: sketch.paint(green),
      details: filled(stem, sketch.paint([128, 106, 82])) + filled(leaves, sketch.paint(green)),
    },
  ];
};

export const bush: DrawObject = (view, place, stream) => {
  const { lateral, depth } = place;
  const sketch = new Sketch(view, lateral, depth);
  const size = stream.uniform(0.4, 0.9);
  let [balls, bright] = [sketch.box(-size, 0, 2 * size, size, size), ''];
  for (let i = 0; i < 5; i++) {
    const [dx, up] = [stream.uniform(-0.9, 0.9) * size, stream.uniform(0.4, 1.1) * size];
    balls += sketch.ball(dx, up, size * 0.55, size * 0.45);
    bright += sketch.ball(dx - 0.08, up + 0.1, size * 0.3, size * 0.2);
  }
  const green = vary(stream, [62, 96, 50], 18);
  return [
    view.shadow(lateral, depth, size),
    {
      thing: 'bush',
      outline: balls,
      fill: sketch.paint(green),
      details: filled(bright, sketch.paint(shade(green, 1.4)), 0.6),
    },
  ];
};
