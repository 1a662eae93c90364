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
