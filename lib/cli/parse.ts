/** Command lines: flags by table, checked, with the usage text made from the same table. */
import { parseArgs } from 'node:util';
import { didYouMean } from '../nearest.js';
import { expected, valueOfText, type ValueOf, type ValueRule } from '../setting.js';
import { counted } from '../text.js';

/** The command line is wrong; nothing was done. Ends with exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Flag extends ValueRule {
  help: string;
  /** What the usage text calls the value, e.g. `FILE`. */
  value?: string;
  required?: boolean;
  /** Name of the library's setting, if it differs. */
  setting?: string;
  /** Used if neither the command line nor a file gives a value. */
  default?: string | number;
  /** It may be given so often: its value is a list. Values with choices may also be joined by commas. */
  times?: number;
}

export type Flags = Record<string, Flag>;

export interface Positionals {
  name: string;
  help: string;
  least: number;
  most: number;
}

export interface CommandSyntax<F extends Flags = Flags> {
  name: string;
  summary: string;
  flags: F;
  positionals?: Positionals;
  /** Text below the flags. */
  notes?: string;
}

type FlagValue<F extends Flag> = F extends { times: number } ? readonly ValueOf<F>[] : ValueOf<F>;

/** Values by flag name; `undefined` where a flag was not given. */
export type FlagValues<F extends Flags> = {
  [K in keyof F]: F[K] extends { required: true } | { default: string | number }
    ? FlagValue<F[K]>
    : FlagValue<F[K]> | undefined;
};

/** Values by flag name, and arguments; required ones may still be absent. */
export interface Given {
  flags: Record<string, unknown>;
  positionals: string[];
}

/**
 * Reads a command line. Required flags may be absent, since a file may still give them.
 *
 * @throws UsageError for an unknown flag (naming the nearest), a flag given twice or without its value, a value that is
 *   not a number or is out of range.
 */
