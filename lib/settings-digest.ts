/** Settings as JSON: their digest, and in what two of them differ. */
import { createHash } from 'node:crypto';

/** Names with dots and values, in one order. */
export function flatSettings(settings: object, prefix = ''): [string, string][] {
  return Object.entries(settings)
    .flatMap(([name, value]: [string, unknown]): [string, string][] =>
      typeof value === 'object' && value !== null
        ? flatSettings(value, `${prefix}${name}.`)
        : [[`${prefix}${name}`, JSON.stringify(value)]],
    )
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** In what two settings differ, as `imageSize: 512 → 640`. */
export function keyDifferences(before: object, after: object): string[] {
  const [a, b] = [new Map(flatSettings(before)), new Map(flatSettings(after))];
  return [...new Set([...a.keys(), ...b.keys()])]
    .filter((name) => a.get(name) !== b.get(name))
    .map((name) => `${name}: ${a.get(name) ?? 'absent'} → ${b.get(name) ?? 'absent'}`);
}

/** In hexadecimal. */
export function sha256(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('hex');
}
