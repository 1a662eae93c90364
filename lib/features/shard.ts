/** Parts of a table that several processes or machines make. */
import { DinoSegError } from '../errors.js';

/** The `index`-th of `count` parts; a whole table is 1 of 1. */
export interface Shard {
  /** Number of the part, from 1. */
  readonly index: number;
  /** Number of parts. */
  readonly count: number;
}

export const wholeTable: Shard = { index: 1, count: 1 };

/** Parses `2/8`. @throws DinoSegError INVALID_ARGUMENT */
export function parseShard(text: string): Shard {
  const [, index, count] = (/^(\d{1,9})\/(\d{1,9})$/.exec(text) ?? []).map(Number);
  if (index !== undefined && count !== undefined && index >= 1 && index <= count) return { index, count };
  throw new DinoSegError(
    'INVALID_ARGUMENT',
    `A shard should look like 2/8, the second of eight, not "${text}".`,
  );
}

/**
 * The passes of a shard: every `count`-th of the whole table's. Passes are not split, so that an image shares its
 * pass with the same images, and its values have the same bits, for any number of shards.
 */
export function passesOf(shard: Shard, images: number, passSize: number): number[] {
  const all = Math.ceil(images / passSize);
  const passes: number[] = [];
  for (let pass = shard.index - 1; pass < all; pass += shard.count) passes.push(pass);
  return passes;
}

/** Positions of a pass's images in the list of all. */
export function placesOf(pass: number, images: number, passSize: number): number[] {
  const first = pass * passSize;
  return Array.from({ length: Math.min(passSize, images - first) }, (_, i) => first + i);
}
