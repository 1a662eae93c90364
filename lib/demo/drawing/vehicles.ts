/** Vehicles with four wheels and more, and the autorickshaw: bodies that run along the street. */
import type { RandomStream } from '../../data/random.js';
import { pick, shade, vary } from './choose.js';
import { prism, sideWheel, Sketch } from './sketch.js';
import type { DrawObject, FacePoint, Place } from './sketch.js';
import { filled } from './svg.js';
import type { Paint } from './svg.js';
import type { Thing } from './things.js';
import type { Shape, View } from './view.js';

export const vehiclePaints: readonly Paint[] = [
  [188, 30, 34],
  [222, 222, 220],
  [236, 236, 234],
  [34, 36, 42],
  [38, 74, 142],
  [150, 154, 158],
  [196, 164, 52],
  [44, 104, 82],
];
const glassPaint: Paint = [58, 74, 90];
const tyre = '#17171a';

/** The side of a vehicle that is seen: −1 its left, 1 its right. */
function seenSide(view: View, lateral: number): -1 | 1 {
  return lateral < view.lateral ? 1 : -1;
}

function wheels(view: View, place: Place, half: number, radius: number, axles: readonly number[]): string {
  const { lateral, depth } = place;
  const sketch = new Sketch(view, lateral, depth);
  const wide = Math.max(0.18, radius * 0.5);
  const ends = sketch.box(-half, 0, wide, radius) + sketch.box(half - wide, 0, wide, radius);
  const side = lateral + seenSide(view, lateral) * half;
  return ends + axles.map((back) => sideWheel(view, side, depth + back, radius)).join('');
}

/** Both lamps at the end that is seen: white in front, red behind. */
function lamps(sketch: Sketch, half: number, up: number, size: number, toward: boolean): string {
  const pair = sketch.ball(-half, up, size, size * 0.7) + sketch.ball(half, up, size, size * 0.7);
  return filled(pair, toward ? '#fff3cf' : '#d81f1f');
}

function glows(view: View, sketch: Sketch, half: number, up: number, toward: boolean): Shape[] {
  const color: Paint = toward ? [255, 240, 200] : [255, 50, 40];
  const radius = (toward ? 1 : 0.45) * sketch.metre;
  return [-half, half].flatMap((right) => view.glow(sketch.at(right, up), radius, color));
}

/** A car: a body and a narrower cabin that stands on its middle. */
export const car: DrawObject = (view, place, stream) => {
  const { lateral, depth, toward } = place;
  const sketch = new Sketch(view, lateral, depth);
  const half = stream.uniform(0.82, 0.95);
  const height = stream.uniform(1.38, 1.75);
  const length = stream.uniform(3.6, 4.6);
  const waist = height * 0.58;
  const body = prism(view, lateral, depth, depth + length, [
    [-half, 0.22],
    [-half, waist - 0.08],
    [-half * 0.93, waist, 0.1],
    [half * 0.93, waist, 0.1],
    [half, waist - 0.08],
    [half, 0.22],
  ]);
  const cabinAt = depth + (toward ? 1.1 : 0.3);
  const cabin = prism(view, lateral, cabinAt, depth + length - (toward ? 0.4 : 1.2), [
    [-half * 0.9, waist - 0.05],
    [-half * 0.72, height, 0.5],
    [half * 0.72, height, 0.5],
    [half * 0.9, waist - 0.05],
  ]);
  const tyres = wheels(view, place, half, 0.31, [0.75, length - 0.8]);
  const color = vary(stream, pick(stream, vehiclePaints), 14);
  const glass = prism(view, lateral, cabinAt, cabinAt + 0.01, [
    [-half * 0.83, waist],
    [-half * 0.69, height - 0.09, 0.44],
    [half * 0.69, height - 0.09, 0.44],
    [half * 0.83, waist],
  ]).face;
  return [
    view.shadow(lateral, depth + 0.1, half),
    {
      thing: 'car',
      outline: tyres + body.outline + cabin.outline,
      fill: view.paint(color, depth),
      details:
        filled(cabin.sides, view.paint(shade(glassPaint, 0.8), depth)) +
        filled(cabin.roof, view.paint(shade(color, 1.1), depth)) +
        filled(cabin.face, view.paint(color, depth)) +
        filled(glass, view.paint(glassPaint, depth)) +
        filled(body.sides, view.paint(shade(color, 0.72), depth)) +
        filled(body.roof, view.paint(shade(color, 1.12), depth)) +
        filled(body.face, view.paint(shade(color, 0.92), depth)) +
        filled(tyres, tyre) +
        filled(sketch.box(-half * 0.95, 0.22, half * 1.9, 0.18), view.paint([44, 44, 48], depth)) +
        filled(sketch.box(-0.24, 0.42, 0.48, 0.13), view.paint([232, 230, 214], depth)) +
        lamps(sketch, half * 0.8, waist * 0.78, 0.13, toward),
    },
    ...glows(view, sketch, half * 0.8, waist * 0.78, toward),
  ];
};

