#!/usr/bin/env node
/** The command line's entry: finds the command, runs it, turns errors into messages and exit codes. */
import { showEarlier } from './outside-output.js';
import { constants } from 'node:os';
import { decodingRoom } from '../data/budget.js';
import { DinoSegError } from '../errors.js';
import { systemCode, writeError } from '../files.js';
import { didYouMean } from '../nearest.js';
import { init } from '../native/engine.js';
import { ownProcess } from '../own-process.js';
import { messageText } from '../printable.js';
import { packageVersion } from '../package-version.js';
import type { Command } from './command.js';
import { configurationFlags, readConfiguration, saveConfiguration } from './configuration.js';
import { complain, detail, next, note, outputFlags, print, setLevel } from './output.js';
import { completeInput, readArguments, UsageError, usageText } from './parse.js';

const commands: Record<string, { summary: string; load: () => Promise<{ default: unknown }> }> = {
  demo: { summary: 'run the whole workflow on built-in data', load: () => import('./demo.js') },
  doctor: { summary: 'check the installation', load: () => import('./doctor.js') },
  libtorch: { summary: 'install or locate libtorch', load: () => import('./libtorch.js') },
  convert: {
    summary: 'build a TorchScript file from DINOv3 checkpoints',
    load: () => import('./convert.js'),
  },
  init: { summary: 'write a network with random weights', load: () => import('./init.js') },
  inspect: { summary: 'list keys, shapes and sizes of a checkpoint', load: () => import('./inspect.js') },
  forward: { summary: "write the network's raw outputs", load: () => import('./forward.js') },
  data: {
    summary: 'check labelled images: counts, faults, a contact sheet',
    load: () => import('./data.js'),
  },
  prepare: {
    summary: 'draw label images from the polygons of a data set',
    load: () => import('./prepare.js'),
  },
  train: { summary: 'train class_embed on labelled images', load: () => import('./train.js') },
  cache: {
    summary: 'make, merge, check, list or remove caches of network outputs',
    load: () => import('./cache.js'),
  },
  eval: { summary: 'evaluate a head on labelled images', load: () => import('./eval.js') },
  compare: {
    summary: 'compare two precisions, networks or heads on images',
    load: () => import('./compare.js'),
  },
  predict: { summary: 'segment images', load: () => import('./predict.js') },
  features: {
    summary: 'write a table of features, one row per image',
    load: () => import('./features.js'),
  },
  merge: { summary: 'merge the parts of a feature table', load: () => import('./merge.js') },
  export: {
    summary: 'write a TorchScript file that includes the trained head',
    load: () => import('./export.js'),
  },
};

const doneCode = 0;
const failedCode = 1;
const usageCode = 2;

