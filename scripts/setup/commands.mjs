// Runs programs with their output in a log file, and finds the lines that say why one failed.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';

/** A log file. The first line written replaces an earlier log. */
export class Log {
  #descriptor;

  constructor(path) {
    this.path = path;
  }

  write(line) {
    if (this.#descriptor === undefined) {
      mkdirSync(dirname(this.path), { recursive: true });
      this.#descriptor = openSync(this.path, 'w');
    }
    writeSync(this.#descriptor, `${line}\n`);
  }

  close() {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}

/** A program failed; `lines` are the lines of its output that say why. */
export class CommandError extends Error {
  constructor(message, lines) {
    super(message);
    this.lines = lines;
  }
}

/** The setup was stopped by a signal. */
export class Stopped extends Error {
  constructor(signal) {
    super(`stopped by ${signal}`);
    this.signal = signal;
    this.exitCode = 128 + constants.signals[signal];
  }
}

/**
 * Runs a program to its end, in its own process group, so that an abort also reaches its child processes.
 *
 * @param log receives the command and its output.
 * @param onLine called with each line of stdout and stderr.
 * @param signal an AbortSignal whose reason is a {@link Stopped}: its signal is sent to the process group, and the end is awaited.
 * @throws CommandError, or the signal's reason
 */
export async function runLogged(command, args, { log, cwd, env = process.env, onLine = () => {}, signal }) {
  signal?.throwIfAborted();
  log.write(`\n$ ${[command, ...args].join(' ')}`);
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const stop = () => killGroup(child, signal.reason.signal);
  signal?.addEventListener('abort', stop);
  const output = [];
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream, crlfDelay: Infinity }).on('line', (line) => {
      output.push(line);
      log.write(line);
      onLine(line);
    });
  const problem = await new Promise((resolve) => {
    child.on('error', (error) => resolve(error.code === 'ENOENT' ? 'not found' : error.message));
    child.on('close', (code, by) =>
      resolve(code === 0 ? undefined : by ? `killed by ${by}` : `exit code ${code}`),
    );
  });
  signal?.removeEventListener('abort', stop);
  signal?.throwIfAborted();
  if (problem !== undefined)
    throw new CommandError(`${commandName(command, args)} failed (${problem})`, decisiveLines(output));
}

function killGroup(child, signal) {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** `npm ci`, `tsc`, `cmake-js build`: the name without node. */
function commandName(command, args) {
  const [program, first = ''] = command === process.execPath ? args : [command, ...args];
  const name = program.split('/').at(-1);
  return /^[a-z]/.test(first) ? `${name} ${first}` : name;
}

const mostLines = 12;
const compiler = /\b(fatal )?error( TS\d+)?: |undefined reference|: error\b|CMake Error|Killed signal/;
const npm = /^npm (error|ERR!)/;

/** The first lines of a compiler or linker error, npm's error lines, or otherwise the last lines. */
export function decisiveLines(output) {
  const lines = output.filter((line) => line.trim() !== '');
  const first = lines.findIndex((line) => compiler.test(line));
  const ofNpm = lines.filter((line) => npm.test(line) && !/A complete log of this run/.test(line));
  const chosen =
    first >= 0 ? lines.slice(first, first + mostLines) : ofNpm.length > 0 ? ofNpm : lines.slice(-mostLines);
  return chosen.slice(0, mostLines).map((line) => (line.length > 400 ? `${line.slice(0, 400)}…` : line));
}
