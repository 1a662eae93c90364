/** Lines of JSON with a checksum each, which binds them to what they belong to. */
import type { Kind } from './arguments.js';
import { sha256 } from './settings-digest.js';

function checksum(id: string, text: string): string {
  return sha256(`${id}\n${text}`).slice(0, 16);
}

/** A line with its end. @param id of what it belongs to: it is not one of another id. */
export function checkedLine(id: string, content: object): string {
  const text = JSON.stringify(content);
  return `${text}\t${checksum(id, text)}\n`;
}

/** What a line without its end holds; undefined where its checksum does not match or it holds something of another kind. */
export function readCheckedLine<T>(id: string, line: string, of: Kind<T>): T | undefined {
  const tab = line.lastIndexOf('\t');
  const text = line.slice(0, Math.max(0, tab));
  if (checksum(id, text) !== line.slice(tab + 1)) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return of.is(value) ? (value as T) : undefined;
  } catch {
    // Whoever can compute a checksum can write anything.
    return undefined;
  }
}
