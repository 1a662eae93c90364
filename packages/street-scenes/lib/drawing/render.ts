/** From shapes to a picture and the map of what is seen where. */
import { renderSvg } from '../../../../lib/data/decode.js';
import type { RgbImage } from '../../../../lib/data/decode.js';
import { DinoSegError } from '../../../../lib/errors.js';
import { things } from './things.js';
import type { Shape } from './view.js';

/** How large a scene is drawn. */
export interface Canvas {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Width in the units of the drawing, which is 100 units high. */
  readonly units: number;
}

/** A countable thing that is seen in a scene. */
export interface SceneObject {
  /** Its COCO class, e.g. `person`. */
  readonly className: string;
  /** COCO's category id of that class, 1…90. */
  readonly id: number;
  /** Left, top, right and bottom of its visible pixels: x0 ≤ x < x1, y0 ≤ y < y1. */
  readonly box: readonly [x0: number, y0: number, x1: number, y1: number];
  /** How many of its pixels are seen. */
  readonly visiblePixels: number;
}

/** Objects with fewer visible pixels are left out: nobody could tell what they are. */
export const leastVisiblePixels = 12;

function svg({ width, height, units }: Canvas, rendering: string, body: string): string {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
    `viewBox="0 0 ${units} 100" preserveAspectRatio="none" shape-rendering="${rendering}">` +
    `<rect width="${units}" height="100" fill="#000"/>${body}</svg>`
  );
}

/** The picture, with smooth edges. */
export async function renderPicture(shapes: readonly Shape[], canvas: Canvas): Promise<RgbImage> {
  const body = shapes
    .map(({ outline, fill, details }, i) => {
      const base = `<g fill="${fill}">${outline}</g>`;
      if (details === undefined) return base;
      return `${base}<clipPath id="c${i}">${outline}</clipPath><g clip-path="url(#c${i})">${details}</g>`;
    })
    .join('');
  return await renderSvg(svg(canvas, 'auto', body));
}

/**
 * Which shape is on top at each pixel, as its place in `shapes`: H×W.
 * Every shape is drawn without smoothing in a colour that spells its place.
 */
export async function renderTopmost(shapes: readonly Shape[], canvas: Canvas): Promise<Uint16Array> {
  const body = shapes
    .map(({ thing, outline }, i) =>
      thing === null ? '' : `<g fill="#${(i + 1).toString(16).padStart(6, '0')}">${outline}</g>`,
    )
    .join('');
  const { data } = await renderSvg(svg(canvas, 'crispEdges', body));
  const topmost = new Uint16Array(canvas.width * canvas.height);
  for (let i = 0; i < topmost.length; i++) {
    const place = ((data[3 * i]! << 16) | (data[3 * i + 1]! << 8) | data[3 * i + 2]!) - 1;
    // A blended or uncovered pixel would be a fault of the drawing.
    if (!shapes[place]?.thing)
      throw new DinoSegError(
        'INTERNAL',
        `The pixel at x ${i % canvas.width}, y ${Math.floor(i / canvas.width)} of a drawn label is of shape ` +
          `${place}, which is none of the ${shapes.length} shapes with a class.`,
      );
    topmost[i] = place;
  }
  return topmost;
}

/** The class of each pixel in one of the sets. */
export function labelOf(
  topmost: Uint16Array,
  shapes: readonly Shape[],
  set: 'idd' | 'ade',
): Uint8Array<ArrayBuffer> {
  const classOf = Uint8Array.from(shapes, ({ thing }) => (thing === null ? 255 : things[thing][set]));
  const label = new Uint8Array(topmost.length);
  for (let i = 0; i < label.length; i++) label[i] = classOf[topmost[i]!]!;
  return label;
}

/** Each shape with a COCO class, in the order of the shapes (far to near), by what is seen of it. */
export function visibleObjects(topmost: Uint16Array, shapes: readonly Shape[], width: number): SceneObject[] {
  const counts = new Uint32Array(shapes.length);
  const [left, right] = [new Uint16Array(shapes.length).fill(0xffff), new Uint16Array(shapes.length)];
  const [top, bottom] = [new Uint16Array(shapes.length).fill(0xffff), new Uint16Array(shapes.length)];
  for (let i = 0, y = 0; i < topmost.length; y++)
    for (let x = 0; x < width; x++, i++) {
      const place = topmost[i]!;
      counts[place]!++;
      if (x < left[place]!) left[place] = x;
      if (x >= right[place]!) right[place] = x + 1;
      if (y < top[place]!) top[place] = y;
      bottom[place] = y + 1;
    }
  return shapes.flatMap(({ thing }, i) => {
    const coco = thing === null ? null : things[thing].coco;
    if (coco === null || counts[i]! < leastVisiblePixels) return [];
    const box = [left[i]!, top[i]!, right[i]!, bottom[i]!] as const;
    return [{ className: coco.name, id: coco.id, box, visiblePixels: counts[i]! }];
  });
}
