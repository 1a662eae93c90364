/** What JSON gave, before it is known to be what was expected. */
import { shortened } from './printable.js';

/** An object with members of any kind. */
export type JsonObject = Record<string, unknown>;

/** Whether it is an object, neither null nor an array. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Characters of a value in a message. */
const mostShown = 120;
/** Members that {@link shown} goes down to: JSON.stringify overflows the stack at some thousands. */
const deepestShown = 8;

/** A value as a message shows it: its JSON, shortened. */
export function shown(value: unknown): string {
  return value === undefined ? 'nothing' : shortened(JSON.stringify(withoutDepths(value, 0)), mostShown);
}

function withoutDepths(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return value.slice(0, mostShown);
  if (typeof value !== 'object' || value === null) return value;
  if (depth === deepestShown) return '…';
  const members = Object.entries(value).slice(0, mostShown);
  const cut = members.map(([key, each]) => [key, withoutDepths(each, depth + 1)] as const);
  return Array.isArray(value) ? cut.map(([, each]) => each) : Object.fromEntries(cut);
}

/** Levels of lists and objects that a file may have. What this package reads has fewer than ten. */
const deepest = 100;

/** Whether lists and objects lie in each other too deep for functions that call themselves for each level. */
export function isTooDeep(value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > deepest) return true;
    const members = level.flatMap((each) =>
      typeof each === 'object' && each !== null ? Object.values(each) : [],
    );
    // Each once: by aliases, YAML has the same object in many places, and even within itself.
    level = [...new Set(members.filter((member) => typeof member === 'object' && member !== null))];
  }
  return false;
}

/** What a file that {@link isTooDeep} is refused with. */
export const tooDeepText = `lists and objects lie in each other more than ${deepest} levels deep`;

/** A key that an object has twice. */
export interface RepeatedKey {
  key: string;
  /** Lines of both, from 1. */
  lines: [first: number, second: number];
}

/**
 * The first key that an object has twice: `JSON.parse` would keep the last value.
 *
 * @param text valid JSON.
 */
export function repeatedKey(text: string): RepeatedKey | undefined {
  /** Keys of the open objects with their lines; nothing for an open list. */
  const open: (Map<string, number> | undefined)[] = [];
  let isKey = false;
  let line = 1;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],\n]/g)) {
    const keys = open.at(-1);
    if (token === '\n') line++;
    else if (token === '{' || token === '[') {
      open.push(token === '{' ? new Map() : undefined);
      isKey = token === '{';
    } else if (token === '}' || token === ']') open.pop();
    else if (token === ',') isKey = keys !== undefined;
    else if (isKey && keys) {
      isKey = false;
      const key = JSON.parse(token) as string;
      const before = keys.get(key);
      if (before !== undefined) return { key, lines: [before, line] };
      keys.set(key, line);
    }
  }
  return undefined;
}

/** What a file with such a key is refused with. */
export function repeatedText(path: string, { key, lines: [first, second] }: RepeatedKey): string {
  const where = first === second ? `line ${first}` : `lines ${first} and ${second}`;
  return `${path} has "${key}" twice, in ${where}. Remove one of them.`;
}
