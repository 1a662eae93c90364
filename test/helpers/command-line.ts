import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Duplex } from 'node:stream';
import { Worker } from 'node:worker_threads';

/** The command line's script. */
export const entry = join(import.meta.dirname, '../../dist/cli/main.js');

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** The exit code that a shell gives: a command that is stopped while the codec decodes ends by the signal itself. */
export function shellCode({ code, signal }: Ended): number {
  return code ?? 128 + constants.signals[signal!];
}

/** A started command and its end. */
export interface Started {
  child: ChildProcess;
  ended: Promise<Ended>;
}

/**
 * Starts any program, its output gathered. By NODE_OPTIONS the test runner would load itself into every Node.js process that a test
 * starts, and into threads, which takes longer than most of the commands; `env` starts the program with what is in its own environment.
 */
export function startProgram(program: string, args: string[], env: Record<string, string> = {}): Started {
  const { NODE_OPTIONS: options } = env;
  const own = options === undefined ? ['-u', 'NODE_OPTIONS'] : [`NODE_OPTIONS=${options}`];
  const child = spawn('env', [...own, program, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe', ...('HOLD_AT' in env ? ['pipe' as const] : [])],
  });
  let stdout = '';
  let stderr = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, ended };
}

/** Starts `dinov3-seg` as it was built. */
export function startCommand(args: string[], env: Record<string, string> = {}): Started {
  return startProgram(process.execPath, [entry, ...args], env);
}

/** Runs a script; gives what it prints. */
export async function runScript(script: string, ...args: string[]): Promise<string> {
  const { code, signal, stdout, stderr } = await startProgram(process.execPath, [script, ...args]).ended;
  if (code !== 0) throw new Error(`${script} ended with ${signal ?? `exit code ${code}`}: ${stderr}`);
  return stdout;
}

/**
 * Runs `dinov3-seg` as it was built, in a thread of this process, which has libtorch already: a third of the time that a process takes.
 * What comes from other than JavaScript (a crash, libtorch's own messages) is not in the result: there, and with an environment of
 * its own, {@link spawnCommand}.
 */
export async function runCommand(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  if (Object.keys(env).length > 0) return spawnCommand(args, env);
  const thread = new Worker(entry, {
    ...{ argv: args, execArgv: [], stdout: true, stderr: true },
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  const [[code], stdout, stderr] = await Promise.all([
    once(thread, 'exit') as Promise<[number]>,
    text(thread.stdout),
    text(thread.stderr),
  ]);
  return { code, signal: null, stdout, stderr };
}

/** Runs `dinov3-seg` as it was built, in a process of its own. */
export async function spawnCommand(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  return startCommand(args, env).ended;
}

/** Where test/helpers/hold-at.mjs holds a command. */
export type Moment = { file: string; count: number } | { epoch: number; batch: number };

/**
 * Starts `dinov3-seg` as it was built, and resolves when it has come to a moment, where it waits: to be killed, or for `goOn()`. So it is
 * stopped there however fast the machine is. Rejects where it ends before.
 */
export async function holdCommand(args: string[], moment: Moment): Promise<Started & { goOn: () => void }> {
  const preload = ['--import', join(import.meta.dirname, 'hold-at.mjs')];
  const started = startProgram(process.execPath, [...preload, entry, ...args], {
    HOLD_AT: JSON.stringify(moment),
  });
  const channel = started.child.stdio[3] as Duplex;
  channel.on('error', () => {});
  const early = started.ended.then(({ code, stderr }) => {
    throw new Error(`the command ended before ${JSON.stringify(moment)}, with exit code ${code}: ${stderr}`);
  });
  await Promise.race([once(channel, 'data'), early]);
  early.catch(() => {});
  return { ...started, goOn: () => void channel.write('.') };
}

/** Sends a signal to a command that is held, and lets it go on to take it. */
export async function endHeld(args: string[], moment: Moment, signal: NodeJS.Signals): Promise<Ended> {
  const { child, ended, goOn } = await holdCommand(args, moment);
  child.kill(signal);
  goOn();
  return ended;
}
