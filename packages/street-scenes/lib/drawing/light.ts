/** Weather and time of day. */
import type { RandomStream } from '../../../../lib/data/random.js';
import { pickWeighted } from './choose.js';
import type { Weighted } from './choose.js';
import type { Paint } from './svg.js';

/** How a scene is lit. */
export interface Light {
  readonly name: string;
  readonly skyTop: Paint;
  readonly skyBottom: Paint;
  /** What distant things fade into, and how fast with each metre. */
  readonly haze: Paint;
  readonly hazeDensity: number;
  /** Factors on every colour. */
  readonly tint: Paint;
  readonly clouds: number;
  /** Opacity of cast shadows. */
  readonly shadow: number;
  /** Share of windows that are lit. */
  readonly litWindows: number;
  /** Brightness of lamps and of their glow, 0…1. */
  readonly lamps: number;
  /** Streaks in the air and a road that mirrors, 0…1. */
  readonly rain: number;
  /** A sun in the picture. */
  readonly sun: boolean;
  /** Standard deviation of the camera's noise, in 8-bit steps. */
  readonly noise: number;
}

const dry = { lamps: 0, rain: 0, sun: false, noise: 2 };

const lights: Weighted<Light> = [
  [
    {
      ...dry,
      name: 'noon',
      skyTop: [72, 128, 205],
      skyBottom: [178, 208, 235],
      haze: [186, 204, 220],
      hazeDensity: 0.004,
      tint: [1.06, 1.04, 1],
      clouds: 4,
      shadow: 0.34,
      litWindows: 0,
    },
    4,
  ],
  [
    {
      ...dry,
      name: 'overcast',
      skyTop: [158, 168, 178],
      skyBottom: [205, 210, 213],
      haze: [196, 201, 205],
      hazeDensity: 0.007,
      tint: [0.88, 0.91, 0.95],
      clouds: 9,
      shadow: 0.1,
      litWindows: 0.06,
    },
    3,
  ],
  [
    {
      ...dry,
      name: 'haze',
      skyTop: [176, 178, 172],
      skyBottom: [222, 214, 196],
      haze: [214, 208, 194],
      hazeDensity: 0.016,
      tint: [0.98, 0.95, 0.88],
      clouds: 0,
      shadow: 0.08,
      litWindows: 0,
    },
    2,
  ],
  [
    {
      ...dry,
      name: 'fog',
      skyTop: [198, 202, 204],
      skyBottom: [206, 208, 208],
      haze: [204, 207, 208],
      hazeDensity: 0.034,
      tint: [0.86, 0.88, 0.9],
      clouds: 0,
      shadow: 0.05,
      litWindows: 0.1,
      lamps: 0.4,
    },
    1,
  ],
  [
    {
      ...dry,
      name: 'rain',
      skyTop: [112, 120, 130],
      skyBottom: [160, 166, 172],
      haze: [150, 157, 164],
      hazeDensity: 0.013,
      tint: [0.66, 0.69, 0.74],
      clouds: 7,
      shadow: 0.06,
      litWindows: 0.16,
      lamps: 0.5,
      rain: 1,
      noise: 3,
    },
    2,
  ],
  [
    {
      ...dry,
      name: 'low sun',
      skyTop: [112, 140, 190],
      skyBottom: [250, 214, 160],
      haze: [244, 210, 164],
      hazeDensity: 0.01,
      tint: [1.04, 0.93, 0.78],
      clouds: 3,
      shadow: 0.32,
      litWindows: 0.05,
      sun: true,
    },
    2,
  ],
  [
    {
      ...dry,
      name: 'evening',
      skyTop: [88, 104, 158],
      skyBottom: [244, 178, 122],
      haze: [214, 166, 132],
      hazeDensity: 0.007,
      tint: [0.96, 0.8, 0.68],
      clouds: 5,
      shadow: 0.28,
      litWindows: 0.22,
      lamps: 0.2,
    },
    2,
  ],
  [
    {
      ...dry,
      name: 'dusk',
      skyTop: [38, 48, 88],
      skyBottom: [128, 112, 138],
      haze: [92, 92, 118],
      hazeDensity: 0.008,
      tint: [0.5, 0.53, 0.66],
      clouds: 2,
      shadow: 0.12,
      litWindows: 0.45,
      lamps: 0.7,
      noise: 3,
    },
    2,
  ],
  [
    {
      ...dry,
      name: 'night',
      skyTop: [9, 12, 26],
      skyBottom: [36, 36, 56],
      haze: [30, 31, 46],
      hazeDensity: 0.007,
      tint: [0.5, 0.48, 0.55],
      clouds: 0,
      shadow: 0.08,
      litWindows: 0.5,
      lamps: 1,
      noise: 4,
    },
    1.5,
  ],
];

/** Names of every weather and time of day. */
export const lightNames: readonly string[] = lights.map(([{ name }]) => name);

/** One of them, a little different each time. */
export function chooseLight(stream: RandomStream): Light {
  const light = pickWeighted(stream, lights);
  const exposure = stream.uniform(0.88, 1.12);
  const warmth = stream.uniform(-0.05, 0.05);
  const [r, g, b] = light.tint;
  return {
    ...light,
    tint: [r * exposure * (1 + warmth), g * exposure, b * exposure * (1 - warmth)],
    hazeDensity: light.hazeDensity * stream.uniform(0.6, 1.4),
    clouds: Math.round(light.clouds * stream.uniform(0.3, 1.5)),
  };
}
