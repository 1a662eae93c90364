/**
 * Contents of the files that this package writes and reads back, compared with schemas. Files are copied, edited and damaged: what is
 * not of its schema ends in an error of the file's kind, and nothing else of the package looks at the types of members.
 *
 * A schema (valibot) stands next to the interface that it describes, as a constant of {@link Schema}: a member that is missing in it,
 * or of another type, does not compile. Schemas check and never change: the digests of some files are of their text.
 */
import * as v from 'valibot';
import { errorCodes, type DinoSegError, type ErrorCode } from './errors.js';
import { isTooDeep, shown, tooDeepText } from './json.js';

/** A schema of an interface. */
export type Schema<T> = v.GenericSchema<unknown, T>;

const words: Record<string, string> = {
  ...{
    Array: 'a list',
    Object: 'an object',
    string: 'a string',
    number: 'a number',
    boolean: 'true or false',
  },
  safe_integer: 'a whole number',
  regex: 'of another form',
};

/** A whole number, not below zero. */
export const wholeNumber = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
/** A whole number, above zero. */
export const naturalNumber = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
/** A number, or null where nothing could be measured. */
export const measured = v.nullable(v.number());
/** One of {@link errorCodes}. */
export const codeSchema = v.picklist(Object.keys(errorCodes) as ErrorCode[]);
/** SHA-256 in hexadecimal. */
export const sha256Text = v.pipe(v.string(), v.regex(/^[\da-f]{64}$/));

function textOf(issue: v.BaseIssue<unknown>): string {
  const found = v.getDotPath(issue);
  const place = found === null ? 'it' : `"${found}"`;
  if (issue.type === 'check') return `the members of ${place} do not fit each other`;
  if (issue.type === 'union') return `${place} has none of the known forms`;
  if (issue.received === 'undefined') return `${place} is missing`;
  const wanted = issue.expected ?? issue.type;
  return `${place} should be ${words[wanted] ?? wanted}, not ${words[issue.received] ?? shown(issue.input)}`;
}

/** What is wrong with a value; undefined if it is of the schema. */
export function faultOf(schema: Schema<unknown>, value: unknown): string | undefined {
  const { issues } = v.safeParse(schema, value, { abortEarly: true });
  return issues && textOf(issues[0]);
}

/**
 * The value, if it is of the schema.
 *
 * @param refuse the error, by what is wrong: `"rows" should be a number, not null`.
 */
export function ofSchema<T>(schema: Schema<T>, value: unknown, refuse: (what: string) => DinoSegError): T {
  const fault = faultOf(schema, value);
  if (fault !== undefined) throw refuse(fault);
  return value as T;
}

/** The value of a JSON text, if it is of the schema; undefined for any other text. For lines that are made again where they are damaged. */
export function parsedAs<T>(schema: Schema<T>, text: string): T | undefined {
  const value = parsed(text);
  return faultOf(schema, value) === undefined && !isTooDeep(value) ? (value as T) : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** {@link ofSchema} of a JSON text. @param refuse as there; also for text that is no JSON */
export function parseAs<T>(schema: Schema<T>, text: string, refuse: (what: string) => DinoSegError): T {
  const value = parsed(text);
  if (value === undefined) throw refuse('it is not JSON');
  if (isTooDeep(value)) throw refuse(tooDeepText);
  return ofSchema(schema, value, refuse);
}
