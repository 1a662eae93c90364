/** The camera: where a place of the street lies in the picture. */
import type { RandomStream } from '../../../../lib/data/random.js';
import { chance } from './choose.js';
import type { Light } from './light.js';
import { css, num, polygon, rect, ellipse } from './svg.js';
import type { Paint, Point } from './svg.js';
import type { Thing } from './things.js';

/** One thing of a scene. Later shapes cover earlier ones, in the picture and in the labels alike. */
export interface Shape {
  /** null for light and shadow, which change the picture but no label. */
  readonly thing: Thing | null;
  /** SVG elements without fill: the same outline makes the picture and the labels. */
  readonly outline: string;
  readonly fill: string;
  /** SVG elements drawn in the picture only and clipped to the outline. */
  readonly details?: string;
}

/** How the camera stands and what the road does. */
export interface CameraRanges {
  /** Metres to the right of the middle of the road. */
  readonly lateral: number;
  /** How far the road bends aside in the distance: at most so many units. */
  readonly bend: number;
}

/**
 * A camera over a street. The picture is 100 units high; places are given by their lateral distance from the middle of the
 * road in metres (right is positive), their depth (metres from the camera) and their height over the ground in metres.
 */
export class View {
  readonly horizon: number;
  readonly vanishingX: number;
  /** Metres over the ground. */
  readonly height: number;
  readonly lateral: number;
  /** Metres to the ground that is seen at the bottom edge. */
  readonly nearest: number;
  private readonly focal: number;
  private readonly bend: number;

  constructor(
    /** Units: 100 × width / height of the picture. */
    readonly width: number,
    readonly light: Light,
    ranges: CameraRanges,
    stream: RandomStream,
  ) {
    this.horizon = stream.uniform(36, 54);
    this.vanishingX = width * stream.uniform(0.34, 0.66);
    this.height = chance(stream, 0.25) ? stream.uniform(2, 2.9) : stream.uniform(1.25, 1.9);
    this.focal = stream.uniform(85, 130);
    this.lateral = ranges.lateral;
    this.bend = chance(stream, 0.5) ? 0 : stream.uniform(-ranges.bend, ranges.bend);
    this.nearest = (this.height * this.focal) / (100 - this.horizon);
  }

  /** Units a metre at a depth. */
  metre(depth: number): number {
    return this.focal / depth;
  }

  at(lateral: number, depth: number, up = 0): Point {
    const metre = this.metre(depth);
    const aside = this.bend * Math.max(0, 1 - this.nearest / depth) ** 2;
    return [
      this.vanishingX + aside + (lateral - this.lateral) * metre,
      this.horizon + (this.height - up) * metre,
    ];
  }

  /** The ground between two lateral places, from behind the bottom edge to far away. */
  strip(from: number, to: number, near = 0.85 * this.nearest, far = 400): string {
    const depths: number[] = [];
    const steps = this.bend === 0 ? 1 : 14;
    for (let i = 0; i <= steps; i++) depths.push(near * (far / near) ** (i / steps));
    return polygon([
      ...depths.map((depth) => this.at(from, depth)),
      ...depths.reverse().map((depth) => this.at(to, depth)),
    ]);
  }

  /** An upright wall along the street, between two depths and two heights. */
  panel(lateral: number, near: number, far: number, bottom: number, top: number): string {
    return polygon([
      this.at(lateral, near, bottom),
      this.at(lateral, far, bottom),
      this.at(lateral, far, top),
      this.at(lateral, near, top),
    ]);
  }

  /** An upright wall across the street at a depth, between two lateral places and two heights. */
  front(from: number, to: number, depth: number, bottom: number, top: number): string {
    const [a, b] = [this.at(from, depth, bottom), this.at(to, depth, top)];
    return rect(Math.min(a[0], b[0]), b[1], Math.abs(b[0] - a[0]), a[1] - b[1]);
  }

  /** A colour under this light, faded with depth. */
  paint(color: Paint, depth = 0): string {
    return css(this.lit(color, depth));
  }

  lit(color: Paint, depth = 0): Paint {
    const { tint, haze, hazeDensity } = this.light;
    const clear = Math.exp(-hazeDensity * depth);
    const mixed = color.map((value, i) => value * tint[i]! * clear + haze[i]! * (1 - clear));
    return [mixed[0]!, mixed[1]!, mixed[2]!];
  }

  /** A soft dark patch on the ground under something, `halfWidth` metres to both sides. */
  shadow(lateral: number, depth: number, halfWidth: number): Shape {
    const [x, y] = this.at(lateral, depth);
    const metre = this.metre(depth);
    return {
      thing: null,
      outline: ellipse(x, y, halfWidth * 1.12 * metre, 0.16 * metre),
      fill: `rgba(8,10,18,${num(0.25 + this.light.shadow)})`,
    };
  }

  /** The halo of a lamp; nothing by day. */
  glow([x, y]: Point, radius: number, [r, g, b]: Paint): Shape[] {
    const { lamps } = this.light;
    if (lamps < 0.1) return [];
    const halo = (opacity: number): string => `rgba(${r},${g},${b},${num(opacity * lamps)})`;
    return [
      { thing: null, outline: ellipse(x, y, radius), fill: halo(0.16) },
      { thing: null, outline: ellipse(x, y, radius * 0.5), fill: halo(0.3) },
      { thing: null, outline: ellipse(x, y, radius * 0.2), fill: halo(0.7) },
    ];
  }
}
