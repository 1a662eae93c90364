/** `--config` and `--save-config`: a command's flags and arguments from a file, and as one. */
import { atomicWriteFile } from '../files.js';
import { shown, type JsonObject } from '../json.js';
import { nearest } from '../nearest.js';
import { packageVersion } from '../package-version.js';
import { readSettingsFile, settingsText } from '../settings-file.js';
import { camelCased } from './command.js';
import {
  checkTimes,
  checkValue,
  UsageError,
  type CommandSyntax,
  type Flag,
  type Flags,
  type Given,
} from './parse.js';

/** Of every command. */
export const configurationFlags = {
  config: {
    type: 'text',
    value: 'FILE',
    help: 'YAML or JSON file with settings (docs/configuration.md); flags override it',
  },
  'save-config': {
    type: 'text',
    value: 'FILE',
    help: 'file to write all settings to, for --config; .yaml or .json',
  },
} as const satisfies Flags;

/** Under which a file has a command's arguments. */
const argumentsKey = 'arguments';

/** Names that a file may call a flag by. */
export function namesOf(name: string, { setting }: Flag): string[] {
  return [name, ...Object.keys(camelCased({ [name]: 0 })), ...(setting === undefined ? [] : [setting])];
}

function settable({ flags }: CommandSyntax): [string, Flag][] {
  return Object.entries(flags).filter(([name]) => !Object.hasOwn(configurationFlags, name));
}

/**
 * A command's input from a file.
 *
 * @throws UsageError for a setting that the command does not have (naming the nearest), one that is given twice or has a wrong
 *   value, and the saved configuration of another command; DinoSegError as {@link readSettingsFile}.
 */
export async function readConfiguration(syntax: CommandSyntax, path: string): Promise<Given> {
  const { settings, command } = await readSettingsFile(path);
  if (command !== undefined && command !== syntax.name)
    throw new UsageError(`${path} is a configuration for ${command}, not for ${syntax.name}.`);
  const flags: Record<string, unknown> = {};
  const positionals: string[] = [];
  for (const [key, value] of Object.entries(settings)) {
    // Written for "nothing given" in the configurations of runs.
    if (value === null) continue;
    if (key === argumentsKey && syntax.positionals) {
      positionals.push(...argumentsOf(value, path));
      continue;
    }
    const [name, flag] = find(syntax, key, path);
    if (Object.hasOwn(flags, name))
      throw new UsageError(`${path} sets --${name} twice, the second time as "${key}".`);
    flags[name] = valuesOf(flag, `"${key}" in ${path}`, value);
  }
  return { flags, positionals };
}

function find(syntax: CommandSyntax, key: string, path: string): [string, Flag] {
  const known = settable(syntax);
  const found = known.find(([name, flag]) => namesOf(name, flag).includes(key));
  if (found) return found;
  const names = known.flatMap(([name, flag]) => namesOf(name, flag));
  const near = nearest(key, syntax.positionals ? [...names, argumentsKey] : names);
  throw new UsageError(
    `Unknown setting "${key}" in ${path}.` +
      (near === undefined
        ? ` ${syntax.name} has the settings ${known.map(([name]) => name).join(', ')}.`
        : ` Did you mean "${near}"?`),
  );
}

function valuesOf(flag: Flag, name: string, value: unknown): unknown {
  if (flag.times === undefined) return valueOf(flag, name, value);
  const values: unknown[] = Array.isArray(value) ? value : [value];
  return checkTimes(
    flag,
    name,
    values.map((each) => valueOf(flag, name, each)),
  );
}

function valueOf(flag: Flag, name: string, value: unknown): unknown {
  if (flag.type === 'boolean') {
    if (typeof value === 'boolean') return value;
    throw new UsageError(`${name} should be true or false, not ${shown(value)}.`);
  }
  if (flag.type === 'text' && typeof value !== 'string')
    throw new UsageError(
      `${name} should be a string (quoted if it looks like a number), not ${shown(value)}.`,
    );
  if (flag.type !== 'text' && typeof value !== 'number')
    throw new UsageError(`${name} should be a number, not ${shown(value)}.`);
  if (value === '') throw new UsageError(`${name} is empty: ${flag.help}.`);
  return checkValue(flag, name, String(value));
}

function argumentsOf(value: unknown, path: string): string[] {
  if (Array.isArray(value) && value.every((each) => typeof each === 'string' && each !== ''))
    return value as string[];
  throw new UsageError(`"${argumentsKey}" in ${path} should be a list of strings, not ${shown(value)}.`);
}

/** Writes what a command was given, defaults included, so that `--config` gives it back. @throws DinoSegError IO, DISK_FULL */
export async function saveConfiguration(
  syntax: CommandSyntax,
  { flags, positionals }: { flags: object; positionals: readonly string[] },
  path: string,
): Promise<void> {
  const own = Object.entries(flags).filter(([name]) => !Object.hasOwn(configurationFlags, name));
  const config: JsonObject = {
    ...Object.fromEntries(own),
    ...(positionals.length > 0 && { [argumentsKey]: positionals }),
  };
  await atomicWriteFile(
    path,
    settingsText(path, { package: packageVersion(), command: syntax.name, config }),
  );
}