export function readArguments(syntax: CommandSyntax, argv: string[]): Given & { help: boolean } {
  const options = Object.fromEntries(
    Object.entries(syntax.flags).map(([name, { type }]) => [
      name,
      { type: type === 'boolean' ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  const { tokens } = parseArgs({
    args: argv,
    options: { ...options, help: { type: 'boolean', short: 'h' } },
    strict: false,
    tokens: true,
  });
  const flags: Record<string, unknown> = {};
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    if (token.name === 'help') return { help: true, flags, positionals };
    const value = readFlag(syntax.flags, token);
    const before = Object.hasOwn(flags, token.name) ? flags[token.name] : [];
    if (!Array.isArray(before)) throw new UsageError(`${token.rawName} is given twice.`);
    flags[token.name] = Array.isArray(value)
      ? checkTimes(syntax.flags[token.name]!, token.rawName, [
          ...(before as unknown[]),
          ...(value as unknown[]),
        ])
      : value;
  }
  return { help: false, flags, positionals };
}

/**
 * The whole input of a command: the command line overrides a file, a file overrides defaults.
 *
 * @throws UsageError for a required flag that is missing, too few or too many arguments.
 */
export function completeInput<F extends Flags>(
  syntax: CommandSyntax<F>,
  line: Given,
  file: Given = { flags: {}, positionals: [] },
): { flags: FlagValues<F>; positionals: string[] } {
  const defaults = Object.entries(syntax.flags).flatMap(([name, flag]) =>
    flag.default === undefined ? [] : [[name, flag.default] as const],
  );
  const merged = { ...Object.fromEntries(defaults), ...file.flags, ...line.flags };
  // A switch that is off is as one that was not given.
  const flags = Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== false));
  for (const [name, flag] of Object.entries(syntax.flags))
    if (flag.required && !Object.hasOwn(flags, name))
      throw new UsageError(`Missing ${shapeOf(name, flag)}: ${flag.help}.`);
  const positionals = line.positionals.length > 0 ? line.positionals : file.positionals;
  checkPositionals(syntax, positionals);
  return { flags: flags as FlagValues<F>, positionals };
}

interface OptionToken {
  name: string;
  rawName: string;
  value?: string | undefined;
  inlineValue?: boolean | undefined;
}

function readFlag(flags: Flags, { name, rawName, value, inlineValue }: OptionToken): unknown {
  const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
  if (flag === undefined) {
    const hint = didYouMean(
      rawName,
      Object.keys(flags).map((known) => `--${known}`),
    );
    throw new UsageError(`Unknown flag ${rawName}.${hint}`);
  }
  if (flag.type === 'boolean') {
    if (!inlineValue || value === 'true') return true;
    if (value === 'false') return false;
    throw new UsageError(`${rawName} accepts no value except =true or =false, not "${value}".`);
  }
  const looksLikeFlag = !inlineValue && /^-[^\d.]/.test(value ?? '');
  if (value === undefined || value === '' || looksLikeFlag)
    throw new UsageError(`${rawName} needs a value: ${flag.help}.`);
  if (flag.times === undefined) return checkValue(flag, rawName, value);
  const values = flag.choices ? value.split(',') : [value];
  return checkTimes(
    flag,
    rawName,
    values.map((each) => checkValue(flag, rawName, each)),
  );
}

/** Checks how many values a flag is given that takes several. @param name the flag's name in messages. @throws UsageError */
export function checkTimes<T>({ times = 1 }: Flag, name: string, values: readonly T[]): readonly T[] {
  if (values.length >= 1 && values.length <= times) return values;
  throw new UsageError(`${name} takes 1 to ${times} values, not ${values.length}.`);
}

/** Checks the value of a flag. @param name the flag's name in messages. @throws UsageError */
export function checkValue(flag: Flag, name: string, value: string): string | number {
  const read = valueOfText(flag, value);
  if (read !== undefined) return read;
  const hint = didYouMean(value, flag.choices ?? []);
  throw new UsageError(`${name} should be ${expected(flag)}, not "${value}".${hint}`);
}

function checkPositionals({ positionals: expected, name }: CommandSyntax, given: string[]): void {
  const { least, most } = expected ?? { least: 0, most: 0 };
  if (given.length > most)
    throw new UsageError(
      `Unexpected argument "${given[most]}": ${name} accepts ` +
        (most === 0 ? 'only flags.' : `at most ${counted(most, 'argument')} (${expected!.name}).`),
    );
  if (given.length < least) throw new UsageError(`Missing ${expected!.name}: ${expected!.help}.`);
}

/** A flag with its value, e.g. `--model FILE`. */
function shapeOf(name: string, { type, value, choices }: Flag): string {
  if (type === 'boolean') return `--${name}`;
  return `--${name} ${value ?? choices?.join('|') ?? (type === 'integer' ? 'N' : 'X')}`;
}

/** What `-h` prints. */
export function usageText(syntax: CommandSyntax): string {
  const { name, summary, flags, positionals, notes } = syntax;
  const required = Object.entries(flags).filter(([, flag]) => flag.required);
  const optional = Object.keys(flags).length > required.length ? ['[flags]'] : [];
  const usage = [
    `usage: dinov3-seg ${name}`,
    ...required.map(([key, flag]) => shapeOf(key, flag)),
    ...optional,
    ...(positionals ? [positionals.least > 0 ? positionals.name : `[${positionals.name}]`] : []),
  ].join(' ');
  const rows: (readonly [string, string])[] = Object.entries(flags).map(([key, flag]) => [
    shapeOf(key, flag),
    flag.default === undefined ? flag.help : `${flag.help} (default ${flag.default})`,
  ]);
  if (positionals) rows.unshift([positionals.name, positionals.help]);
  rows.push(['-h, --help', 'show this help']);
  const width = Math.min(34, Math.max(...rows.map(([left]) => left.length)));
  const lines = rows.map(([left, right]) =>
    left.length > width ? `  ${left}\n  ${' '.repeat(width)}  ${right}` : `  ${left.padEnd(width)}  ${right}`,
  );
  return [usage, '', summary, '', ...lines, ...(notes ? ['', notes] : []), ''].join('\n');
}
