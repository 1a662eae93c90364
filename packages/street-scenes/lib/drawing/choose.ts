/** Random choices. */
import type { RandomStream } from '../../../../lib/data/random.js';
import type { Paint } from './svg.js';

/** Items with how often each is chosen, relative to the others. */
export type Weighted<T> = readonly (readonly [item: T, weight: number])[];

/** The least and the most. */
export type Range = readonly [low: number, high: number];

/** One of the items. */
export function pick<T>(stream: RandomStream, items: readonly T[]): T {
  return items[stream.below(items.length)]!;
}

/** One of the items, by their weights. */
export function pickWeighted<T>(stream: RandomStream, items: Weighted<T>): T {
  let rest = stream.float() * items.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [item, weight] of items) {
    rest -= weight;
    if (rest < 0) return item;
  }
  return items.at(-1)![0];
}

/** True with this probability. */
export function chance(stream: RandomStream, probability: number): boolean {
  return stream.float() < probability;
}

/** A colour near another: each channel moved by up to `spread`, all of them by the same lightness. */
export function vary(stream: RandomStream, color: Paint, spread: number): Paint {
  const all = stream.uniform(-spread, spread);
  const channel = (value: number): number => value + all + stream.uniform(-spread, spread) / 2;
  return [channel(color[0]), channel(color[1]), channel(color[2])];
}

/** A colour made lighter or darker. */
export function shade(color: Paint, factor: number): Paint {
  return [color[0] * factor, color[1] * factor, color[2] * factor];
}