interface BoxBody {
  readonly thing: Thing;
  readonly half: number;
  readonly bottom: number;
  readonly height: number;
  readonly length: number;
  readonly paint: Paint;
  /** Adds to the picture of the face. */
  readonly face: (sketch: Sketch, view: View) => string;
  /** Windows along the side, between two heights; none where absent. */
  readonly windows?: readonly [bottom: number, top: number];
  readonly axles: readonly number[];
  readonly lampUp: number;
}

function boxVehicle(view: View, place: Place, box: BoxBody): Shape[] {
  const { lateral, depth, toward } = place;
  const { half, bottom, height, length, paint } = box;
  const sketch = new Sketch(view, lateral, depth);
  const corners: FacePoint[] = [
    [-half, bottom],
    [-half, height - 0.1],
    [-half + 0.15, height],
    [half - 0.15, height],
    [half, height - 0.1],
    [half, bottom],
  ];
  const body = prism(view, lateral, depth, depth + length, corners);
  const tyres = wheels(view, place, half, 0.46, box.axles);
  const side = lateral + seenSide(view, lateral) * half;
  let panes = '';
  if (box.windows)
    for (let back = 0.4; back + 1 < length; back += 1.3)
      panes += view.panel(side, depth + back, depth + back + 1, ...box.windows);
  return [
    view.shadow(lateral, depth + 0.1, half),
    {
      thing: box.thing,
      outline: tyres + body.outline,
      fill: view.paint(paint, depth),
      details:
        filled(body.sides, view.paint(shade(paint, 0.7), depth)) +
        filled(panes, view.paint(shade(glassPaint, 0.8), depth)) +
        filled(body.roof, view.paint(shade(paint, 1.1), depth)) +
        filled(body.face, view.paint(paint, depth)) +
        box.face(sketch, view) +
        filled(tyres, tyre) +
        lamps(sketch, half * 0.82, box.lampUp, 0.13, toward),
    },
    ...glows(view, sketch, half * 0.82, box.lampUp, toward),
  ];
}

const busPaints: readonly Paint[] = [
  [204, 68, 44],
  [60, 116, 168],
  [218, 186, 62],
  [230, 226, 216],
  [70, 140, 86],
];

export const bus: DrawObject = (view, place, stream) => {
  const paint = vary(stream, pick(stream, busPaints), 16);
  const height = stream.uniform(2.9, 3.3);
  const stripe = vary(stream, [226, 218, 190], 30);
  return boxVehicle(view, place, {
    thing: 'bus',
    half: 1.25,
    bottom: 0.35,
    height,
    length: stream.uniform(8.5, 11.5),
    paint,
    windows: [height * 0.48, height * 0.83],
    axles: [2, 7],
    lampUp: 0.75,
    face: (sketch) =>
      filled(sketch.box(-1.1, height * 0.48, 2.2, height * 0.34, 0.1), sketch.paint(glassPaint)) +
      filled(sketch.box(-0.7, height * 0.86, 1.4, height * 0.09), '#1b1b14') +
      filled(sketch.box(-1.25, height * 0.32, 2.5, 0.22), sketch.paint(stripe)),
  });
};

const cargoPaints: readonly Paint[] = [
  [196, 120, 46],
  [128, 134, 142],
  [150, 62, 46],
  [60, 86, 120],
  [206, 204, 196],
  [96, 110, 70],
];

