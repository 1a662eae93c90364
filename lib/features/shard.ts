/** Parts of a table that several processes or machines make. */
import { DinoSegError } from '../errors.js';

/** The `index`-th of `count` parts, from 1; a table that is not shared out is 1 of 1. */
export interface Shard {
  /** Which part, from 1. */
  readonly index: number;
  /** Parts in all. */
  readonly count: number;
}

export const wholeTable: Shard = { index: 1, count: 1 };

/** Reads `2/8`. @throws DinoSegError INVALID_ARGUMENT */
export function parseShard(text: string): Shard {
  const [, index, count] = (/^(\d{1,9})\/(\d{1,9})$/.exec(text) ?? []).map(Number);
  if (index !== undefined && count !== undefined && index >= 1 && index <= count) return { index, count };
  throw new DinoSegError(
    'INVALID_ARGUMENT',
    `A shard is written as 2/8, the second of eight; "${text}" was given.`,
  );
}

/**
 * The passes of a shard: every `count`-th of the whole table's. Whole passes, so that an image has the same company, and its
 * values the same last bits, however many shards there are.
 */
export function passesOf(shard: Shard, images: number, passSize: number): number[] {
  const all = Math.ceil(images / passSize);
  const passes: number[] = [];
  for (let pass = shard.index - 1; pass < all; pass += shard.count) passes.push(pass);
  return passes;
}

/** Places of a pass's images in the list of all. */
export function placesOf(pass: number, images: number, passSize: number): number[] {
  const first = pass * passSize;
  return Array.from({ length: Math.min(passSize, images - first) }, (_, i) => first + i);
}
