/**
 * A stream of random numbers that depends on its seed and ids only. Drawing from one stream never changes another,
 * so that a sample's augmentation is the same in any loading order and after a resume.
 */
export interface RandomStream {
  /** An integer from 0 to 2³² − 1. */
  uint32(): number;
  /** A multiple of 2⁻⁵³ in [0, 1). */
  float(): number;
  /** A number in [low, high). */
  uniform(low: number, high: number): number;
  /** An integer in [0, n). */
  below(n: number): number;
  /** A number of the standard normal distribution. */
  normal(): number;
  /** How many 32-bit numbers were drawn. Setting it continues at that position. */
  position: number;
}

/** Spreads every input bit over all 32 output bits (a bijection: shifts, xors and odd factors). */
function mix(value: number): number {
  let x = value;
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return (x ^ (x >>> 15)) >>> 0;
}

const step = 0x9e3779b9;

/** Two 32-bit keys from a list of numbers; whole numbers up to 2⁵³ count with all their bits. */
function streamKey(ids: readonly number[]): [number, number] {
  let a = 0x243f6a88;
  let b = 0x85a308d3;
  for (const id of ids) {
    for (const word of [id >>> 0, Math.floor(id / 2 ** 32) >>> 0]) {
      a = mix(a ^ mix(word + step));
      b = mix(Math.imul(b, 0x2c1b3c6d) + (word ^ a));
    }
  }
  return [a, b];
}

/**
 * A stream identified by whole numbers. Counter-based: number n is `mix(mix(a + n·step) ^ b)` of the stream's two
 * keys, with a period of 2³² numbers. Suitable for shuffling and augmentation, not for cryptography.
 */
export function random(seed: number, ...streamIds: number[]): RandomStream {
  const [a, b] = streamKey([seed, ...streamIds]);
  let counter = 0;
  const uint32 = (): number => mix(mix(a + Math.imul(counter++, step)) ^ b);
  const float = (): number => ((uint32() >>> 5) * 2 ** 26 + (uint32() >>> 6)) / 2 ** 53;
  return {
    uint32,
    float,
    uniform: (low, high) => low + (high - low) * float(),
    below: (n) => Math.floor(float() * n),
    normal: () => Math.sqrt(-2 * Math.log(1 - float())) * Math.cos(2 * Math.PI * float()),
    get position() {
      return counter;
    },
    set position(place) {
      counter = place;
    },
  };
}

/** Separates the streams that parts of the package derive from one seed. */
export const streams = { shuffle: 1, augment: 2, scene: 3, view: 4, fold: 5 } as const;

/** A random order of 0…n−1 for an epoch. */
export function shuffle(n: number, seed: number, epoch: number): number[] {
  return permutation(n, random(seed, streams.shuffle, epoch));
}

/** A random order of 0…n−1 (Fisher–Yates). */
export function permutation(n: number, stream: RandomStream): number[] {
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = stream.below(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
