import type { RgbImage } from '../data/decode.js';
import { random, streams } from '../data/random.js';
import type { RandomStream } from '../data/random.js';
import { DinoSegError } from '../errors.js';
import * as objects from './drawing/objects.js';
import { labelOf, renderPicture, renderTopmost, visibleObjects } from './drawing/render.js';
import type { Canvas, SceneObject } from './drawing/render.js';
import { drawStreet, ground, rows, sidewalkEdges, sky, skyline, streetShadow } from './drawing/street.js';
import type { Street } from './drawing/street.js';
import { addTexture } from './drawing/texture.js';
import * as vehicles from './drawing/vehicles.js';
import type { DrawObject } from './drawing/vehicles.js';
import { lights, pick, View } from './drawing/view.js';
import type { Shape } from './drawing/view.js';

/** A generated picture with the class of every pixel in two class sets, and its countable things. */
export interface Scene {
  /** The picture, H×W×3. */
  readonly image: RgbImage;
  /** IDD-26 class indices 0…25, H×W; every pixel has one. */
  readonly label: Uint8Array<ArrayBuffer>;
  /** ADE20K class indices 0…149, H×W; 255 where ADE20K has no class (e.g. a train). Label files store one more. */
  readonly ade: Uint8Array<ArrayBuffer>;
  /** What COCO counts, far to near. */
  readonly objects: readonly SceneObject[];
  /** The weather or time of day that was drawn. */
  readonly light: string;
  /** The kind of street that was drawn. */
  readonly kind: string;
}

/** Which scene is drawn, and how large. */
export interface SceneOptions {
  readonly seed: number;
  /** Names the scene within its seed. */
  readonly index: number;
  /** Pixels; 32 to 4096 each. */
  readonly width: number;
  readonly height: number;
}

interface Placed {
  readonly depth: number;
  readonly draw: DrawObject;
  readonly lateral: number;
}

/** Depths from near to far that leave room between them. */
function depths(
  stream: RandomStream,
  first: number,
  ratio: readonly [number, number],
  last: number,
): number[] {
  const list: number[] = [];
  for (let depth = first * stream.uniform(1, 1.6); depth < last; depth *= stream.uniform(...ratio))
    list.push(depth);
  return list;
}

function traffic(street: Street, stream: RandomStream): Placed[] {
  const { car, bus, truck, autorickshaw } = vehicles;
  const { motorcycle, bicycle } = objects;
  const kinds = [car, car, car, car, bus, truck, autorickshaw, autorickshaw, motorcycle, motorcycle, bicycle];
  const placed: Placed[] = [];
  for (const side of [-1, 1]) {
    const lane = side * street.roadHalf * 0.5;
    for (const depth of depths(stream, 1.5, [1.5, 2.6], 16))
      placed.push({ depth, draw: pick(stream, kinds), lateral: lane + stream.uniform(-0.35, 0.35) });
  }
  if (street.parking > 0)
    for (const depth of depths(stream, 1.3, [1.35, 1.9], 14))
      placed.push({ depth, draw: car, lateral: street.roadHalf + street.parking / 2 });
  return placed;
}

function roadside(street: Street, stream: RandomStream): Placed[] {
  const { person, tree, lampPost, trafficSign, trafficLight, billboard } = objects;
  const placed: Placed[] = [];
  for (const side of [-1, 1]) {
    const [inner, outer] = sidewalkEdges(street, side);
    const between = (t: number): number => inner + (outer - inner) * t;
    for (const depth of depths(stream, 1.1, [1.25, 2.2], 13))
      placed.push({ depth, draw: person, lateral: between(stream.uniform(0.25, 0.75)) });
    const things = [tree, tree, tree, lampPost, lampPost, trafficSign, trafficSign, trafficLight, billboard];
    for (const depth of depths(stream, 1.4, [1.4, 2.2], 18)) {
      const draw = pick(stream, things);
      const place = draw === tree || draw === billboard ? 0.95 : 0.12;
      placed.push({ depth, draw, lateral: between(place) });
    }
  }
  return placed;
}

function composeScene(width: number, stream: RandomStream): { shapes: Shape[]; light: string } {
  const view = new View(width, pick(stream, lights), stream);
  const street = drawStreet(stream);
  const standing = [...traffic(street, stream), ...roadside(street, stream)].sort(
    (a, b) => b.depth - a.depth,
  );
  const shapes = [
    sky(view, stream),
    ...skyline(view, stream),
    ...ground(view, street, stream),
    ...rows(view, street, stream),
    ...streetShadow(view, street, stream),
    ...standing.flatMap(({ draw, lateral, depth }) => draw(view, lateral, depth, stream)),
  ];
  return { shapes, light: view.light.name };
}

/**
 * Draws a synthetic street scene with its exact labels. The same options give the same scene, in any order and on any
 * thread.
 * @throws DinoSegError INVALID_ARGUMENT for a size out of range
 */
export async function drawScene(options: SceneOptions): Promise<Scene> {
  const { seed, index, width, height } = options;
  for (const [name, value] of Object.entries({ width, height }))
    if (!Number.isInteger(value) || value < 32 || value > 4096)
      throw new DinoSegError(
        'INVALID_ARGUMENT',
        `A scene's ${name} must be a whole number of pixels from 32 to 4096, not ${value}.`,
      );
  const stream = random(seed, streams.scene, index);
  const canvas: Canvas = { width, height, units: (100 * width) / height };
  const { shapes, light } = composeScene(canvas.units, stream);
  const image = await renderPicture(shapes, canvas);
  const topmost = await renderTopmost(shapes, canvas);
  addTexture(image, topmost, shapes, stream);
  return {
    image,
    label: labelOf(topmost, shapes, 'idd'),
    ade: labelOf(topmost, shapes, 'ade'),
    objects: visibleObjects(topmost, shapes, width),
    light,
    kind: 'city',
  };
}
