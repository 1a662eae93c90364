/** Checks of the arguments of public functions. */
import { DinoSegError } from './errors.js';
import { isObject } from './json.js';
import { didYouMean } from './nearest.js';

/** Name of a kind of value in messages, and its test. */
interface Test {
  readonly name: string;
  is(value: unknown): boolean;
}

/** What a value may be. */
export interface Kind<T> extends Test {
  /** Makes the table of an interface's options exact: a kind that takes more or less than the option does not compile. */
  readonly of?: (value: T) => T;
}

/** A kind of an option that cannot be left out. */
export interface Needed<T> extends Kind<T> {
  readonly needed: true;
}

/** The kind of every option of an interface: the compiler refuses a table that leaves one out or has one too many. */
export type OptionKinds<T> = {
  readonly [K in keyof T]-?: Partial<Pick<T, K>> extends Pick<T, K>
    ? Kind<Exclude<T[K], undefined>>
    : Needed<T[K]>;
};

/** A kind of one's own. */
export function kind<T>(name: string, is: (value: unknown) => boolean): Kind<T> {
  return { name, is };
}

export const text = kind<string>('a string', (value) => typeof value === 'string');
export const number = kind<number>('a number', (value) => typeof value === 'number');
export const flag = kind<boolean>('true or false', (value) => typeof value === 'boolean');
export const bytes = kind<Uint8Array>('a Uint8Array', (value) => value instanceof Uint8Array);
/** Told by what it can do: a program may have one of another realm. */
export const signal = kind<AbortSignal>(
  'an AbortSignal',
  (value) =>
    isObject(value) &&
    typeof value['aborted'] === 'boolean' &&
    typeof value['throwIfAborted'] === 'function' &&
    typeof value['addEventListener'] === 'function',
);

/** The kinds of options that are a signal alone. */
export const signalOption: OptionKinds<{ signal?: AbortSignal }> = { signal };

/** A function of any signature. */
export function callback<F>(): Kind<F> {
  return kind('a function', (value) => typeof value === 'function');
}

/** Needed in its place. */
export function needed<T>(of: Kind<T>): Needed<T> {
  return { ...of, needed: true };
}

/** One of some values. */
export function oneOf<T extends string | number>(values: readonly T[]): Kind<T> {
  return kind(`one of ${values.join(', ')}`, (value) => values.includes(value as T));
}

/** Either of two. */
export function either<A, B>(a: Kind<A>, b: Kind<B>): Kind<A | B> {
  return kind(`${a.name} or ${b.name}`, (value) => a.is(value) || b.is(value));
}

/** The kind, or null. */
export function orNull<T>(of: Kind<T>): Kind<T | null> {
  return either(
    of,
    kind<null>('null', (value) => value === null),
  );
}

/** An array. */
export function listOf<T>(
  of: Kind<T>,
  name = `an array in which each element is ${of.name}`,
): Kind<readonly T[]> {
  return kind(name, (value) => Array.isArray(value) && value.every((member) => of.is(member)));
}

/** Paths of files or folders. */
export const paths = listOf(text, 'an array of paths');

/** An instance of a class, which is looked up when it is needed: classes know each other. */
export function instanceOf<T>(name: string, type: () => { readonly prototype: T }): Kind<T> {
  return kind(name, (value) => value instanceof (type() as unknown as new () => T));
}

/** An object with some members at least, each of its kind: what a public interface describes and other functions give. */
export function objectWith<T>(name: string, members: { readonly [K in keyof T]?: Kind<T[K]> }): Kind<T> {
  const kinds = Object.entries(members) as [string, Test][];
  return kind(
    name,
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      kinds.every(([member, of]) => of.is((value as Record<string, unknown>)[member])),
  );
}

/** A value as messages show it. */
function shortly(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (Array.isArray(value)) return `an array of length ${value.length}`;
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  const { name } = (value.constructor ?? Object) as { name: string };
  if (name !== 'Object') return `an instance of ${name}`;
  const keys = Object.keys(value);
  return `an object with ${keys.length === 0 ? 'no members' : keys.slice(0, 5).join(', ')}`;
}

/**
 * Refuses an argument that is not of its kind.
 *
 * @param place function and parameter, as `SegmentationModel.load(path)`.
 * @throws DinoSegError INVALID_ARGUMENT
 */
export function checkArgument<T>(value: unknown, of: Kind<T>, place: string): asserts value is T {
  if (!of.is(value))
    throw new DinoSegError('INVALID_ARGUMENT', `${place} should be ${of.name}, not ${shortly(value)}.`);
}

/**
 * Refuses unknown options (naming the nearest known one) and values of another kind. An undefined option counts as absent.
 *
 * @param kinds all options of the function: a constant `satisfies OptionKinds<…>` of the interface that it takes.
 * @param call what messages call the function, as `segment()`.
 * @throws DinoSegError INVALID_ARGUMENT
 */
export function checkOptions<T extends object>(options: T, kinds: OptionKinds<T>, call: string): void {
  const known = Object.keys(kinds);
  const refuse = (what: string) => {
    throw new DinoSegError('INVALID_ARGUMENT', `${call} ${what}`);
  };
  const given: unknown = options;
  if (!isObject(given))
    return refuse(`expects an object of options (${known.join(', ')}), not ${shortly(given)}.`);
  for (const name of Object.keys(given))
    if (!Object.hasOwn(kinds, name))
      refuse(`has no option "${name}".${didYouMean(name, known)} Its options are ${known.join(', ')}.`);
  for (const [name, of] of Object.entries(kinds) as [string, Test][]) {
    const value = given[name];
    if (value === undefined && !('needed' in of)) continue;
    if (value === undefined) refuse(`requires the option "${name}": ${of.name}.`);
    if (!of.is(value)) refuse(`expects the option "${name}" to be ${of.name}, not ${shortly(value)}.`);
  }
}

/** Those of the options that another function has, to pass on to it. */
export function optionsFor<T extends object>(kinds: OptionKinds<T>, options: Partial<T>): T {
  const known = Object.entries(options).filter(([name]) => Object.hasOwn(kinds, name));
  return Object.fromEntries(known) as T;
}

/** The kinds of an interface that leaves some options out. */
export function without<T, K extends keyof T & string>(
  kinds: OptionKinds<T>,
  ...names: readonly K[]
): OptionKinds<Omit<T, K>> {
  const left = Object.entries(kinds).filter(([name]) => !names.includes(name as K));
  return Object.fromEntries(left) as OptionKinds<Omit<T, K>>;
}
