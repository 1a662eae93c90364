/** The passes of a table, and which of them a shard makes. */
import type { Shard } from '../shard.js';

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
