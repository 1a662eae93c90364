/** Parts of a job that several processes or machines do. */
import * as v from 'valibot';
import { kind } from './arguments.js';
import { DinoSegError, type ErrorCode } from './errors.js';
import { isObject } from './json.js';
import { naturalNumber, type Schema } from './schema.js';

/** The `index`-th of `count` parts; the whole is 1 of 1. */
export interface Shard {
  /** Number of the part, from 1. */
  readonly index: number;
  /** Number of parts. */
  readonly count: number;
}

export const shardKind = kind<Shard>('{index, count}, whole numbers with 1 ≤ index ≤ count', (value) => {
  const { index, count } = (isObject(value) ? value : {}) as Partial<Shard>;
  return [index, count].every(Number.isInteger) && index! >= 1 && index! <= count!;
});

/** Of a part that a file describes. More parts than this are none that anybody made. */
export const shardSchema = v.pipe(
  v.object({ index: naturalNumber, count: v.pipe(naturalNumber, v.maxValue(1_000_000)) }),
  v.check(({ index, count }) => index <= count),
) satisfies Schema<Shard>;

export const whole: Shard = { index: 1, count: 1 };

/** Parses `2/8`. @throws DinoSegError INVALID_ARGUMENT */
export function parseShard(text: string): Shard {
  const [, index, count] = (/^(\d{1,9})\/(\d{1,9})$/.exec(text) ?? []).map(Number);
  if (index !== undefined && count !== undefined && index >= 1 && index <= count) return { index, count };
  throw new DinoSegError(
    'INVALID_ARGUMENT',
    `A shard should look like 2/8, the second of eight, not "${text}".`,
  );
}

/** `2/8` */
export function shardText({ index, count }: Shard): string {
  return `${index}/${count}`;
}

/**
 * Path of a part of a file or folder: `features-00002-of-00008.csv` for `features.csv`. A folder's name may contain dots; its
 * `extension` is empty.
 */
export function shardPath(path: string, { index, count }: Shard, extension: string): string {
  return numberedPath(path, digits(index), count, extension);
}

/** A shell's pattern for the paths of all parts: `features-*-of-00008.csv`. */
export function shardPattern(path: string, count: number, extension: string): string {
  return numberedPath(path, '*', count, extension);
}

function numberedPath(path: string, number: string, count: number, extension: string): string {
  const stem = path.slice(0, path.length - extension.length);
  return `${stem}-${number}-of-${digits(count)}${extension}`;
}

function digits(number: number): string {
  return String(number).padStart(5, '0');
}

/** The consecutive items that are a shard's; the shards' sizes differ by one at most. */
export function itemsOf<T>({ index, count }: Shard, items: readonly T[]): T[] {
  const end = (shards: number) => Math.floor((items.length * shards) / count);
  return items.slice(end(index - 1), end(index));
}

/** Something that holds a part, and its path. */
interface Held {
  path: string;
  shard: Shard;
}

/**
 * Parts in their order.
 *
 * @param word what a part is called in the message.
 * @throws DinoSegError `code` where two are the same one
 */
export function inOrder<T extends Held>(parts: readonly T[], word: string, code: ErrorCode): T[] {
  const byIndex = new Map<number, T>();
  for (const part of parts) {
    const twin = byIndex.get(part.shard.index);
    if (twin)
      throw new DinoSegError(
        code,
        `${twin.path} and ${part.path} are both ${word} ${shardText(part.shard)}. Give each ${word} once.`,
      );
    byIndex.set(part.shard.index, part);
  }
  return [...byIndex.values()].sort((a, b) => a.shard.index - b.shard.index);
}

/** The missing ones among parts of `count`, as `2/8, 3/8`; empty if all are there. */
export function missingShards(parts: readonly Held[], count: number): string {
  const found = new Set(parts.map(({ shard }) => shard.index));
  const indices = Array.from({ length: count }, (_, i) => i + 1).filter((index) => !found.has(index));
  return indices.map((index) => shardText({ index, count })).join(', ');
}
