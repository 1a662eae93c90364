/** What moves and is neither motor vehicle nor two-wheeler: carts, boats and the train at a crossing. */
import { chance, pick, shade, vary } from './choose.js';
import { person } from './people.js';
import { Sketch } from './sketch.js';
import type { DrawObject } from './sketch.js';
import { filled } from './svg.js';
import type { Paint } from './svg.js';

const fruits: readonly Paint[] = [
  [226, 130, 40],
  [90, 150, 60],
  [214, 190, 70],
  [176, 44, 40],
];

/** A handcart with a load, from the side, and often whoever pushes it. */
export const handcart: DrawObject = (view, place, stream) => {
  const { lateral, depth, side } = place;
  const sketch = new Sketch(view, lateral, depth, side);
  const tyres = sketch.ball(-0.55, 0.36, 0.36) + sketch.ball(0.55, 0.36, 0.36);
  const hubs = sketch.ball(-0.55, 0.36, 0.27) + sketch.ball(0.55, 0.36, 0.27);
  const bed = sketch.box(-1.1, 0.72, 2.2, 0.2) + sketch.bar([-1, 0.85], [-1.55, 1.05], 0.09);
  const fruit = vary(stream, pick(stream, fruits), 12);
  const high = stream.uniform(0.25, 0.7);
  const load = sketch.shape([-1, 0.9], [-0.7, 0.9 + high], [0.7, 0.9 + high], [1, 0.9]);
  let heap = '';
  for (let i = 0; i < 9; i++)
    heap += sketch.ball(stream.uniform(-0.8, 0.8), 0.95 + stream.float() * high, 0.13, 0.11);
  const pusher = chance(stream, 0.7)
    ? person(view, { ...place, lateral: lateral - side * 1.75, depth: depth - 0.05 }, stream)
    : [];
  return [
    view.shadow(lateral, depth, 1.1),
    {
      thing: 'cart',
      outline: tyres + bed + load,
      fill: sketch.paint([120, 84, 52]),
      details:
        filled(load, sketch.paint(shade(fruit, 0.7))) +
        filled(heap, sketch.paint(fruit)) +
        filled(tyres, sketch.paint([44, 40, 38])) +
        filled(hubs, sketch.paint([134, 120, 104])),
    },
    ...pusher,
  ];
};

/** A boat on a canal, from the side. */
export const boat: DrawObject = (view, place, stream) => {
  const { lateral, depth, side } = place;
  const sketch = new Sketch(view, lateral, depth, side);
  const half = stream.uniform(2, 3.6);
  const hull = sketch.shape([-half, 0.9], [half * 1.12, 1], [half * 0.85, 0], [-half * 0.9, 0]);
  const cabin = sketch.box(-half * 0.6, 0.85, half * 0.9, 0.95, 0.1);
  const panes = sketch.box(-half * 0.5, 1.2, half * 0.7, 0.36);
  const paint = vary(
    stream,
    pick(stream, [
      [36, 70, 110],
      [150, 40, 36],
      [230, 228, 220],
      [50, 90, 70],
    ] as const),
    14,
  );
  return [
    {
      thing: 'boat',
      outline: hull + cabin,
      fill: sketch.paint(paint),
      details:
        filled(cabin, sketch.paint([222, 214, 196])) +
        filled(panes, sketch.paint([60, 78, 92])) +
        filled(sketch.box(-half, 0.7, half * 2.1, 0.14), sketch.paint([236, 230, 214])),
    },
  ];
};

/** A train that passes a crossing, from the side. */
export const passingTrain: DrawObject = (view, place, stream) => {
  const { lateral, depth, side } = place;
  const sketch = new Sketch(view, lateral, depth, side);
  const paint = vary(
    stream,
    pick(stream, [
      [34, 72, 140],
      [160, 50, 44],
      [70, 120, 84],
      [190, 150, 60],
    ] as const),
    14,
  );
  const coaches = 2 + stream.below(3);
  const [long, gap] = [stream.uniform(15, 20), 0.6];
  let [bodies, panes, bogies, stripes] = ['', '', '', ''];
  for (let coach = 0; coach < coaches; coach++) {
    const left = -coach * (long + gap);
    bodies += sketch.box(left - long, 0.9, long, 2.9, 0.4);
    stripes += sketch.box(left - long, 1.5, long, 0.3);
    bogies += sketch.box(left - long + 1, 0.15, 3, 0.8) + sketch.box(left - 4, 0.15, 3, 0.8);
    for (let x = 0.9; x + 1.3 < long; x += 2) panes += sketch.box(left - long + x, 2.1, 1.3, 0.85, 0.1);
    if (coach > 0) bogies += sketch.box(left, 1, gap, 2);
  }
  return [
    {
      thing: 'train',
      outline: bodies + bogies,
      fill: sketch.paint(paint),
      details:
        filled(bogies, '#26262a') +
        filled(stripes, sketch.paint([226, 218, 190])) +
        filled(panes, sketch.paint([50, 62, 76])),
    },
  ];
};
