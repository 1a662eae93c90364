/** What JSON gave, before it is known to be what was expected. */

/** An object with members of any kind. */
export type JsonObject = Record<string, unknown>;

/** Whether it is an object, neither null nor an array. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value as a message shows it. */
export function shown(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}

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
