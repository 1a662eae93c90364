/** Cars and larger vehicles, seen from behind or in front. */
import type { RandomStream } from '../../data/random.js';
import { ellipse, filled, num, pick, polygon, rect, vary } from './view.js';
import type { Paint, Shape, View } from './view.js';

/** Draws an object that faces the camera, at a lateral place (metres) and depth. */
export type DrawObject = (view: View, lateral: number, depth: number, stream: RandomStream) => Shape[];

export const vehiclePaints: readonly Paint[] = [
  [188, 30, 34],
  [222, 222, 220],
  [34, 36, 42],
  [38, 74, 142],
  [150, 154, 158],
  [196, 164, 52],
  [44, 104, 82],
];
/** A soft dark patch under an object. */
export function shadow(view: View, lateral: number, depth: number, halfWidth: number): Shape {
  const [x, y] = view.at(lateral, depth);
  const metre = view.metre(depth);
  return {
    thing: null,
    outline: ellipse(x, y, halfWidth * 1.12 * metre, 0.16 * metre),
    fill: `rgba(8,10,18,${num(0.25 + view.light.shadow)})`,
  };
}

function lamps(x: number, y: number, half: number, size: number, rear: boolean): string {
  const pair = ellipse(x - half, y, size, size * 0.7) + ellipse(x + half, y, size, size * 0.7);
  return filled(pair, rear ? '#d81f1f' : '#fff3cf');
}

/** A car from behind or in front: body, narrower cabin, wheels, windscreen, lamps. */
export const car: DrawObject = (view, lateral, depth, stream) => {
  const [x, y] = view.at(lateral, depth);
  const m = view.metre(depth);
  const [half, height] = [stream.uniform(0.82, 0.95), stream.uniform(1.35, 1.7)];
  const at = (dx: number, up: number): [number, number] => [x + dx * m, y - up * m];
  const cabin = polygon([
    at(-half * 0.96, height * 0.52),
    at(-half * 0.7, height),
    at(half * 0.7, height),
    at(half * 0.96, height * 0.52),
  ]);
  const body = rect(x - half * m, y - height * 0.58 * m, 2 * half * m, height * 0.46 * m, 0.14 * m);
  const wheels = [-1, 1]
    .map((side) => rect(x + side * half * 0.72 * m - 0.13 * m, y - 0.32 * m, 0.26 * m, 0.32 * m, 0.04 * m))
    .join('');
  const glass = polygon([
    at(-half * 0.8, height * 0.58),
    at(-half * 0.6, height * 0.93),
    at(half * 0.6, height * 0.93),
    at(half * 0.8, height * 0.58),
  ]);
  const plate = rect(x - 0.22 * m, y - height * 0.3 * m, 0.44 * m, 0.12 * m);
  return [
    shadow(view, lateral, depth, half),
    {
      thing: 'car',
      outline: wheels + cabin + body,
      fill: view.paint(vary(stream, pick(stream, vehiclePaints), 14), depth),
      details:
        filled(wheels, '#17171a') +
        filled(glass, view.paint([64, 82, 98], depth)) +
        filled(plate, view.paint([232, 230, 214], depth)) +
        lamps(x, y - height * 0.44 * m, half * 0.8 * m, 0.12 * m, lateral > 0),
    },
  ];
};

/** A high vehicle: bus or truck, by its class name. */
function highVehicle(
  thing: 'bus' | 'truck',
  half: number,
  height: number,
  paints: readonly Paint[],
): DrawObject {
  return (view, lateral, depth, stream) => {
    const [x, y] = view.at(lateral, depth);
    const m = view.metre(depth);
    const wheels =
      rect(x - half * 0.9 * m, y - 0.5 * m, 0.35 * m, 0.5 * m) +
      rect(x + (half * 0.9 - 0.35) * m, y - 0.5 * m, 0.35 * m, 0.5 * m);
    const body = rect(x - half * m, y - height * m, 2 * half * m, (height - 0.35) * m, 0.1 * m);
    const glass = rect(x - half * 0.84 * m, y - height * 0.9 * m, half * 1.68 * m, height * 0.28 * m);
    const stripe = rect(x - half * m, y - height * 0.5 * m, 2 * half * m, height * 0.08 * m);
    return [
      shadow(view, lateral, depth, half),
      {
        thing,
        outline: wheels + body,
        fill: view.paint(vary(stream, pick(stream, paints), 16), depth),
        details:
          filled(wheels, '#151517') +
          (thing === 'bus' ? filled(glass, view.paint([58, 74, 88], depth)) : '') +
          filled(stripe, view.paint([226, 218, 190], depth), 0.8) +
          lamps(x, y - 0.7 * m, half * 0.82 * m, 0.13 * m, lateral > 0),
      },
    ];
  };
}

export const bus = highVehicle('bus', 1.25, 3.1, [
  [204, 68, 44],
  [60, 116, 168],
  [218, 186, 62],
]);

export const truck = highVehicle('truck', 1.2, 3, [
  [196, 120, 46],
  [128, 134, 142],
  [150, 62, 46],
]);

/** A three-wheeler with a rounded roof, yellow over green. */
export const autorickshaw: DrawObject = (view, lateral, depth, stream) => {
  const [x, y] = view.at(lateral, depth);
  const m = view.metre(depth);
  const roof = rect(x - 0.62 * m, y - 1.75 * m, 1.24 * m, 1 * m, 0.4 * m);
  const body = rect(x - 0.66 * m, y - 1.05 * m, 1.32 * m, 0.85 * m, 0.12 * m);
  const wheels =
    rect(x - 0.58 * m, y - 0.3 * m, 0.16 * m, 0.3 * m) + rect(x + 0.42 * m, y - 0.3 * m, 0.16 * m, 0.3 * m);
  return [
    shadow(view, lateral, depth, 0.65),
    {
      thing: 'autorickshaw',
      outline: wheels + roof + body,
      fill: view.paint(vary(stream, [228, 184, 40], 10), depth),
      details:
        filled(wheels, '#151517') +
        filled(body, view.paint([46, 106, 62], depth)) +
        filled(
          rect(x - 0.46 * m, y - 1.55 * m, 0.92 * m, 0.42 * m, 0.1 * m),
          view.paint([52, 60, 66], depth),
        ),
    },
  ];
};