/** A lorry: cab and load, whichever comes first. */
export const truck: DrawObject = (view, place, stream) => {
  const { lateral, depth, toward } = place;
  const load = vary(stream, pick(stream, cargoPaints), 16);
  const cabPaint = vary(stream, pick(stream, cargoPaints), 20);
  const [height, length] = [stream.uniform(2.7, 3.6), stream.uniform(4.5, 7.5)];
  const cabin = prism(view, lateral, toward ? depth : depth + length, depth + (toward ? 1.8 : length + 1.8), [
    [-1.1, 0.4],
    [-1.1, 2.4],
    [1.1, 2.4],
    [1.1, 0.4],
  ]);
  const cargo: BoxBody = {
    thing: 'truck',
    half: 1.2,
    bottom: 0.7,
    height,
    length,
    paint: load,
    axles: [1, length - 1],
    lampUp: 0.8,
    face: (sketch) =>
      filled(sketch.box(-1.05, 0.95, 1, height - 1.15), sketch.paint(shade(load, 0.86))) +
      filled(sketch.box(0.05, 0.95, 1, height - 1.15), sketch.paint(shade(load, 0.86))) +
      filled(sketch.box(-1.1, 0.72, 2.2, 0.16), sketch.paint([206, 60, 44])),
  };
  const [shadow, body, ...rest] = boxVehicle(view, { ...place, depth: toward ? depth + 1.7 : depth }, cargo);
  const sketch = new Sketch(view, lateral, depth);
  const tyres = wheels(view, place, 1.1, 0.45, [0.9]);
  const cab =
    filled(cabin.sides, view.paint(shade(cabPaint, 0.7), depth)) +
    filled(cabin.roof, view.paint(shade(cabPaint, 1.1), depth)) +
    filled(cabin.face, view.paint(cabPaint, depth));
  if (!toward)
    return [
      shadow!,
      { ...body!, outline: cabin.outline + body!.outline, details: cab + body!.details! },
      ...rest,
    ];
  const front =
    filled(sketch.box(-0.95, 1.35, 1.9, 0.8, 0.08), sketch.paint(glassPaint)) +
    filled(sketch.box(-0.6, 0.6, 1.2, 0.5), sketch.paint([40, 40, 44])) +
    filled(tyres, tyre) +
    lamps(sketch, 0.85, 0.8, 0.14, true);
  return [
    view.shadow(lateral, depth + 0.1, 1.2),
    { ...body!, outline: body!.outline + cabin.outline + tyres, details: body!.details! + cab + front },
    ...glows(view, sketch, 0.85, 0.8, true),
  ];
};

/** A three-wheeler with a rounded roof, yellow over green or black. */
export const autorickshaw: DrawObject = (view, place, stream) => {
  const { lateral, depth, toward } = place;
  const sketch = new Sketch(view, lateral, depth);
  const roofPaint = vary(
    stream,
    pick(stream, [
      [232, 186, 40],
      [236, 200, 60],
      [40, 40, 40],
    ] as const),
    10,
  );
  const bodyPaint = vary(
    stream,
    pick(stream, [
      [46, 106, 62],
      [222, 178, 44],
      [34, 96, 60],
    ] as const),
    10,
  );
  const lean = toward ? 0.35 : 0;
  const roof = prism(view, lateral, depth + 0.15, depth + 2.5, [
    [-0.64, 1],
    [-0.6, 1.5, lean * 0.6],
    [-0.42, 1.72, lean],
    [0.42, 1.72, lean],
    [0.6, 1.5, lean * 0.6],
    [0.64, 1],
  ]);
  const body = prism(view, lateral, depth, depth + 2.6, [
    [-0.6, 0.22],
    [-0.66, 1.02],
    [0.66, 1.02],
    [0.6, 0.22],
  ]);
  const tyres = toward
    ? sketch.box(-0.09, 0, 0.18, 0.42, 0.06) +
      sideWheel(view, lateral + seenSide(view, lateral) * 0.6, depth + 2, 0.22)
    : wheels(view, place, 0.62, 0.24, [0.4]);
  const opening = toward ? sketch.box(-0.48, 1.06, 0.96, 0.46, 0.1) : sketch.box(-0.3, 1.2, 0.6, 0.24, 0.05);
  return [
    view.shadow(lateral, depth + 0.1, 0.65),
    {
      thing: 'autorickshaw',
      outline: tyres + roof.outline + body.outline,
      fill: view.paint(roofPaint, depth),
      details:
        filled(roof.sides, view.paint(shade([60, 56, 50], 0.8), depth)) +
        filled(roof.roof, view.paint(shade(roofPaint, 1.06), depth)) +
        filled(roof.face, view.paint(roofPaint, depth)) +
        filled(body.sides, view.paint(shade(bodyPaint, 0.75), depth)) +
        filled(body.roof, view.paint([50, 44, 40], depth)) +
        filled(body.face, view.paint(bodyPaint, depth)) +
        filled(tyres, tyre) +
        filled(opening, view.paint(toward ? [70, 82, 90] : [36, 38, 40], depth)) +
        filled(sketch.box(-0.2, 0.35, 0.4, 0.12), view.paint([226, 204, 90], depth)) +
        lamps(sketch, toward ? 0.28 : 0.52, 0.72, 0.1, toward),
    },
    ...glows(view, sketch, toward ? 0.28 : 0.52, 0.72, toward),
  ];
};

