import { random } from '../../../dist/data/random.js';

/** Input number `index` of a target: it follows from the seed and this number alone. The first ones are the good inputs as they are. */
export function inputOf(target, seeds, seed, index) {
  if (index < seeds.length) return Buffer.from(seeds[index]);
  const stream = random(seed, index);
  const bytes = seeds[stream.below(seeds.length)];
  return target.mutate(bytes, stream, { others: seeds });
}
