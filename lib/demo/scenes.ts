import { idd26Classes } from '../data/sets/idd26.js';
import { renderSvg } from '../data/decode.js';
import type { RgbImage } from '../data/decode.js';
import { random, streams } from '../data/random.js';
import type { RandomStream } from '../data/random.js';
import { DinoSegError } from '../errors.js';
import * as objects from './objects.js';
import { drawStreet, ground, rows, sidewalkEdges, sky, skyline, streetShadow } from './street.js';
import type { Street } from './street.js';
import { addTexture } from './texture.js';
import * as vehicles from './vehicles.js';
import type { DrawObject } from './vehicles.js';
import { lights, pick, View } from './view.js';
import type { Shape } from './view.js';

/** A generated picture with the class of every pixel. */
export interface Scene {
  readonly image: RgbImage;
  /** IDD-26 class indices, H×W. */
  readonly label: Uint8Array;
  /** The weather or time of day that was drawn. */
  readonly light: string;
}

export interface SceneOptions {
  readonly seed: number;
  /** Names the scene within its seed. */
  readonly index: number;
  /** Pixels; at least 32 each. */
  readonly width: number;
  readonly height: number;
}

const classNames = idd26Classes.map(([name]) => name);
const indexOfColor = new Map(idd26Classes.map(([, [r, g, b]], index) => [(r << 16) | (g << 8) | b, index]));

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

function svg(options: SceneOptions, units: number, rendering: string, body: string): string {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${options.width}" height="${options.height}" ` +
    `viewBox="0 0 ${units} 100" preserveAspectRatio="none" shape-rendering="${rendering}">` +
    `<rect width="${units}" height="100" fill="#000"/>${body}</svg>`
  );
}

function pictureBody(shapes: readonly Shape[]): string {
  return shapes
    .map(({ outline, fill, details }, i) => {
      const base = `<g fill="${fill}">${outline}</g>`;
      if (details === undefined) return base;
      return `${base}<clipPath id="c${i}">${outline}</clipPath><g clip-path="url(#c${i})">${details}</g>`;
    })
    .join('');
}

/** Every shape in the flat colour of its class. */
function labelBody(shapes: readonly Shape[]): string {
  return shapes
    .map(({ className, outline }) => {
      const color = className === null ? undefined : idd26Classes[classNames.indexOf(className)]?.[1];
      return color === undefined ? '' : `<g fill="rgb(${color.join()})">${outline}</g>`;
    })
    .join('');
}

/** Flat class colours back to indices; a blended pixel would be a fault of the drawing. */
function indicesOf({ data, width, height }: RgbImage): Uint8Array {
  const label = new Uint8Array(width * height);
  for (let i = 0; i < label.length; i++) {
    const [r, g, b] = [data[3 * i]!, data[3 * i + 1]!, data[3 * i + 2]!];
    const index = indexOfColor.get((r << 16) | (g << 8) | b);
    if (index === undefined)
      throw new DinoSegError(
        'INTERNAL',
        `The drawn label has (${r}, ${g}, ${b}) at x ${i % width}, y ${Math.floor(i / width)}, which is no class.`,
      );
    label[i] = index;
  }
  return label;
}

/**
 * Draws a synthetic street scene with its exact label. The same options give the same scene.
 * @throws INVALID_ARGUMENT for a size under 32 pixels
 */
export async function drawScene(options: SceneOptions): Promise<Scene> {
  const { seed, index, width, height } = options;
  for (const [name, value] of Object.entries({ width, height }))
    if (!Number.isInteger(value) || value < 32)
      throw new DinoSegError(
        'INVALID_ARGUMENT',
        `A scene's ${name} must be a whole number of pixels from 32, not ${value}.`,
      );
  const stream = random(seed, streams.scene, index);
  const units = (100 * width) / height;
  const { shapes, light } = composeScene(units, stream);
  const image = await renderSvg(svg(options, units, 'auto', pictureBody(shapes)));
  const label = indicesOf(await renderSvg(svg(options, units, 'crispEdges', labelBody(shapes))));
  addTexture(image, label, classNames, stream);
  return { image, label, light };
}