/** A tractor with a loaded trolley behind it. */
export const tractor: DrawObject = (view, place, stream) => {
  const paint = vary(
    stream,
    pick(stream, [
      [176, 46, 40],
      [40, 86, 150],
      [52, 116, 60],
    ] as const),
    16,
  );
  if (!place.toward)
    return boxVehicle(view, place, {
      thing: 'tractor',
      half: 1.15,
      bottom: 0.65,
      height: stream.uniform(1.7, 2.6),
      length: 4,
      paint,
      axles: [1.6],
      lampUp: 0.75,
      face: (sketch) => filled(sketch.box(-1.1, 1.5, 2.2, 0.6, 0.3), sketch.paint([188, 164, 96])),
    });
  const { lateral, depth } = place;
  const sketch = new Sketch(view, lateral, depth);
  const nose = prism(view, lateral, depth, depth + 1.9, [
    [-0.34, 0.55],
    [-0.34, 1.4],
    [0.34, 1.4],
    [0.34, 0.55],
  ]);
  const hood = prism(view, lateral, depth + 1.6, depth + 3, [
    [-0.75, 0.8],
    [-0.75, 2.35],
    [0.75, 2.35],
    [0.75, 0.8],
  ]);
  const back = new Sketch(view, lateral, depth + 1.9);
  const tyres =
    back.box(-1.05, 0, 0.38, 1.45, 0.15) +
    back.box(0.67, 0, 0.38, 1.45, 0.15) +
    sketch.box(-0.75, 0, 0.25, 0.7, 0.1) +
    sketch.box(0.5, 0, 0.25, 0.7, 0.1) +
    sketch.box(-0.7, 0.3, 1.4, 0.28);
  return [
    view.shadow(lateral, depth + 0.1, 1),
    {
      thing: 'tractor',
      outline: hood.outline + tyres + nose.outline,
      fill: view.paint(paint, depth),
      details:
        filled(hood.outline, view.paint(shade(paint, 0.85), depth)) +
        filled(back.box(-0.6, 1.45, 1.2, 0.75), view.paint(glassPaint, depth)) +
        filled(tyres, tyre) +
        filled(nose.sides, view.paint(shade(paint, 0.75), depth)) +
        filled(nose.face + nose.roof, view.paint(paint, depth)) +
        filled(sketch.box(-0.22, 0.65, 0.44, 0.55), '#202022') +
        lamps(sketch, 0.26, 1.2, 0.09, true),
    },
  ];
};

/** A caravan; the car that pulls it is hidden before it. */
export const caravan: DrawObject = (view, place, stream) =>
  boxVehicle(
    view,
    { ...place, toward: false },
    {
      thing: 'caravan',
      half: 1.1,
      bottom: 0.4,
      height: stream.uniform(2.4, 2.7),
      length: 5,
      paint: vary(stream, [228, 224, 214], 10),
      windows: [1.3, 1.9],
      axles: [2.4],
      lampUp: 0.7,
      face: (sketch) =>
        filled(sketch.box(-0.7, 1.3, 1.4, 0.65, 0.1), sketch.paint(glassPaint)) +
        filled(sketch.box(-1.1, 0.85, 2.2, 0.12), sketch.paint([90, 110, 150])),
    },
  );

/** A tram or a train that runs along the street. */
export const tram: DrawObject = (view, place, stream: RandomStream) => {
  const paint = vary(
    stream,
    pick(stream, [
      [190, 36, 40],
      [220, 190, 60],
      [40, 110, 90],
      [226, 226, 224],
    ] as const),
    12,
  );
  return boxVehicle(view, place, {
    thing: 'train',
    half: 1.25,
    bottom: 0.15,
    height: 3.5,
    length: stream.uniform(14, 26),
    paint,
    windows: [1.4, 2.7],
    axles: [],
    lampUp: 0.7,
    face: (sketch) =>
      filled(sketch.box(-1.1, 1.4, 2.2, 1.3, 0.2), sketch.paint(glassPaint)) +
      filled(sketch.box(-0.6, 2.95, 1.2, 0.3), '#f0c040') +
      filled(sketch.box(-1.25, 0.5, 2.5, 0.14), sketch.paint([230, 230, 224])),
  });
};
