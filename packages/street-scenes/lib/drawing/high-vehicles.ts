/** Buses, lorries and other large vehicles: boxes on wheels. */
import type { RandomStream } from '../../../../lib/data/random.js';
import { pick, shade, vary } from './choose.js';
import { prism, Sketch } from './sketch.js';
import type { DrawObject } from './sketch.js';
import { filled } from './svg.js';
import type { Paint } from './svg.js';
import { boxVehicle, glassPaint, glows, lamps, tyre, wheels } from './vehicle-parts.js';
import type { BoxBody } from './vehicle-parts.js';

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
