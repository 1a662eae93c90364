import type { RandomStream } from '../../data/random.js';
import type { Thing } from './things.js';

/** Red, green, blue, 0…255 and not rounded. */
export type Paint = readonly [r: number, g: number, b: number];

/** One thing of a scene. Later shapes cover earlier ones, in the picture and in the label alike. */
export interface Shape {
  /** null for light and shadow, which change the picture but no label. */
  readonly thing: Thing | null;
  /** SVG elements without fill: the same outline makes the picture and the label. */
  readonly outline: string;
  readonly fill: string;
  /** SVG elements drawn in the picture only and clipped to the outline. */
  readonly details?: string;
}

/** Weather and time of day. */
export interface Light {
  readonly name: string;
  readonly skyTop: Paint;
  readonly skyBottom: Paint;
  /** What distant things fade into, and how fast with depth. */
  readonly haze: Paint;
  readonly hazeDensity: number;
  /** Factors on every colour. */
  readonly tint: Paint;
  readonly clouds: number;
  /** Opacity of cast shadows. */
  readonly shadow: number;
  /** Share of windows that are lit. */
  readonly litWindows: number;
}

export const lights: readonly Light[] = [
  {
    name: 'noon',
    skyTop: [72, 128, 205],
    skyBottom: [178, 208, 235],
    haze: [186, 204, 220],
    hazeDensity: 0.018,
    tint: [1.06, 1.04, 1],
    clouds: 4,
    shadow: 0.34,
    litWindows: 0,
  },
  {
    name: 'overcast',
    skyTop: [158, 168, 178],
    skyBottom: [205, 210, 213],
    haze: [196, 201, 205],
    hazeDensity: 0.03,
    tint: [0.88, 0.91, 0.95],
    clouds: 9,
    shadow: 0.1,
    litWindows: 0.06,
  },
  {
    name: 'haze',
    skyTop: [176, 178, 172],
    skyBottom: [222, 214, 196],
    haze: [214, 208, 194],
    hazeDensity: 0.075,
    tint: [0.98, 0.95, 0.88],
    clouds: 0,
    shadow: 0.08,
    litWindows: 0,
  },
  {
    name: 'evening',
    skyTop: [88, 104, 158],
    skyBottom: [244, 178, 122],
    haze: [214, 166, 132],
    hazeDensity: 0.028,
    tint: [0.96, 0.8, 0.68],
    clouds: 5,
    shadow: 0.28,
    litWindows: 0.22,
  },
  {
    name: 'dusk',
    skyTop: [38, 48, 88],
    skyBottom: [128, 112, 138],
    haze: [92, 92, 118],
    hazeDensity: 0.035,
    tint: [0.5, 0.53, 0.66],
    clouds: 2,
    shadow: 0.12,
    litWindows: 0.45,
  },
];

/** A number for an SVG attribute. */
export function num(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** A closed polygon through the points. */
export function polygon(points: readonly (readonly [x: number, y: number])[]): string {
  return `<path d="M${points.map(([x, y]) => `${num(x)} ${num(y)}`).join('L')}Z"/>`;
}

export function rect(x: number, y: number, width: number, height: number, round = 0): string {
  const corner = round > 0 ? ` rx="${num(round)}"` : '';
  return `<rect x="${num(x)}" y="${num(y)}" width="${num(width)}" height="${num(height)}"${corner}/>`;
}

export function ellipse(cx: number, cy: number, rx: number, ry = rx): string {
  return `<ellipse cx="${num(cx)}" cy="${num(cy)}" rx="${num(rx)}" ry="${num(ry)}"/>`;
}

/** The elements in one colour. */
export function filled(elements: string, fill: string, opacity = 1): string {
  return `<g fill="${fill}"${opacity < 1 ? ` opacity="${num(opacity)}"` : ''}>${elements}</g>`;
}

export function css([r, g, b]: Paint): string {
  const byte = (value: number): number => Math.round(Math.min(255, Math.max(0, value)));
  return `rgb(${byte(r)},${byte(g)},${byte(b)})`;
}

/**
 * A camera over a straight street. The picture is 100 units high; ground points are given by their
 * lateral place in metres (right of the camera is positive) and their depth, 1 at the bottom edge.
 */
export class View {
  readonly horizon: number;
  readonly vanishingX: number;
  /** Units a metre at depth 1. */
  private readonly scale: number;

  constructor(
    /** Units: 100 × width / height of the picture. */
    readonly width: number,
    readonly light: Light,
    stream: RandomStream,
  ) {
    this.horizon = stream.uniform(40, 52);
    this.vanishingX = width * stream.uniform(0.36, 0.64);
    this.scale = (100 - this.horizon) / stream.uniform(2.2, 2.8);
  }

  /** Units a metre at a depth. */
  metre(depth: number): number {
    return this.scale / depth;
  }

  /** A point of the ground, or `up` metres above it. */
  at(lateral: number, depth: number, up = 0): [x: number, y: number] {
    const metre = this.metre(depth);
    return [this.vanishingX + lateral * metre, this.horizon + (100 - this.horizon) / depth - up * metre];
  }

  /** The ground between two lateral places, from behind the bottom edge to far away. */
  strip(from: number, to: number, far = 90): string {
    return polygon([this.at(from, 0.9), this.at(to, 0.9), this.at(to, far), this.at(from, far)]);
  }

  /** A colour under this light, faded with depth. */
  paint(color: Paint, depth = 1): string {
    const { tint, haze, hazeDensity } = this.light;
    const clear = Math.exp(-hazeDensity * (depth - 1));
    const [r, g, b] = color.map((value, i) => value * tint[i]! * clear + haze[i]! * (1 - clear));
    return css([r!, g!, b!]);
  }
}

/** One of the items. */
export function pick<T>(stream: RandomStream, items: readonly T[]): T {
  return items[stream.below(items.length)]!;
}

/** A colour near another: each channel moved by up to `spread`, all of them by the same lightness. */
export function vary(stream: RandomStream, color: Paint, spread: number): Paint {
  const all = stream.uniform(-spread, spread);
  const channel = (value: number): number => value + all + stream.uniform(-spread, spread) / 2;
  return [channel(color[0]), channel(color[1]), channel(color[2])];
}
