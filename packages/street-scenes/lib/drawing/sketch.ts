/** Drawing a thing in its own metres. */
import type { RandomStream } from '../../../../lib/data/random.js';
import { ellipse, polygon, rect } from './svg.js';
import type { Paint, Point } from './svg.js';
import type { Shape, View } from './view.js';

/** Where a thing stands. */
export interface Place {
  /** Metres from the middle of the road. */
  readonly lateral: number;
  /** Metres from the camera. */
  readonly depth: number;
  /** Shows its front: it comes towards the camera. */
  readonly toward: boolean;
  /** The side of the road it stands on; things seen from the side look that way. −1 is left. */
  readonly side: -1 | 1;
}

/** Draws a thing at a place, far parts first. */
export type DrawObject = (view: View, place: Place, stream: RandomStream) => Shape[];

/** Elements of a thing that faces the camera, in metres from its foot; `mirror` −1 swaps left and right. */
export class Sketch {
  /** Units a metre. */
  readonly metre: number;
  private readonly foot: Point;

  constructor(
    private readonly view: View,
    lateral: number,
    private readonly depth: number,
    private readonly mirror: -1 | 1 = 1,
    lift = 0,
  ) {
    this.metre = view.metre(depth);
    this.foot = view.at(lateral, depth, lift);
  }

  at(right: number, up: number): Point {
    return [this.foot[0] + this.mirror * right * this.metre, this.foot[1] - up * this.metre];
  }

  /** A polygon. */
  shape(...points: Point[]): string {
    return polygon(points.map(([right, up]) => this.at(right, up)));
  }

  /** A box by its left lower corner. */
  box(left: number, bottom: number, width: number, height: number, round = 0): string {
    const m = this.metre;
    const [x, y] = this.at(this.mirror > 0 ? left : left + width, bottom + height);
    return rect(x, y, width * m, height * m, Math.min(round, width / 2, height / 2) * m);
  }

  /** A disc or ellipse. */
  ball(right: number, up: number, rx: number, ry = rx): string {
    const [x, y] = this.at(right, up);
    return ellipse(x, y, rx * this.metre, ry * this.metre);
  }

  /** A bar between two points; never thinner than a pixel or so, or it would be in the picture and in no label. */
  bar(from: Point, to: Point, thickness: number): string {
    const [[x0, y0], [x1, y1]] = [this.at(...from), this.at(...to)];
    const length = Math.hypot(x1 - x0, y1 - y0) || 1;
    const half = Math.max((thickness * this.metre) / 2, 0.36);
    const [dx, dy] = [(-(y1 - y0) / length) * half, ((x1 - x0) / length) * half];
    return polygon([
      [x0 + dx, y0 + dy],
      [x1 + dx, y1 + dy],
      [x1 - dx, y1 - dy],
      [x0 - dx, y0 - dy],
    ]);
  }

  paint(color: Paint): string {
    return this.view.paint(color, this.depth);
  }
}

/** A point of a prism's face: metres to the right, up, and how far it leans back. */
export type FacePoint = readonly [right: number, up: number, back?: number];

/** The elements of a prism: all of it, its face, its sides and its roof. */
export interface Prism {
  readonly outline: string;
  readonly face: string;
  readonly sides: string;
  readonly roof: string;
}

/** A body that runs straight away from the camera, from one depth to another: its face, drawn out. */
export function prism(
  view: View,
  lateral: number,
  near: number,
  far: number,
  face: readonly FacePoint[],
): Prism {
  const front = face.map(([right, up, back = 0]) => view.at(lateral + right, near + back, up));
  const end = face.map(([right, up]) => view.at(lateral + right, far, up));
  let [sides, roof] = ['', ''];
  face.forEach(([right, up], i) => {
    const j = (i + 1) % face.length;
    const [nextRight, nextUp] = face[j]!;
    const quad = polygon([front[i]!, front[j]!, end[j]!, end[i]!]);
    if (Math.abs(nextUp - up) > Math.abs(nextRight - right)) sides += quad;
    else roof += quad;
  });
  return { outline: polygon(end) + sides + roof + polygon(front), face: polygon(front), sides, roof };
}

/** A wheel that turns along the street, at the side of a vehicle. */
export function sideWheel(view: View, lateral: number, depth: number, radius: number): string {
  const points: Point[] = [];
  for (let i = 0; i < 10; i++) {
    const angle = (i / 10) * 2 * Math.PI;
    points.push(view.at(lateral, depth + radius * Math.cos(angle), radius + radius * Math.sin(angle)));
  }
  return polygon(points);
}