function overview(): string {
  const rows = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`);
  return [
    'usage: dinov3-seg COMMAND [flags]',
    '',
    ...rows,
    '',
    'dinov3-seg COMMAND -h explains a command; --version prints the version.',
  ].join('\n');
}

/** Ctrl-C and SIGTERM: the first aborts the signal, the second ends the process at once. */
const interruption = {
  exitCode: failedCode as number,
  signal: undefined as NodeJS.Signals | undefined,
  goesOn: false,
  watch(command: Command): AbortSignal {
    this.goesOn = command.goesOn ?? false;
    const controller = new AbortController();
    for (const name of ['SIGINT', 'SIGTERM'] as const)
      process.on(name, () => {
        this.exitCode = 128 + constants.signals[name];
        this.signal = name;
        if (controller.signal.aborted) {
          this.end();
          process.exit(this.exitCode);
        }
        note(`${name}: stopping after the current step (repeat to stop at once)`);
        controller.abort(new DinoSegError('ABORTED', `Stopped by ${name}.`));
      });
    return controller.signal;
  },
  /**
   * Ends the process where decoding goes on that nobody waits for. The codec cannot be stopped, and Node.js waits for it, even in
   * exit(): the signal itself ends the process, with the same exit code for a shell.
   */
  end(): void {
    if (this.signal === undefined || !decodingRoom.isInUse) return;
    process.removeAllListeners(this.signal);
    process.kill(process.pid, this.signal);
  },
};

async function run(argv: string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined) throw new UsageError(`No command was given.\n\n${overview()}`);
  if (name === '-h' || name === '--help' || name === 'help') return (print(overview()), doneCode);
  if (name === '--version') return (print(packageVersion()), doneCode);
  if (!Object.hasOwn(commands, name))
    throw new UsageError(
      `Unknown command "${name}".${didYouMean(name, Object.keys(commands))} ` +
        `The commands are ${Object.keys(commands).join(', ')}.`,
    );
  const command = (await commands[name]!.load()).default as Command;
  const syntax = { ...command, flags: { ...command.flags, ...configurationFlags, ...outputFlags } };
  const { help, ...line } = readArguments(syntax, rest);
  if (help) return (print(usageText(syntax)), doneCode);
  const { config: path } = line.flags as { config?: string };
  const input = completeInput(
    syntax,
    line,
    path === undefined ? undefined : await readConfiguration(syntax, path),
  );
  const { config, 'save-config': saveTo, quiet, verbose, ...settings } = input.flags;
  if (quiet && verbose) throw new UsageError('Give --quiet or --verbose, not both.');
  setLevel(quiet ? 'quiet' : verbose ? 'verbose' : 'normal');
  // What libtorch logs by itself goes to stderr, past all that is written here.
  if (verbose) process.env['TORCH_CPP_LOG_LEVEL'] ??= 'WARNING';
  const { 'cpu-threads': threads, ...flags } = settings as typeof settings & { 'cpu-threads'?: number };
  if (threads !== undefined) init({ threads });
  showEarlier();
  const { positionals } = input;
  const signal = command.stoppable ? interruption.watch(command) : new AbortController().signal;
  detail(
    [`dinov3-seg ${packageVersion()}: ${name}`, ...(config ? [`settings from ${config}`] : [])].join(', '),
  );
  detail(JSON.stringify({ ...flags, ...(positionals.length > 0 && { arguments: positionals }) }));
  if (saveTo !== undefined) await saveConfiguration(syntax, input, saveTo);
  return (await command.run({ flags, positionals, signal })) ?? doneCode;
}

function report(error: unknown): number {
  if (process.env['DEBUG']) note(error instanceof Error ? (error.stack ?? error.message) : String(error));
  if (error instanceof UsageError) {
    process.stderr.write(
      `${messageText(error.message)}\nFor help, run dinov3-seg -h or dinov3-seg COMMAND -h.\n`,
    );
    return usageCode;
  }
  if (error instanceof DinoSegError) {
    complain(error);
    if (error.code === 'ABORTED') {
      if (interruption.goesOn) next('run the same command again to continue');
      return interruption.exitCode;
    }
    return error.code === 'INVALID_ARGUMENT' ? usageCode : failedCode;
  }
  const message = error instanceof Error ? error.message : String(error);
  complain(new DinoSegError('INTERNAL', `${message} (please report this; DEBUG=1 prints the stack trace)`));
  return failedCode;
}

// A reader that has seen enough (head, less) is no error. Progress that nobody reads, or that a full disk does not take, does not
// stop the work; results that are lost do.
process.stdout.on('error', (cause) => {
  if (systemCode(cause) === 'EPIPE') process.exit(doneCode);
  const { code } = writeError('stdout', cause);
  const message = `The results could not be written to the standard output (${systemCode(cause)}). Redirect it elsewhere.`;
  process.exit(report(new DinoSegError(code, message, { cause })));
});
process.stderr.on('error', () => {});

// Thrown in a callback, outside of what a command awaits.
process.on('uncaughtException', (error) => process.exit(report(error)));

// Commands load the codec, which reads it.
ownProcess.isOurs = true;

process.exitCode = await run(process.argv.slice(2)).catch(report);
interruption.end();
