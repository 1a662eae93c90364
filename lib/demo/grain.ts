/** Grain for drawn pictures, like that of photographs. It hardly compresses, so models/street-scenes has the pictures without it. */
import type { RgbImage } from '../data/decode.js';
import type { RandomStream } from '../data/random.js';

/** Strength of mottling (blotches of several pixels) and grain (single pixels), as shares of the colour. */
interface Texture {
  readonly mottle: number;
  readonly grain: number;
}

/** Textures by the name of the thing. Texture maps contain positions in this list. */
const textures = {
  plain: { mottle: 0.05, grain: 0.03 },
  sky: { mottle: 0.02, grain: 0.004 },
  tree: { mottle: 0.3, grain: 0.13 },
  palm: { mottle: 0.25, grain: 0.12 },
  bush: { mottle: 0.3, grain: 0.14 },
  hill: { mottle: 0.08, grain: 0.02 },
  verge: { mottle: 0.16, grain: 0.08 },
  track: { mottle: 0.12, grain: 0.12 },
  shoulder: { mottle: 0.14, grain: 0.09 },
  road: { mottle: 0.09, grain: 0.07 },
  parking: { mottle: 0.09, grain: 0.07 },
  sidewalk: { mottle: 0.08, grain: 0.06 },
  building: { mottle: 0.09, grain: 0.04 },
  wall: { mottle: 0.12, grain: 0.06 },
} as const satisfies Record<string, Texture>;
const names = Object.keys(textures);
const byPlace: readonly Texture[] = Object.values(textures);

/** Position of a thing's texture; 0 (plain) for things without their own. */
export const textureOf = (thing: string | null): number => Math.max(0, names.indexOf(thing ?? ''));

/** Properties of a scene's light that affect the grain. */
export interface GrainLight {
  /** Red, green and blue of distant things. */
  readonly haze: readonly [number, number, number];
  /** Standard deviation of the sensor's noise, 0…255. */
  readonly noise: number;
}

/** A colour with at least this difference from the haze (sum over the channels) has its full texture; closer colours have less. */
const clearOfHaze = 150;

/** Smooth noise in [−1, 1]: random values on a grid of `cell` pixels, bilinear in between. */
function valueNoise(width: number, height: number, cell: number, stream: RandomStream): Float32Array {
  const columns = Math.ceil(width / cell) + 2;
  const lattice = Float32Array.from({ length: columns * (Math.ceil(height / cell) + 2) }, () =>
    stream.uniform(-1, 1),
  );
  const noise = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    const row = Math.floor(y / cell) * columns;
    const ty = (y % cell) / cell;
    for (let x = 0; x < width; x++) {
      const i = row + Math.floor(x / cell);
      const tx = (x % cell) / cell;
      const top = lattice[i]! * (1 - tx) + lattice[i + 1]! * tx;
      const bottom = lattice[i + columns]! * (1 - tx) + lattice[i + columns + 1]! * tx;
      noise[y * width + x] = top * (1 - ty) + bottom * ty;
    }
  }
  return noise;
}

/**
 * Adds mottling and grain, darker corners and sensor noise to a picture, in place.
 *
 * @param map texture positions, H×W.
 */
export function addGrain(image: RgbImage, map: Uint8Array, light: GrainLight, stream: RandomStream): void {
  const { data, width, height } = image;
  const [hazeR, hazeG, hazeB] = light.haze;
  // Uniform in ±√3 has a standard deviation of 1.
  const noise = Math.sqrt(3) * light.noise;
  const coarse = valueNoise(width, height, 9, stream);
  const fine = valueNoise(width, height, 3, stream);
  for (let i = 0; i < map.length; i++) {
    const { mottle, grain } = byPlace[map[i]!]!;
    const [r, g, b] = [data[3 * i]!, data[3 * i + 1]!, data[3 * i + 2]!];
    const far = Math.abs(r - hazeR) + Math.abs(g - hazeG) + Math.abs(b - hazeB);
    const strength = Math.min(1, far / clearOfHaze);
    const x = (2 * (i % width)) / width - 1;
    const y = (2 * Math.floor(i / width)) / height - 1;
    const corners = 1 - 0.1 * (x * x + y * y);
    const uneven = mottle * (0.5 * coarse[i]! + 0.5 * fine[i]!) + grain * stream.uniform(-1, 1);
    const factor = corners * (1 + strength * uneven);
    for (let c = 0; c < 3; c++) {
      const value = data[3 * i + c]! * factor + noise * stream.uniform(-1, 1);
      data[3 * i + c] = Math.min(255, Math.max(0, Math.round(value)));
    }
  }
}
