/** What every command file exports. */
import type { CommandSyntax, Flags, FlagValues } from './parse.js';

export interface CommandInput<F extends Flags> {
  flags: FlagValues<F>;
  positionals: string[];
  /** Aborted by Ctrl-C and SIGTERM, for commands that are `stoppable`. */
  signal: AbortSignal;
}

export interface Command<F extends Flags = Flags> extends CommandSyntax<F> {
  /** It watches the signal and stops cleanly by itself; other commands are ended at once. */
  stoppable?: true;
  /** After a stop, the same command continues where it stopped. */
  goesOn?: true;
  /** @returns the exit code; nothing: 0 */
  run(input: CommandInput<F>): Promise<number | void>;
}

/** A command with the types of its flags' values. */
export function command<const F extends Flags>(definition: Command<F>): Command<F> {
  return definition;
}

/** `image-size` as `imageSize`: flags are named as the settings of the library. */
export function camelCased(flags: object): Record<string, unknown> {
  const camel = (name: string) => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(flags).map(([name, value]) => [camel(name), value]));
}
