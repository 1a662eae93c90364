/** Animals of the street. */
import { chance, pick, shade, vary } from './choose.js';
import { Sketch } from './sketch.js';
import type { DrawObject } from './sketch.js';
import { filled } from './svg.js';
import type { Paint, Point } from './svg.js';

const hides: readonly Paint[] = [
  [226, 218, 204],
  [150, 104, 66],
  [74, 58, 48],
  [186, 150, 108],
  [48, 44, 44],
];

/** Cattle from the side, standing or lying, with patches and horns. */
export const cow: DrawObject = (view, place, stream) => {
  const { lateral, depth, side } = place;
  const sketch = new Sketch(view, lateral, depth, side);
  const lying = chance(stream, 0.2);
  const low = lying ? 0.5 : 0;
  const legs = lying
    ? sketch.box(-0.6, 0, 1.3, 0.25, 0.1)
    : [-0.72, -0.5, 0.42, 0.62]
        .map((x) => sketch.bar([x, 0.75], [x + stream.uniform(-0.1, 0.1), 0.02], 0.15))
        .join('');
  const trunk = sketch.box(-0.85, 0.65 - low, 1.65, 0.68, 0.3) + sketch.ball(0.5, 1.3 - low, 0.3, 0.2);
  const grazing = !lying && chance(stream, 0.3);
  const [headX, headUp] = grazing ? [1.15, 0.35] : [1.12, 1.4 - low];
  const neck = sketch.bar([0.6, 1.1 - low], [headX, headUp], 0.36);
  const head = sketch.ball(headX + 0.1, headUp, 0.27, 0.17);
  const horns = sketch.bar([headX, headUp + 0.1], [headX - 0.05, headUp + 0.38], 0.07);
  const tail = sketch.bar([-0.84, 1.2 - low], [-0.95, 0.5 - low / 2], 0.07);
  const hide = vary(stream, pick(stream, hides), 16);
  const patches =
    sketch.ball(stream.uniform(-0.6, 0), 1.05 - low, 0.3, 0.22) + sketch.ball(0.4, 0.9 - low, 0.2, 0.2);
  return [
    view.shadow(lateral, depth, 0.9),
    {
      thing: 'cow',
      outline: legs + trunk + neck + head + horns + tail,
      fill: sketch.paint(hide),
      details:
        filled(legs + tail, sketch.paint(shade(hide, 0.8))) +
        filled(patches, sketch.paint(pick(stream, hides)), 0.8) +
        filled(horns, sketch.paint([70, 62, 52])) +
        filled(sketch.ball(headX + 0.3, headUp - 0.04, 0.08), sketch.paint([60, 46, 42])),
    },
  ];
};

export const dog: DrawObject = (view, place, stream) => {
  const { lateral, depth, side } = place;
  const sketch = new Sketch(view, lateral, depth, side);
  const size = stream.uniform(0.65, 1);
  const at = (x: number, up: number): Point => [x * size, up * size];
  const legs = [-0.3, -0.2, 0.22, 0.32]
    .map((x) => sketch.bar(at(x, 0.34), at(x + stream.uniform(-0.05, 0.05), 0.01), 0.08 * size))
    .join('');
  const trunk = sketch.box(-0.38 * size, 0.28 * size, 0.78 * size, 0.24 * size, 0.1);
  const head =
    sketch.bar(at(0.34, 0.45), at(0.46, 0.62), 0.16 * size) +
    sketch.ball(0.52 * size, 0.62 * size, 0.16 * size, 0.1 * size);
  const tail = sketch.bar(at(-0.36, 0.46), at(-0.55, 0.66), 0.06 * size);
  const coat = vary(stream, pick(stream, hides), 14);
  return [
    view.shadow(lateral, depth, 0.4),
    {
      thing: 'dog',
      outline: legs + trunk + head + tail,
      fill: sketch.paint(coat),
      details: filled(legs, sketch.paint(shade(coat, 0.82))),
    },
  ];
};

/** A crow or pigeon on the ground, or one that flies past. */
export const bird: DrawObject = (view, place, stream) => {
  const { lateral, depth, side } = place;
  const flying = chance(stream, 0.4);
  const sketch = new Sketch(view, lateral, depth, side, flying ? stream.uniform(3, 6) : 0);
  const feathers = vary(
    stream,
    pick(stream, [
      [44, 44, 50],
      [120, 122, 132],
      [210, 208, 204],
    ] as const),
    10,
  );
  const body = sketch.ball(0, 0.22, 0.22, 0.12) + sketch.ball(0.2, 0.32, 0.09);
  const beak = sketch.shape([0.27, 0.35], [0.4, 0.31], [0.27, 0.28]);
  const tail = sketch.shape([-0.15, 0.24], [-0.42, 0.12], [-0.4, 0.24]);
  const legs = flying ? '' : sketch.bar([0, 0.14], [0, 0], 0.04);
  const wings = flying
    ? sketch.shape([-0.1, 0.28], [-0.35, 0.75], [0.12, 0.28]) +
      sketch.shape([0, 0.24], [0.25, 0.62], [0.16, 0.24])
    : '';
  return [
    {
      thing: 'bird',
      outline: body + beak + tail + legs + wings,
      fill: sketch.paint(feathers),
      details:
        filled(beak + legs, sketch.paint([180, 130, 60])) + filled(wings, sketch.paint(shade(feathers, 0.8))),
    },
  ];
};
